/**
 * Which files JupyterLab opens by itself: those it has a viewer for, and small ones that turn out to be text. Pure but for the
 * look at the first bytes.
 */
import type { IEntry } from './rest/shapes';
import { opensInLab } from './drive';

/** Bytes looked at to tell text from the rest. */
export const SNIFFED = 4096;

/** JupyterLab takes every image for one that browsers can draw. */
const NOT_DRAWN = /\.(tiff?|jp2|heic|raw)$/i;

export type Opening =
  /** JupyterLab knows what to do. */
  | 'open'
  /** Perhaps text: look at the beginning. */
  | 'look'
  | 'too-large'
  | 'unreachable'
  | 'unknown';

/** Decide by name and size. `known`: JupyterLab has a file type for the name. `limit` in bytes. */
export function openingOf(
  entry: IEntry,
  known: boolean,
  limit: number
): Opening {
  if (!opensInLab(entry.path)) {
    return 'unreachable';
  }
  if ((entry.size ?? 0) > limit) {
    return 'too-large';
  }
  if (NOT_DRAWN.test(entry.name)) {
    return 'unknown';
  }
  return known ? 'open' : 'look';
}

/** Whether the beginning of a file is text in UTF-8. */
export function isText(beginning: ArrayBuffer): boolean {
  try {
    // A character may be cut in two at the end: streaming takes that for unfinished, not for wrong.
    const text = new TextDecoder('utf-8', { fatal: true }).decode(beginning, {
      stream: true
    });
    return !text.includes('\0');
  } catch {
    return false;
  }
}
