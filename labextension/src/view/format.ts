/**
 * Numbers and dates as people read them. Pure but for the language of the page.
 */
import type { TranslationBundle } from '@jupyterlab/translation';

const UNITS = ['B', 'KB', 'MB', 'GB', 'TB', 'PB'];

/** Bytes in units of 1024, as JupyterLab's file browser counts them: "12 KB", "1.4 GB". */
export function formatBytes(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (value >= 1023.5 && unit < UNITS.length - 1) {
    value /= 1024;
    unit += 1;
  }
  const digits = unit === 0 || value >= 9.95 ? 0 : 1;
  return `${value.toFixed(digits)} ${UNITS[unit]}`;
}

/**
 * A name with nothing hidden in it: line breaks and other control characters as the signs that stand for them, and what
 * turns the direction of the text as its number (or `gpj.exe` could pass for `exe.jpg`).
 */
export function visible(name: string): string {
  return (
    name
      // eslint-disable-next-line no-control-regex
      .replace(/[\x00-\x1f\x7f]/g, sign =>
        String.fromCharCode(
          sign === '\x7f' ? 0x2421 : 0x2400 + sign.charCodeAt(0)
        )
      )
      .replace(
        /[\u200e\u200f\u202a-\u202e\u2066-\u2069]/g,
        sign => `<U+${sign.charCodeAt(0).toString(16).toUpperCase()}>`
      )
  );
}

/** Seconds as "12 s", "3 min", "2 h". */
export function formatDuration(
  seconds: number,
  trans: TranslationBundle
): string {
  if (seconds < 60) {
    return trans.__('%1 s', Math.max(1, Math.round(seconds)));
  }
  return seconds < 5400
    ? trans.__('%1 min', Math.round(seconds / 60))
    : trans.__('%1 h', Math.round(seconds / 3600));
}

/** Hours from 0 to 23 in every language, so that the same moment reads the same in the list, the status bar and the logs. */
const HOURS = { hourCycle: 'h23' } as const;

/** The language of the page; undefined (the browser's) if that is no language tag. */
function language(): string | undefined {
  try {
    return Intl.getCanonicalLocales(document.documentElement.lang)[0];
  } catch {
    return undefined;
  }
}

function formatter(options: Intl.DateTimeFormatOptions): Intl.DateTimeFormat {
  const key = `${language() ?? ''} ${JSON.stringify(options)}`;
  let made = formatters.get(key);
  if (!made) {
    made = new Intl.DateTimeFormat(language(), options);
    formatters.set(key, made);
  }
  return made;
}
const formatters = new Map<string, Intl.DateTimeFormat>();

/** A count: "12,345" in English. */
export function formatNumber(count: number): string {
  const key = language() ?? '';
  let made = numbers.get(key);
  if (!made) {
    made = new Intl.NumberFormat(language());
    numbers.set(key, made);
  }
  return made.format(count);
}
const numbers = new Map<string, Intl.NumberFormat>();

/** As short as it stays clear: the time today, the day this year, else month and year. */
export function formatDate(iso: string, now = new Date()): string {
  const date = new Date(iso);
  if (date.toDateString() === now.toDateString()) {
    return formatter({ hour: '2-digit', minute: '2-digit', ...HOURS }).format(
      date
    );
  }
  return date.getFullYear() === now.getFullYear()
    ? formatter({ day: 'numeric', month: 'short' }).format(date)
    : formatter({ year: 'numeric', month: 'short' }).format(date);
}

/** Day and time in full. */
export function formatDateTime(iso: string): string {
  return formatter({
    dateStyle: 'medium',
    timeStyle: 'medium',
    ...HOURS
  }).format(new Date(iso));
}

/** The time of day with seconds: "14:02:07". */
export function formatTime(iso: string): string {
  return formatter({ timeStyle: 'medium', ...HOURS }).format(new Date(iso));
}
