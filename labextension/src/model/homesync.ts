/**
 * What a person can ask of the home synchronisation, and what came of it.
 */
import type { ISignal } from '@lumino/signaling';
import { Signal } from '@lumino/signaling';
import { ApiError, asApiError } from '../rest/errors';
import type { ISync, ISyncConflict } from '../rest/shapes';
import type { StatusModel } from './status';

/** The calls of the API needed here. */
export interface IHomeSyncSource {
  flush(
    timeout: number
  ): Promise<{ complete: boolean; notDurableCount: number }>;
  remoteChanges(): Promise<{ conflicts: ISyncConflict[] }>;
  dismissConflicts(): Promise<void>;
  confirmDeletes(): Promise<{ count: number }>;
  saveAgain(paths: readonly string[]): Promise<{ count: number }>;
  takeOver(): Promise<ISync>;
}

/** Seconds that "save now" may take before it gives an answer. */
const FLUSH_SECONDS = 60;

export class HomeSyncModel {
  constructor(
    private readonly source: IHomeSyncSource,
    private readonly status: StatusModel,
    /** Save the documents that are open, so that what is in them counts. */
    private readonly saveDocuments: () => Promise<void>
  ) {}

  get changed(): ISignal<this, void> {
    return this._changed;
  }

  /** Whether something that was asked for is under way. */
  get busy(): boolean {
    return this._busy;
  }

  /** Why the last thing asked for failed, or null. */
  get error(): ApiError | null {
    return this._error;
  }

  /** What the last look at S3 found; null before one. */
  get remote(): readonly ISyncConflict[] | null {
    return this._remote;
  }

  /** Paths about whose version in S3 something was done since the last look. */
  get settled(): ReadonlySet<string> {
    return this._settled;
  }

  /** Whether the last "save now" saved everything; null before one. */
  get saved(): boolean | null {
    return this._saved;
  }

  /** Save the open documents, then everything in home; that too if one of the documents cannot be saved. */
  saveNow(): Promise<void> {
    return this._do(async () => {
      const documents = this.saveDocuments();
      await documents.catch(() => undefined);
      this._saved = (await this.source.flush(FLUSH_SECONDS)).complete;
      await documents; // and says so
    });
  }

  /** Look in S3 for what was changed there. */
  lookAtRemote(): Promise<void> {
    return this._do(async () => {
      this._remote = (await this.source.remoteChanges()).conflicts;
      this._settled.clear();
    });
  }

  forgetConflicts(): Promise<void> {
    return this._do(async () => {
      await this.source.dismissConflicts();
      this._remote = null;
    });
  }

  confirmDeletes(): Promise<void> {
    return this._do(() => this.source.confirmDeletes());
  }

  saveAgain(path: string): Promise<void> {
    return this._do(async () => {
      await this.source.saveAgain([path]);
      this._remote = this._remote?.filter(each => each.path !== path) ?? null;
    });
  }

  /** Something was done about a file that the last look at S3 found. */
  settle(path: string): void {
    this._settled.add(path);
    this._changed.emit();
  }

  /** Be the one instance that overwrites and deletes. */
  takeOver(): Promise<void> {
    return this._do(async () => {
      const { lease } = await this.source.takeOver();
      if (!lease.held) {
        throw new ApiError(0, {
          code: 'AnotherInstance',
          message: lease.message,
          path: null,
          hint: ''
        });
      }
    });
  }

  private async _do(what: () => Promise<unknown>): Promise<void> {
    if (this._busy) {
      return;
    }
    this._busy = true;
    this._error = null;
    this._changed.emit();
    try {
      await what();
    } catch (reason) {
      this._error = asApiError(reason, null);
    }
    await this.status.refresh();
    this._busy = false;
    this._changed.emit();
  }

  private _busy = false;
  private _error: ApiError | null = null;
  private _remote: readonly ISyncConflict[] | null = null;
  private readonly _settled = new Set<string>();
  private _saved: boolean | null = null;
  private readonly _changed = new Signal<this, void>(this);
}
