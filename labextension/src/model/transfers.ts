/**
 * Files on their way from this computer to the storage.
 *
 * Small files go in one request, larger ones in parts that can be paused, tried again and continued after a reload. Nothing
 * is replaced unless a person said so. At most `LANES` requests run at once, for a browser opens six connections
 * to one server and JupyterLab needs some of them.
 */
import { UUID } from '@lumino/coreutils';
import type { ISignal } from '@lumino/signaling';
import { Signal } from '@lumino/signaling';
import { asApiError } from '../api';
import type {
  ApiError,
  IEntry,
  ISendOptions,
  IPart,
  IUpload,
  IUploadOptions,
  UploadConflict
} from '../api';
import { nameOf } from './paths';

/** The calls of the API needed here. */
export interface IUploadTarget {
  upload(
    path: string,
    body: Blob,
    options: IUploadOptions & ISendOptions
  ): Promise<IEntry>;
  createUpload(
    path: string,
    size: number,
    options: IUploadOptions & { label?: string; signal?: AbortSignal }
  ): Promise<IUpload>;
  getUpload(id: string): Promise<IUpload>;
  putPart(
    id: string,
    number: number,
    body: Blob,
    options: ISendOptions
  ): Promise<IPart>;
  completeUpload(
    id: string,
    conflict: UploadConflict,
    signal?: AbortSignal
  ): Promise<IEntry>;
  abortUpload(id: string): Promise<void>;
}

export type TransferState =
  | 'waiting'
  | 'running'
  | 'paused'
  /** The name is taken, and a person must say what to do. */
  | 'asking'
  /** Begun by a page that is gone: goes on when the file is chosen again. */
  | 'interrupted'
  | 'done'
  | 'failed'
  | 'skipped'
  | 'cancelled';

export type Answer = 'skip' | 'replace' | 'keep-both';

const LANES = 4;
const TRIES = 5;
const RATE_MS = 4000;
const EMIT_MS = 100;

/** Failures of the way, not of the matter: the same request may succeed. */
const PASSING = new Set([
  'ServerUnreachable',
  'Unreachable',
  'Throttled',
  'Conflicted'
]);

/** One file on its way. Read it; change it through the queue. */
export class Transfer {
  constructor(
    readonly path: string,
    readonly size: number,
    public file: File | null
  ) {
    this.name = nameOf(path);
  }

  readonly id = UUID.uuid4();
  readonly name: string;
  state: TransferState = 'waiting';
  sent = 0;
  error: ApiError | null = null;
  /** The file as it lies in the storage now. */
  entry: IEntry | null = null;
  session: IUpload | null = null;
  conflict: UploadConflict = 'fail';
  confirm = false;
  abort = new AbortController();

  /** Whether nothing more will happen by itself or by asking. */
  get finished(): boolean {
    return ['done', 'skipped', 'cancelled'].includes(this.state);
  }

  /** Bytes a second over the last moments; 0 while unknown. */
  get rate(): number {
    const first = this._samples[0];
    const last = this._samples.at(-1);
    return first && last && last[0] > first[0]
      ? Math.max(0, ((last[1] - first[1]) * 1000) / (last[0] - first[0]))
      : 0;
  }

  /** Note how much has gone. */
  progress(sent: number, now = performance.now()): void {
    this.sent = sent;
    this._samples.push([now, sent]);
    while (this._samples.length > 2 && this._samples[0]![0] < now - RATE_MS) {
      this._samples.shift();
    }
  }

  begin(): void {
    this.abort = new AbortController();
    this.error = null;
    this.state = 'running';
    this._samples = [];
  }

  private _samples: [number, number][] = [];
}

