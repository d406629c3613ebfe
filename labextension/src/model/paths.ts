/**
 * Paths of the managed storage, as plain text.
 *
 * They begin with a slash, and folders end with one. Nothing is normalised: `//` is a folder with an empty name, which
 * buckets do hold. Pure.
 */

import type { IEntry } from '../rest/shapes';

/** A step on the way to a folder. */
export interface ICrumb {
  name: string;
  path: string;
}

/** Whether the path names a folder. */
export function isFolder(path: string): boolean {
  return path.endsWith('/');
}

/** The folder that holds this one or this file; the root holds itself. */
export function parentOf(path: string): string {
  const bare = isFolder(path) ? path.slice(0, -1) : path;
  return bare.slice(0, bare.lastIndexOf('/') + 1) || '/';
}

/** The last segment; of the root, an empty text. */
export function nameOf(path: string): string {
  const bare = isFolder(path) ? path.slice(0, -1) : path;
  return bare.slice(bare.lastIndexOf('/') + 1);
}

/** Every folder from the root to this one, both included. */
export function crumbsOf(folder: string): ICrumb[] {
  const crumbs = [{ name: '', path: '/' }];
  let path = '/';
  for (const name of folder.slice(1, -1).split('/')) {
    if (folder.length > 1) {
      path += `${name}/`;
      crumbs.push({ name, path });
    }
  }
  return crumbs;
}

/** The nearest folder in which all of these lie. */
export function commonFolder(paths: readonly string[]): string {
  let folder = parentOf(paths[0] ?? '/');
  while (!paths.every(path => parentOf(path).startsWith(folder))) {
    folder = parentOf(folder);
  }
  return folder;
}

/** A name as it is compared: whatever its case, and whichever way its accents are written (macOS takes them apart). */
export function folded(name: string): string {
  return name.normalize().toLowerCase();
}

/** What is wrong with a name somebody typed for a file or folder, or null. */
export type NameProblem = 'empty' | 'slash' | 'dots' | 'control' | null;

export function problemOfName(name: string): NameProblem {
  if (name === '') {
    return 'empty';
  }
  if (name.includes('/')) {
    return 'slash';
  }
  if (name === '.' || name === '..') {
    return 'dots';
  }
  // eslint-disable-next-line no-control-regex
  return /[\x00-\x1f\x7f]/.test(name) ? 'control' : null;
}

/**
 * What tells an entry from all others. The path alone does not: a key that ends with a slash can have a body (a file)
 * beside what lies below it (a folder).
 */
export function keyOf(entry: IEntry): string {
  return entry.type === 'FILE' && isFolder(entry.path)
    ? `${entry.path}\0`
    : entry.path;
}
