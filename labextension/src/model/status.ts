/**
 * What the server says about itself: configuration, roots, limits, and what of home is saved.
 *
 * The mirror's events are hints to look; a slow poll is there for the panel while it is in sight. A page that is hidden asks
 * for nothing.
 */
import { Poll } from '@lumino/polling';
import type { ISignal } from '@lumino/signaling';
import { Signal } from '@lumino/signaling';
import { asApiError } from '../rest/errors';
import type { ApiError } from '../rest/errors';
import type { IRoot, IStatus, ISync } from '../rest/shapes';

/** The two calls of the API needed here. */
export interface IStatusSource {
  status(): Promise<IStatus>;
  sync(): Promise<ISync>;
}

/** Seconds between two looks without an event. */
const INTERVAL = 60;
/** Milliseconds between two looks for events at least. */
const QUIET = 1000;

export class StatusModel {
  constructor(
    private readonly source: IStatusSource,
    private readonly hidden: () => boolean = () => document.hidden
  ) {
    this._poll = new Poll({
      name: 'jupyter-wherobots:status',
      factory: () => this._look(),
      frequency: { interval: INTERVAL * 1000, backoff: true, max: 300 * 1000 },
      standby: () => this.hidden() || !this.watched
    });
  }

  /** Emitted when the status, or the error in its place, changed. */
  get changed(): ISignal<this, void> {
    return this._changed;
  }

  /** The last status, or null before the first. */
  get status(): IStatus | null {
    return this._status;
  }

  /** What of home is saved, newer than `status.sync`; null if home is not mirrored. */
  get sync(): ISync | null {
    return this._status?.sync ?? null;
  }

  /** Why the last look failed, or null. */
  get error(): ApiError | null {
    return this._error;
  }

  /** The root at exactly this path, or null. */
  rootAt(path: string): IRoot | null {
    return this._status?.roots.find(root => root.path === path) ?? null;
  }

  /** The root that a path lies in, or null. */
  rootOf(path: string): IRoot | null {
    return this._status?.roots.find(root => path.startsWith(root.path)) ?? null;
  }

  /** The URI of a path; null outside of the roots. */
  uriOf(path: string): string | null {
    const root = this.rootOf(path);
    return root && root.uri + path.slice(root.path.length);
  }

  /** The path on the server's machine of a path relative to home; null while nothing is known of home. */
  homeFile(path: string): string | null {
    const home = this._status?.home ?? null;
    return home && `${home.replace(/\/+$/, '')}/${path}`;
  }

  /** The folder of data that everybody in the organization sees, or null. */
  get sharedRoot(): IRoot | null {
    return this._status?.roots.find(root => root.kind === 'shared') ?? null;
  }

  /** The user's own folder, or null. */
  get ownRoot(): IRoot | null {
    return this._status?.roots.find(root => root.kind === 'private') ?? null;
  }

  /** Where the storage shows what is mirrored of home, or null. */
  get homeRoot(): IRoot | null {
    return this._status?.roots.find(root => root.kind === 'notebooks') ?? null;
  }

  /** Whether somebody looks at the panel; without, only events lead to requests. */
  watched = false;

  /** Look now. Never rejects: a failure is in `error`. Calls while one is on its way share it. */
  refresh(): Promise<void> {
    return (this._refreshing ??= this._refresh().finally(() => {
      this._refreshing = null;
      this._changed.emit();
    }));
  }

  /** The mirror says that something changed. At most one request a second comes of it. */
  hint(): void {
    if (this._hinted || this.hidden()) {
      this._missed = true;
      return;
    }
    this._hinted = true;
    this._missed = false;
    void this._look()
      .catch(() => undefined)
      .then(() => new Promise(resolve => setTimeout(resolve, QUIET)))
      .then(() => {
        this._hinted = false;
        if (this._missed) {
          this.hint();
        }
      });
  }

  /** The page is in sight again. */
  catchUp(): void {
    if (this._missed || this._error) {
      this._missed = false;
      void this.refresh();
    }
  }

  dispose(): void {
    this._poll.dispose();
    Signal.clearData(this);
  }

  private async _refresh(): Promise<void> {
    try {
      this._status = await this.source.status();
      this._error = null;
    } catch (reason) {
      this._error = asApiError(reason, null);
    }
  }

  private async _look(): Promise<void> {
    if (this._status === null || this._error !== null) {
      await this.refresh();
    } else if (this._status.sync !== null) {
      try {
        this._status = { ...this._status, sync: await this.source.sync() };
      } catch (reason) {
        this._error = asApiError(reason, null);
      }
      this._changed.emit();
    }
    if (this._error !== null) {
      throw this._error; // so that the poll backs off
    }
  }

  private _status: IStatus | null = null;
  private _error: ApiError | null = null;
  private _refreshing: Promise<void> | null = null;
  private _hinted = false;
  private _missed = false;
  private readonly _poll: Poll;
  private readonly _changed = new Signal<this, void>(this);
}