export class TransferQueue {
  constructor(
    private readonly target: IUploadTarget,
    /** The largest file that goes in one request, in bytes. */
    private readonly oneShotBytes: () => number
  ) {}

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
    return this._items.some(each =>
      ['waiting', 'running'].includes(each.state)
    );
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
      interrupted.state = 'waiting';
      this._pump();
      return interrupted;
    }
    const item = new Transfer(path, file.size, file);
    item.confirm = confirm;
    this._items.push(item);
    this._pump();
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

  pause(item: Transfer): void {
    if (item.state === 'running' || item.state === 'waiting') {
      item.state = 'paused';
      item.abort.abort();
      this._pump();
    }
  }

  /** Go on after a pause, or try again after a failure. What has arrived is not sent again. */
  resume(item: Transfer): void {
    if (item.file && (item.state === 'paused' || item.state === 'failed')) {
      item.state = 'waiting';
      this._pump();
    }
  }

  /** Stop for good; S3 forgets the parts. */
  cancel(item: Transfer): void {
    if (item.finished) {
      return;
    }
    item.state = 'cancelled';
    item.abort.abort();
    if (item.session) {
      // A session nobody aborts is aborted by the server's janitor.
      this.target.abortUpload(item.session.id).catch(reason => {
        console.warn(`The upload of ${item.path} was not aborted`, reason);
      });
      item.session = null;
    }
    this._pump();
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

  cancelAll(): void {
    this.open.forEach(item => this.cancel(item));
  }

  /** Take the finished ones off the list. */
  clear(): void {
    this._items = this._items.filter(item => !item.finished);
    this._emit();
  }

  dispose(): void {
    clearTimeout(this._timer);
    this._items.forEach(item => item.abort.abort());
    Signal.clearData(this);
  }

  private _apply(item: Transfer, answer: Answer): void {
    if (answer === 'skip') {
      this.cancel(item);
      item.state = 'skipped';
    } else {
      item.conflict = answer;
      item.state = 'waiting';
    }
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
      const entry =
        item.session || item.size > this.oneShotBytes()
          ? await this._parts(item, signal)
          : await this._whole(item, signal);
      item.entry = entry;
      item.session = null;
      item.sent = item.size;
      item.state = 'done';
      this._arrived.emit(entry);
    } catch (reason) {
      if (signal.aborted) {
        return; // paused or cancelled: the state says which
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

  private _whole(item: Transfer, signal: AbortSignal): Promise<IEntry> {
    const { path, conflict, confirm } = item;
    return this._lane(signal, () =>
      this.target.upload(path, item.file!, {
        conflict,
        confirm,
        signal,
        onProgress: sent => this._progress(item, sent)
      })
    );
  }

  private async _parts(item: Transfer, signal: AbortSignal): Promise<IEntry> {
    const file = item.file!;
    const { conflict, confirm } = item;
    const session = item.session
      ? await this.target.getUpload(item.session.id)
      : await this.target.createUpload(item.path, item.size, {
          conflict,
          confirm,
          label: labelOf(file),
          signal
        });
    signal.throwIfAborted();
    item.session = session;

    const held = new Set(session.parts.map(part => part.number));
    const missing: number[] = [];
    for (let number = 1; number <= session.partCount; number++) {
      if (!held.has(number)) {
        missing.push(number);
      }
    }
    let arrived = session.received;
    const going = new Map<number, number>();
    const tell = (): void => {
      const flying = [...going.values()].reduce((a, b) => a + b, 0);
      this._progress(item, Math.min(item.size, arrived + flying));
    };
    tell();

    const worker = async (): Promise<void> => {
      for (
        let number = missing.shift();
        number !== undefined;
        number = missing.shift()
      ) {
        const start = (number - 1) * session.partSize;
        const blob = file.slice(start, start + session.partSize);
        const part = number;
        await this._lane(signal, () =>
          this.target.putPart(session.id, part, blob, {
            signal,
            onProgress: sent => {
              going.set(part, sent);
              tell();
            }
          })
        );
        going.delete(part);
        arrived += blob.size;
        tell();
      }
    };
    const workers = Array.from({ length: LANES }, worker);
    try {
      await Promise.all(workers);
    } catch (reason) {
      missing.length = 0;
      await Promise.allSettled(workers);
      throw reason;
    }
    return this.target.completeUpload(session.id, conflict, signal);
  }

  /** Do a request in one of the lanes, again if the way to the server was at fault. */
  private async _lane<T>(
    signal: AbortSignal,
    request: () => Promise<T>
  ): Promise<T> {
    for (let attempt = 1; ; attempt++) {
      while (this._lanes >= LANES) {
        await new Promise<void>(resolve => this._queue.push(resolve));
      }
      this._lanes += 1;
      try {
        signal.throwIfAborted();
        return await request();
      } catch (reason) {
        const passing = PASSING.has(asApiError(reason, null).code);
        if (signal.aborted || !passing || attempt === TRIES) {
          throw reason;
        }
      } finally {
        this._lanes -= 1;
        this._queue.shift()?.();
      }
      await pause(500 * 2 ** (attempt - 1), signal);
    }
  }

  private _progress(item: Transfer, sent: number): void {
    item.progress(sent);
    this._emit();
  }

  private _emit(): void {
    this._timer ??= setTimeout(() => {
      this._timer = undefined;
      this._changed.emit();
    }, EMIT_MS);
  }

  private _items: Transfer[] = [];
  private _standing: Answer | null = null;
  private _running = 0;
  private _lanes = 0;
  private readonly _queue: (() => void)[] = [];
  private _timer: ReturnType<typeof setTimeout> | undefined;
  private readonly _changed = new Signal<this, void>(this);
  private readonly _arrived = new Signal<this, IEntry>(this);
}

/** By what a file is known again after a reload: browsers give no path. */
function labelOf(file: File): string {
  return `${file.name}|${file.size}|${file.lastModified}`;
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener('abort', () => {
      clearTimeout(timer);
      reject(new DOMException('Cancelled', 'AbortError'));
    });
  });
}
