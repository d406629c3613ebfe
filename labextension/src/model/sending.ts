/**
 * How the bytes of one file get to the storage: a small file in one request, a larger one in parts, of which those that
 * have arrived are not sent again.
 */
import type { IUploadOptions } from '../rest/api';
import type { IEntry, IPart, IUpload, UploadConflict } from '../rest/shapes';
import type { ISendOptions } from '../rest/transport';
import type { Lanes } from './lanes';
import type { Transfer } from './transfer';
import { labelOf } from './transfer';
import { asApiError } from '../rest/errors';

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
    options: IUploadOptions & { label?: string }
  ): Promise<IUpload>;
  getUpload(id: string): Promise<IUpload>;
  putPart(
    id: string,
    number: number,
    body: Blob,
    options: ISendOptions
  ): Promise<IPart>;
  completeUpload(id: string, conflict: UploadConflict): Promise<IEntry>;
  abortUpload(id: string): Promise<void>;
}

export class Sender {
  constructor(
    private readonly target: IUploadTarget,
    private readonly lanes: Lanes,
    /** The largest file that goes in one request, in bytes. */
    private readonly oneShotBytes: () => number,
    /** Called when more of a file has gone. */
    private readonly moved: () => void
  ) {}

  /** Send a file, or what is missing of it. Rejects with what stopped it. */
  send(item: Transfer, signal: AbortSignal): Promise<IEntry> {
    return item.session || item.size > this.oneShotBytes()
      ? this._parts(item, signal)
      : this._whole(item, signal);
  }

  private _whole(item: Transfer, signal: AbortSignal): Promise<IEntry> {
    const { path, conflict, confirm } = item;
    return this.lanes.run(signal, () =>
      this.target
        .upload(path, item.file!, {
          conflict,
          confirm,
          signal,
          onProgress: sent => {
            item.ending = sent >= item.size;
            this._progress(item, sent);
          }
        })
        .finally(() => {
          item.ending = false;
        })
    );
  }

  private async _parts(item: Transfer, signal: AbortSignal): Promise<IEntry> {
    const file = item.file!;
    const session = (await this._known(item)) ?? (await this._begin(item));
    signal.throwIfAborted();

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
        await this.lanes.run(signal, () =>
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
    const workers = Array.from({ length: this.lanes.width }, worker);
    try {
      await Promise.all(workers);
    } catch (reason) {
      missing.length = 0;
      await Promise.allSettled(workers);
      throw reason;
    }
    signal.throwIfAborted();
    item.ending = true;
    this.moved();
    try {
      return await this.target.completeUpload(session.id, item.conflict);
    } finally {
      item.ending = false;
    }
  }

  /** The session of an earlier try with what S3 holds of it; null if there is none any more. */
  private async _known(item: Transfer): Promise<IUpload | null> {
    if (item.session) {
      try {
        item.session = await this.target.getUpload(item.session.id);
      } catch (reason) {
        if (asApiError(reason, item.path).code !== 'NotFound') {
          throw reason;
        }
        item.session = null;
      }
    }
    return item.session;
  }

  /** Begin a session, or wait for the one that is being begun. */
  private async _begin(item: Transfer): Promise<IUpload> {
    const { conflict, confirm } = item;
    item.opening ??= this.target.createUpload(item.path, item.size, {
      conflict,
      confirm,
      label: labelOf(item.file!)
    });
    try {
      item.session = await item.opening;
      return item.session;
    } finally {
      item.opening = null;
    }
  }

  private _progress(item: Transfer, sent: number): void {
    item.progress(sent);
    this.moved();
  }
}
