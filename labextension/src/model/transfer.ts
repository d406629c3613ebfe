/**
 * One file on its way from this computer to the storage.
 */
import { UUID } from '@lumino/coreutils';
import type { ApiError } from '../rest/errors';
import type { IEntry, IUpload, UploadConflict } from '../rest/shapes';
import { nameOf } from './paths';

/** Milliseconds over which the speed is measured. */
const RATE_MS = 4000;

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
  /** The session that is being begun: it goes on though the file is paused or cancelled meanwhile. */
  opening: Promise<IUpload> | null = null;
  /** Everything is sent, and S3 has the word: nothing can be paused or taken back now. */
  ending = false;
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
    this.ending = false;
    this.state = 'running';
    this._samples = [];
  }

  private _samples: [number, number][] = [];
}

/** By what a file is known again after a reload: browsers give no path. */
export function labelOf(file: File): string {
  return `${file.name}|${file.size}|${file.lastModified}`;
}
