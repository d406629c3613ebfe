/**
 * The files on their way from this computer to the storage: which goes, which waits, which needs an answer.
 *
 * Small files go in one request, larger ones in parts that can be paused, tried again and continued after a reload. Nothing
 * is replaced unless a person said so. At most `LANES` requests run at once, for a browser opens six connections
 * to one server and JupyterLab needs some of them.
 */
import type { ISignal } from '@lumino/signaling';
import { Signal } from '@lumino/signaling';
import { asApiError } from '../rest/errors';
import type { IEntry, IUpload } from '../rest/shapes';
import { Lanes } from './lanes';
import { Sender } from './sending';
import type { IUploadTarget } from './sending';
import { labelOf, Transfer } from './transfer';
import type { Answer } from './transfer';

const LANES = 4;
const EMIT_MS = 100;

export class TransferQueue {
  constructor(
    private readonly target: IUploadTarget,
    /** The largest file that goes in one request, in bytes. */
    oneShotBytes: () => number
  ) {
    this._sender = new Sender(target, new Lanes(LANES), oneShotBytes, () =>
      this._emit()
    );
  }

  /** Emitted when something moved, ten times a second at most. */
  get changed(): ISignal<this, void> {
    return this._changed;
  }

  /** Emitted when a file has arrived. */
  get arrived(): ISignal<this, IEntry> {
    return this._arrived;
  }

  get items(): readonly Transfer[] {
    return this._items;
  }

  /** Those that are not finished. */
  get open(): Transfer[] {
    return this._items.filter(item => !item.finished);
  }

  /** Whether leaving the page now would interrupt something. */
  get busy(): boolean {
    return this._items.some(item => this._goes(item));
  }

  /** How far those are that began since the queue was last idle: files not yet there, and bytes gone and in all. */
  get progress(): { files: number; sent: number; size: number } {
    const counted = [...this._batch].filter(
      item => item.state === 'done' || this._goes(item)
    );
    return {
      files: counted.filter(item => item.state !== 'done').length,
      sent: counted.reduce((sum, item) => sum + item.sent, 0),
      size: counted.reduce((sum, item) => sum + item.size, 0)
    };
  }

  /** Queue a file for a path. An interrupted upload of the same file to the same path goes on where it was. */
  add(file: File, path: string, confirm = false): Transfer {
    const interrupted = this._items.find(
      each =>
        each.state === 'interrupted' &&
        each.path === path &&
        each.session?.label === labelOf(file)
    );
    if (interrupted) {
      interrupted.file = file;
      interrupted.confirm = confirm;
      this._queue(interrupted);
      return interrupted;
    }
    const item = new Transfer(path, file.size, file);
    item.confirm = confirm;
    this._items.push(item);
    this._queue(item);
    return item;
  }

  /** Show the sessions that an earlier page left unfinished. */
  recall(sessions: readonly IUpload[]): void {
    for (const session of sessions) {
      if (this._items.some(each => each.session?.id === session.id)) {
        continue;
      }
      const item = new Transfer(session.path, session.size, null);
      item.session = session;
      item.conflict = session.conflict;
      item.sent = session.received;
      item.state = 'interrupted';
      this._items.push(item);
    }
    this._emit();
  }

  /** Whether this is the file that an interrupted upload was about. */
  matches(item: Transfer, file: File): boolean {
    return item.session?.label === labelOf(file);
  }

  /** Those that go, wait, are paused or ask: what can be stopped all at once. */
  get stoppable(): Transfer[] {
    const able = (item: Transfer): boolean =>
      this._goes(item) || item.state === 'paused' || item.state === 'asking';
    return this._items.filter(item => able(item) && !item.ending);
  }

  /** Pause those that go or wait; one, or all of them. */
  pause(...items: readonly Transfer[]): void {
    for (const item of items) {
      if (this._goes(item) && !item.ending) {
        item.state = 'paused';
        item.abort.abort();
      }
    }
    this._pump();
  }

