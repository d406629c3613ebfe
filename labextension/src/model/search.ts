/**
 * A search below a folder: results as the server finds them.
 */
import type { ISignal } from '@lumino/signaling';
import { Signal } from '@lumino/signaling';
import { asApiError } from '../rest/errors';
import type { ApiError } from '../rest/errors';
import type { IEntry, IItem, SearchLine } from '../rest/shapes';
import { isFolder } from './paths';

/** The one call of the API that a search needs. */
export interface ISearchSource {
  search(
    path: string,
    name: string,
    signal: AbortSignal
  ): AsyncIterable<SearchLine>;
}

const EMIT_MS = 100;

export class SearchModel {
  constructor(
    source: ISearchSource,
    /** The folder below which is searched. */
    readonly folder: string,
    readonly text: string
  ) {
    void this._run(source.search(folder, text, this._abort.signal));
  }

  /** Emitted when results or progress came, ten times a second at most. */
  get changed(): ISignal<this, void> {
    return this._changed;
  }

  get results(): readonly IEntry[] {
    return this._results;
  }

  /** Objects looked at so far. */
  get scanned(): number {
    return this._scanned;
  }

  get running(): boolean {
    return this._running;
  }

  /** Whether everything below the folder was looked at. */
  get complete(): boolean {
    return this._complete;
  }

  get error(): ApiError | null {
    return this._error;
  }

  /** End it; what was found stays. */
  stop(): void {
    this._abort.abort();
    this._running = false;
    this._emit();
  }

  /** Take out what is gone, with all that lay in it; `instead` comes in the place of the first. */
  forget(items: readonly IItem[], instead: IEntry | null): void {
    const gone = (entry: IEntry): boolean =>
      items.some(
        ({ path, type }) =>
          (entry.path === path && (type ?? entry.type) === entry.type) ||
          (isFolder(path) && type !== 'FILE' && entry.path.startsWith(path))
      );
    const at = this._found.findIndex(gone);
    const left = this._found.filter(entry => !gone(entry));
    if (at !== -1 && instead) {
      left.splice(at, 0, instead);
    }
    this._found = left;
    this._emit();
  }

  dispose(): void {
    this._abort.abort();
    clearTimeout(this._timer);
    Signal.clearData(this);
  }

  private async _run(lines: AsyncIterable<SearchLine>): Promise<void> {
    try {
      for await (const line of lines) {
        this._take(line);
      }
    } catch (reason) {
      if (!this._abort.signal.aborted) {
        this._error = asApiError(reason, this.folder);
      }
    }
    this._running = false;
    this._emit();
  }

  private _take(line: SearchLine): void {
    switch (line.kind) {
      case 'entry':
        this._found.push(line.entry);
        break;
      case 'error':
        throw asApiError(line.error, this.folder);
      case 'end':
        this._complete = line.complete;
        this._scanned = line.scanned;
        break;
      case 'progress':
        this._scanned = line.scanned;
    }
    this._emit();
  }

  private _emit(): void {
    this._timer ??= setTimeout(() => {
      this._timer = undefined;
      this._results = [...this._found];
      this._changed.emit();
    }, EMIT_MS);
  }

  private _found: IEntry[] = [];
  private _results: readonly IEntry[] = [];
  private _scanned = 0;
  private _running = true;
  private _complete = false;
  private _error: ApiError | null = null;
  private _timer: ReturnType<typeof setTimeout> | undefined;
  private readonly _abort = new AbortController();
  private readonly _changed = new Signal<this, void>(this);
}
