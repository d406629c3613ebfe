/**
 * One folder as far as it has been read: pages of entries, in the order in which the storage gives them.
 */
import type { ISignal } from '@lumino/signaling';
import { Signal } from '@lumino/signaling';
import { asApiError } from '../rest/errors';
import type { ApiError } from '../rest/errors';
import type { IEntry, IListing } from '../rest/shapes';
import { keyOf } from './paths';

/** Where pages come from: the one call of the API that a folder needs. */
export interface IPages {
  list(
    path: string,
    options: { limit: number; cursor: string | null; signal: AbortSignal }
  ): Promise<IListing>;
}

/** Entries asked for at once: S3's own page, the most one request can bring. */
export const PAGE = 1000;

/** What is known of the folder itself; everything but its entries. */
export type FolderFacts = Omit<IListing, 'entries' | 'cursor'>;

export class FolderModel {
  constructor(
    private readonly source: IPages,
    readonly path: string,
    private readonly pageSize = PAGE
  ) {}

  /** Emitted when entries, facts, progress or errors changed. */
  get changed(): ISignal<this, void> {
    return this._changed;
  }

  /** Permissions and URI of the folder, once the first page is here. */
  get facts(): FolderFacts | null {
    return this._facts;
  }

  get entries(): readonly IEntry[] {
    return this._entries;
  }

  /** Whether every entry is here. */
  get complete(): boolean {
    return this._facts !== null && this._cursor === null;
  }

  /** Whether a page is on its way. */
  get busy(): boolean {
    return this._reading !== null;
  }

  /** Pages it took so far; beyond one, `entries` stay in the order of the storage. */
  get pages(): number {
    return this._pages;
  }

  /** Whether one page does not hold it. */
  get long(): boolean {
    return this._pages > 1 || this._cursor !== null;
  }

  /** Why the last page did not come, or null. With entries present, only the rest is missing. */
  get error(): ApiError | null {
    return this._error;
  }

  /** When the listing was read, in milliseconds of `Date.now()`; 0 before. */
  get readAt(): number {
    return this._readAt;
  }

  /** Bring the next page (or the first). Calls while one is on its way share it. */
  more(): Promise<void> {
    if (this._abort.signal.aborted || this.complete) {
      return Promise.resolve();
    }
    if (this._reading === null) {
      this._error = null;
      this._reading = this._read().finally(() => {
        this._reading = null;
        this._changed.emit();
      });
      this._changed.emit();
    }
    return this._reading;
  }

  /** Bring everything, page after page, until `stop` says otherwise. A page that failed ends it. */
  async all(stop: () => boolean = () => false): Promise<void> {
    const over = (): boolean =>
      this.complete || this._error !== null || this._abort.signal.aborted;
    while (!over() && !stop()) {
      await this.more();
    }
  }

  /**
   * Read the folder anew. What is shown stays until as many entries are here again, so that nothing flickers or jumps;
   * `keep` is how many of them matter (the last row in sight).
   */
  async refresh(keep = 0): Promise<void> {
    this._abort.abort();
    this._abort = new AbortController();
    const abort = this._abort;
    await this._reading;
    if (abort.signal.aborted) {
      return;
    }
    const fresh = new FolderModel(this.source, this.path, this.pageSize);
    fresh._abort = abort;
    this._reading = fresh
      .more()
      .then(() => fresh.all(() => fresh._entries.length >= keep))
      .then(() => {
        if (abort.signal.aborted) {
          return;
        }
        this._error = fresh._error;
        if (fresh._facts !== null) {
          this._facts = fresh._facts;
          this._entries = fresh._entries;
          this._cursor = fresh._cursor;
          this._pages = fresh._pages;
          this._readAt = fresh._readAt;
        }
      });
    this._changed.emit();
    await this._reading.finally(() => {
      this._reading = null;
      this._changed.emit();
    });
  }

  /** Put an entry that we know exists now (uploaded, created) in its place, or replace it. */
  put(entry: IEntry): void {
    const rest = without(this._entries, new Set([keyOf(entry)]));
    const at = rest.findIndex(each => each.path > entry.path);
    rest.splice(at === -1 ? rest.length : at, 0, entry);
    this._entries = rest;
    this._ahead.add(keyOf(entry));
    this._changed.emit();
  }

  /** Stop reading; nobody looks any more. */
  dispose(): void {
    this._abort.abort();
    Signal.clearData(this);
  }

  private async _read(): Promise<void> {
    const { signal } = this._abort;
    try {
      const { entries, cursor, ...facts } = await this.source.list(this.path, {
        limit: this.pageSize,
        cursor: this._cursor,
        signal
      });
      if (signal.aborted) {
        return;
      }
      this._facts = facts;
      const here = this._ahead.size
        ? without(this._entries, this._met(entries))
        : this._entries;
      this._entries = here.length ? here.concat(entries) : entries;
      this._cursor = cursor;
      this._pages += 1;
      this._readAt = Date.now();
    } catch (reason) {
      if (!signal.aborted) {
        this._error = asApiError(reason, this.path);
      }
    }
  }

  /** Which of the entries that were put ahead of their page this page brings itself. */
  private _met(entries: readonly IEntry[]): ReadonlySet<string> {
    return new Set(entries.map(keyOf).filter(key => this._ahead.delete(key)));
  }

  private _facts: FolderFacts | null = null;
  private _entries: IEntry[] = [];
  /** Entries put while their page has not been read. */
  private readonly _ahead = new Set<string>();
  private _cursor: string | null = null;
  private _pages = 0;
  private _readAt = 0;
  private _error: ApiError | null = null;
  private _reading: Promise<void> | null = null;
  private _abort = new AbortController();
  private readonly _changed = new Signal<this, void>(this);
}

function without(
  entries: readonly IEntry[],
  keys: ReadonlySet<string>
): IEntry[] {
  return entries.filter(entry => !keys.has(keyOf(entry)));
}