  /** Go on after a pause, or try again after a failure. What has arrived is not sent again. */
  resume(...items: readonly Transfer[]): void {
    for (const item of items) {
      if (item.file && (item.state === 'paused' || item.state === 'failed')) {
        this._admit(item);
      }
    }
    this._pump();
  }

  /** Stop for good; S3 forgets the parts. Once all is sent, there is nothing to stop any more. */
  cancel(...items: readonly Transfer[]): void {
    for (const item of items) {
      if (!item.finished && !item.ending) {
        item.state = 'cancelled';
        item.abort.abort();
        this._forget(item);
      }
    }
    this._pump(); // once: it would start those that are cancelled next
  }

  /** What to do about a name that is taken; `all` answers for every other file that asks now or later. */
  answer(item: Transfer, answer: Answer, all = false): void {
    if (all) {
      this._standing = answer;
    }
    const asked = all ? this._items : [item];
    for (const each of asked.filter(one => one.state === 'asking')) {
      this._apply(each, answer);
    }
    this._pump();
  }

  /** Take the finished ones off the list. */
  clear(): void {
    this._items = this._items.filter(item => !item.finished);
    if (!this.busy) {
      this._batch.clear();
    }
    this._emit();
  }

  dispose(): void {
    clearTimeout(this._timer);
    this._items.forEach(item => item.abort.abort());
    Signal.clearData(this);
  }

  private _forget(item: Transfer): void {
    if (item.session) {
      // A session nobody aborts is aborted by the server's janitor.
      this.target.abortUpload(item.session.id).catch(reason => {
        console.warn(`The upload of ${item.path} was not aborted`, reason);
      });
      item.session = null;
    }
  }

  private _apply(item: Transfer, answer: Answer): void {
    if (answer === 'skip') {
      this.cancel(item);
      item.state = 'skipped';
    } else {
      item.conflict = answer;
      this._admit(item);
    }
  }

  private _goes(item: Transfer): boolean {
    return item.state === 'waiting' || item.state === 'running';
  }

  private _admit(item: Transfer): void {
    if (!this.busy) {
      this._batch.clear();
    }
    this._batch.add(item);
    item.state = 'waiting';
  }

  private _queue(item: Transfer): void {
    this._admit(item);
    this._pump();
  }

  /** Start what can start. */
  private _pump(): void {
    for (const item of this._items) {
      if (this._running >= LANES) {
        break;
      }
      if (item.state === 'waiting') {
        item.begin();
        this._running += 1;
        void this._run(item).finally(() => {
          this._running -= 1;
          this._pump();
        });
      }
    }
    if (!this.busy && !this._items.some(each => each.state === 'asking')) {
      this._standing = null; // an answer "for all" counts for one batch
    }
    this._emit();
  }

  private async _run(item: Transfer): Promise<void> {
    const { signal } = item.abort;
    try {
      const entry = await this._sender.send(item, signal);
      item.entry = entry;
      item.session = null;
      item.sent = item.size;
      item.state = 'done';
      this._arrived.emit(entry);
    } catch (reason) {
      if (signal.aborted) {
        // Paused or cancelled: the state says which. The session may have begun since.
        if (item.finished) {
          this._forget(item);
        }
        return;
      }
      const error = asApiError(reason, item.path);
      if (error.code === 'AlreadyExists' && this._standing) {
        this._apply(item, this._standing);
      } else if (error.code === 'AlreadyExists') {
        item.state = 'asking';
      } else {
        item.error = error;
        item.state = 'failed';
      }
    }
  }

  private _emit(): void {
    this._timer ??= setTimeout(() => {
      this._timer = undefined;
      this._changed.emit();
    }, EMIT_MS);
  }

  private readonly _sender: Sender;
  private _items: Transfer[] = [];
  private readonly _batch = new Set<Transfer>();
  private _standing: Answer | null = null;
  private _running = 0;
  private _timer: ReturnType<typeof setTimeout> | undefined;
  private readonly _changed = new Signal<this, void>(this);
  private readonly _arrived = new Signal<this, IEntry>(this);
}
