/**
 * The REST API of the server extension, as calls.
 */
import type { ServerConnection } from '@jupyterlab/services';
import type { TranslationBundle } from '@jupyterlab/translation';
import { nullTranslator } from '@jupyterlab/translation';
import type {
  EntryType,
  IDetail,
  IEntry,
  IJob,
  IListing,
  IMeasure,
  IOutcome,
  IPart,
  IStatus,
  ISync,
  ISyncConflict,
  IUpload,
  JobRequest,
  SearchLine,
  UploadConflict
} from './shapes';
import { Transport } from './transport';
import type { IRequest, ISendOptions } from './transport';

export interface IUploadOptions {
  conflict?: UploadConflict;
  /** Replace this version only. */
  etag?: string;
  confirm?: boolean;
}

/** What an address holds on every way to the server: proxies give up on longer ones, and the API takes so many paths. */
const ADDRESS = 6000;
const PATHS = 100;

/** Paths in portions that fit into an address each. */
export function handfuls(paths: readonly string[]): string[][] {
  const all: string[][] = [];
  let room = 0;
  for (const path of paths) {
    const length = encodeURIComponent(path).length + '&path='.length;
    if (room < length || all.at(-1)!.length === PATHS) {
      all.push([]);
      room = ADDRESS;
    }
    all.at(-1)!.push(path);
    room -= length;
  }
  return all;
}

export class StorageApi {
  constructor(
    readonly settings: ServerConnection.ISettings,
    trans: TranslationBundle = nullTranslator.load('')
  ) {
    this._http = new Transport(settings, trans);
  }

  status(signal?: AbortSignal): Promise<IStatus> {
    return this._http.json('status', { signal });
  }

  sync(): Promise<ISync> {
    return this._http.json('sync');
  }

  /** Save everything of home now, and wait for it. `timeout` in seconds. */
  flush(
    timeout: number
  ): Promise<{ complete: boolean; notDurableCount: number }> {
    const json = { timeout };
    return this._http.json('sync/flush', { method: 'POST', json });
  }

  /** List S3 now: what was changed or deleted there. */
  remoteChanges(): Promise<{ conflicts: ISyncConflict[] }> {
    return this._http.json('sync/remote');
  }

  /** Forget the list of conflicts; the kept files stay. */
  dismissConflicts(): Promise<void> {
    return this._http.json('sync/conflicts', { method: 'DELETE' });
  }

  /** Let the deletions that wait happen in S3. */
  confirmDeletes(): Promise<{ count: number }> {
    return this._http.json('sync/deletes', { method: 'POST' });
  }

  /** Save files again that were deleted in S3. */
  saveAgain(paths: readonly string[]): Promise<{ count: number }> {
    return this._http.json('sync/save-again', {
      method: 'POST',
      json: { paths }
    });
  }

  /** Take the lease on home from another instance of the user, which then only adds. `lease.held` says whether it worked. */
  takeOver(): Promise<ISync> {
    return this._http.json('sync/lease', { method: 'POST' });
  }

  list(
    path: string,
    options: { limit: number; cursor: string | null; signal?: AbortSignal }
  ): Promise<IListing> {
    const query = {
      path,
      limit: String(options.limit),
      cursor: options.cursor ?? undefined
    };
    return this._http.json('storage/list', { query, signal: options.signal });
  }

  stat(path: string, type?: EntryType): Promise<IDetail> {
    return this._http.json('storage/stat', { query: { path, type } });
  }

  /** How much some entries are. Files are known; what lies in folders is counted by the server. */
  async measure(
    entries: readonly IEntry[],
    signal?: AbortSignal
  ): Promise<IMeasure> {
    const files = entries.filter(entry => entry.type === 'FILE');
    const folders = entries.filter(entry => entry.type === 'FOLDER');
    const sum = {
      objects: files.length,
      bytes: files.reduce((bytes, file) => bytes + (file.size ?? 0), 0),
      complete: true
    };
    for (const path of handfuls(folders.map(folder => folder.path))) {
      const query = { path };
      const part = await this._http.json<IMeasure>('storage/measure', {
        query,
        signal
      });
      sum.objects += part.objects;
      sum.bytes += part.bytes;
      sum.complete &&= part.complete;
    }
    return sum;
  }

  /** Search below a folder by name; results come as they are found. Aborting the signal ends it. */
  async *search(
    path: string,
    name: string,
    signal: AbortSignal
  ): AsyncGenerator<SearchLine> {
    const query = { path, name };
    yield* this._http.lines<SearchLine>('storage/search', { query, signal });
  }

  jobs(): Promise<{ jobs: IJob[] }> {
    return this._http.json('storage/jobs');
  }

  createJob(json: JobRequest): Promise<IJob> {
    return this._http.json('storage/jobs', { method: 'POST', json });
  }

  /** Cancel a running job, or forget a finished one. */
  cancelJob(id: string): Promise<IJob> {
    return this._http.json(`storage/jobs/${id}`, { method: 'DELETE' });
  }

  createFolder(path: string, confirm = false): Promise<IEntry> {
    const json = { path, confirm };
    return this._http.json('storage/folder', { method: 'POST', json });
  }

  /** The bytes of a file, or the first `limit` of them, with the ETag they have. */
  async read(
    path: string,
    limit?: number
  ): Promise<{ body: ArrayBuffer; etag: string | null }> {
    const headers: HeadersInit =
      limit === undefined ? {} : { Range: `bytes=0-${limit - 1}` };
    const query = { path };
    const response = await this._http.bytes('storage/file', { query, headers });
    return { body: response.body, etag: response.headers.get('ETag') };
  }

  /** What became of a download, by the name it was given. */
  outcome(download: string): Promise<IOutcome> {
    return this._http.json(`storage/downloads/${download}`);
  }

  /** Upload a small file in one request. */
  upload(
    path: string,
    body: Blob,
    options: IUploadOptions & ISendOptions = {}
  ): Promise<IEntry> {
    const url = this.url('storage/file', {
      path,
      conflict: options.conflict,
      confirm: options.confirm ? 'true' : undefined
    });
    return this._http.send(url, body, options);
  }

  uploads(): Promise<{ uploads: IUpload[] }> {
    return this._http.json('storage/uploads');
  }

  getUpload(id: string): Promise<IUpload> {
    return this._http.json(`storage/uploads/${id}`);
  }

  createUpload(
    path: string,
    size: number,
    options: IUploadOptions & { label?: string }
  ): Promise<IUpload> {
    const { etag, ...rest } = options;
    const json = { path, size, ...rest, ...(etag ? { etag } : {}) };
    return this._http.json('storage/uploads', { method: 'POST', json });
  }

  putPart(
    id: string,
    number: number,
    body: Blob,
    options: ISendOptions
  ): Promise<IPart> {
    const url = this.url(`storage/uploads/${id}/parts/${number}`);
    return this._http.send(url, body, options);
  }

  completeUpload(id: string, conflict: UploadConflict): Promise<IEntry> {
    const json = { conflict };
    const path = `storage/uploads/${id}/complete`;
    return this._http.json(path, { method: 'POST', json });
  }

  abortUpload(id: string): Promise<void> {
    return this._http.json(`storage/uploads/${id}`, { method: 'DELETE' });
  }

  /** The absolute URL of an operation. */
  url(operation: string, query?: IRequest['query']): string {
    return this._http.url(operation, query);
  }

  private readonly _http: Transport;
}
