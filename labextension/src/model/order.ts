/**
 * The order of the rows. Pure but for yielding: sorting 100,000 names takes half a second, so it is done in slices that
 * leave the page free between them.
 */
import type { IEntry } from '../rest/shapes';

export type SortKey = 'name' | 'size' | 'modified';

export interface ISort {
  key: SortKey;
  descending: boolean;
}

export const BY_NAME: ISort = { key: 'name', descending: false };

const SLICE_MS = 12;
const BLOCK = 1000;

type Compare = (a: IEntry, b: IEntry) => number;

const collator = new Intl.Collator(undefined, {
  numeric: true,
  sensitivity: 'base'
});

function byName(a: IEntry, b: IEntry): number {
  return (
    collator.compare(a.name, b.name) ||
    (a.name < b.name ? -1 : a.name > b.name ? 1 : 0)
  );
}

/** Folders first whichever way the rest runs, as every file list does; equal ones by name. */
export function comparator(sort: ISort): Compare {
  const sign = sort.descending ? -1 : 1;
  return (a, b) => {
    if (a.type !== b.type) {
      return a.type === 'FOLDER' ? -1 : 1;
    }
    if (sort.key === 'size' && a.size !== b.size) {
      return sign * ((a.size ?? -1) - (b.size ?? -1));
    }
    if (sort.key === 'modified' && a.lastModified !== b.lastModified) {
      return (a.lastModified ?? '') < (b.lastModified ?? '') ? -sign : sign;
    }
    return sort.key === 'name' ? sign * byName(a, b) : byName(a, b);
  };
}

function yieldToPage(): Promise<void> {
  return new Promise(resolve => setTimeout(resolve, 0));
}

/**
 * The entries in order. Small lists at once; long ones in slices of about 12 ms. Answers null when `stop` says that
 * nobody waits for the result any more.
 */
export async function sorted(
  entries: readonly IEntry[],
  sort: ISort,
  stop: () => boolean = () => false
): Promise<IEntry[] | null> {
  const compare = comparator(sort);
  if (entries.length <= BLOCK) {
    return [...entries].sort(compare);
  }
  let deadline = performance.now() + SLICE_MS;
  const breathe = async (): Promise<boolean> => {
    if (performance.now() < deadline) {
      return true;
    }
    await yieldToPage();
    deadline = performance.now() + SLICE_MS;
    return !stop();
  };

  let runs: IEntry[][] = [];
  for (let i = 0; i < entries.length; i += BLOCK) {
    runs.push(entries.slice(i, i + BLOCK).sort(compare));
    if (!(await breathe())) {
      return null;
    }
  }
  while (runs.length > 1) {
    const merged: IEntry[][] = [];
    for (let i = 0; i < runs.length; i += 2) {
      const a = runs[i]!;
      const b = runs[i + 1] ?? [];
      const out: IEntry[] = [];
      let x = 0;
      let y = 0;
      while (x < a.length || y < b.length) {
        const fromA =
          y >= b.length || (x < a.length && compare(a[x]!, b[y]!) <= 0);
        out.push(fromA ? a[x++]! : b[y++]!);
        if (out.length % BLOCK === 0 && !(await breathe())) {
          return null;
        }
      }
      merged.push(out);
    }
    runs = merged;
  }
  return runs[0] ?? [];
}
