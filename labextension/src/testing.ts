/**
 * What the unit tests share: entries, and a storage of pages in memory.
 */
import type { IEntry, IListing, ISync, SearchLine } from './rest/shapes';
import { nameOf, parentOf } from './model/paths';

export function entry(path: string, facts: Partial<IEntry> = {}): IEntry {
  const folder = path.endsWith('/');
  return {
    name: nameOf(path),
    path,
    uri: `s3://bucket/org${path}`,
    type: folder ? 'FOLDER' : 'FILE',
    size: folder ? null : 10,
    lastModified: folder ? null : '2026-01-01T00:00:00Z',
    etag: folder ? null : '"e"',
    mutateProtected: false,
    uploadProtected: false,
    reason: null,
    ...facts
  };
}

/** The state of a home that is saved. */
export const SAVED: ISync = {
  phase: 'watching',
  savedAt: '2026-01-01T14:02:07Z',
  pendingFiles: 0,
  pendingBytes: 0,
  oldestPendingSeconds: null,
  pending: [],
  conflicts: [],
  skipped: [],
  pendingDeletes: { count: 0, examples: [], message: '' },
  restored: true,
  restore: null,
  push: null,
  lease: { held: true, holder: '', message: '' },
  hints: '',
  notes: [],
  error: null,
  lostAtLastStop: []
};

/** Answers listings from entries by folder, counts the calls, and can fail or wait. */
export class Pages {
  constructor(...entries: IEntry[]) {
    this.set(...entries);
  }

  calls: string[] = [];
  failure: Error | null = null;
  gate: Promise<void> | null = null;

  set(...entries: IEntry[]): void {
    this.folders = new Map();
    for (const each of entries) {
      const parent = parentOf(each.path);
      this.folders.set(parent, [...(this.folders.get(parent) ?? []), each]);
    }
  }

  async list(
    path: string,
    options: { limit: number; cursor: string | null; signal: AbortSignal }
  ): Promise<IListing> {
    this.calls.push(`${path}@${options.cursor ?? ''}`);
    await this.gate;
    options.signal.throwIfAborted();
    if (this.failure) {
      throw this.failure;
    }
    const all = this.folders.get(path) ?? [];
    const from = Number(options.cursor ?? 0);
    const to = from + options.limit;
    return {
      path,
      uri: `s3://bucket/org${path}`,
      mutateProtected: false,
      uploadProtected: false,
      reason: null,
      confirmation: null,
      entries: all.slice(from, to),
      cursor: to < all.length ? String(to) : null,
      order: 'key',
      complete: from === 0 && to >= all.length,
      exists: all.length > 0
    };
  }

  async *search(): AsyncGenerator<SearchLine> {
    await Promise.resolve();
    for (const all of this.folders.values()) {
      for (const each of all) {
        yield { kind: 'entry', entry: each };
      }
    }
    yield { kind: 'end', scanned: 1, found: 1, complete: true };
  }

  private folders = new Map<string, IEntry[]>();
}

/** Wait until something holds, as long as it is a matter of promises and short timers. */
export async function until(holds: () => boolean): Promise<void> {
  for (let i = 0; i < 500; i++) {
    if (holds()) {
      return;
    }
    await new Promise(resolve => setTimeout(resolve, 2));
  }
  throw new Error(`never came true: ${holds.toString()}`);
}
