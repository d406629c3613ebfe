import { expect, test } from 'vitest';
import {
  formatBytes,
  formatDate,
  formatDateTime,
  formatNumber,
  formatTime,
  visible
} from './format';

test.each([
  [0, '0 B'],
  [999, '999 B'],
  [1023, '1023 B'],
  [1024, '1.0 KB'],
  [12_345, '12 KB'],
  [10_239, '10 KB'],
  [1_048_575, '1.0 MB'],
  [5_368_709_120, '5.0 GB']
])('%d bytes are %s', (bytes, words) => {
  expect(formatBytes(bytes)).toBe(words);
});

test('a date is as short as it stays clear', () => {
  const now = new Date(2026, 10, 20, 15, 0);
  expect(formatDate(new Date(2026, 10, 20, 14, 2).toISOString(), now)).toMatch(
    /02/
  );
  expect(formatDate(new Date(2026, 2, 5).toISOString(), now)).toMatch(/Mar/);
  expect(formatDate(new Date(2020, 2, 5).toISOString(), now)).toMatch(/2020/);
});

test('a moment reads the same wherever it is shown', () => {
  const now = new Date(2026, 10, 20, 15, 0);
  const at = new Date(2026, 10, 20, 14, 2, 7).toISOString();
  expect(formatDate(at, now)).toBe('14:02');
  expect(formatTime(at)).toBe('14:02:07');
  expect(formatDateTime(at)).toBe('Nov 20, 2026, 14:02:07');
});

test('numbers follow the language of the page', () => {
  const words = (lang: string): string => {
    document.documentElement.lang = lang;
    return formatNumber(12_345);
  };
  expect(words('en')).toBe('12,345');
  expect(words('de-DE')).toBe('12.345');
  expect(words('no such language')).not.toBe('');
});

test('a name hides nothing', () => {
  expect(visible('line\nbreak\t\x7f.csv')).toBe('line␊break␉␡.csv');
  expect(visible('\u202egpj.exe')).toBe('<U+202E>gpj.exe');
  expect(visible('שלום é 名.csv')).toBe('שלום é 名.csv');
});
