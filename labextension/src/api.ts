/**
 * The REST API of the server extension, as types and calls.
 *
 * The shapes are those of `openapi.yaml`. Every failure comes out as an `ApiError` that says what, where and what next,
 * whether S3, the server or the network was at fault.
 */
import { URLExt } from '@jupyterlab/coreutils';
import { ServerConnection } from '@jupyterlab/services';
import type { TranslationBundle } from '@jupyterlab/translation';
import { nullTranslator } from '@jupyterlab/translation';

export type EntryType = 'FILE' | 'FOLDER';

/** A file or folder of the managed storage. */
export interface IEntry {
  name: string;
  path: string;
  uri: string;
  type: EntryType;
  /** Bytes; null for folders. */
  size: number | null;
  lastModified: string | null;
  etag: string | null;
  /** May not be deleted, renamed or replaced. */
  mutateProtected: boolean;
  /** Nothing may be put into it. */
  uploadProtected: boolean;
  /** Why not. */
  reason: string | null;
}

export interface IDetail extends IEntry {
  contentType: string | null;
  metadata: Record<string, string>;
  confirmation: string | null;
}

/** One page of a folder. */
export interface IListing {
  path: string;
  uri: string;
  mutateProtected: boolean;
  uploadProtected: boolean;
  reason: string | null;
  /** What a person must agree to before a change here. */
  confirmation: string | null;
  entries: IEntry[];
  cursor: string | null;
  order: 'layout' | 'key';
  complete: boolean;
}

export interface IMeasure {
  objects: number;
  bytes: number;
  complete: boolean;
}

export type SearchLine =
  | { kind: 'entry'; entry: IEntry }
  | { kind: 'progress'; scanned: number; found: number }
  | { kind: 'end'; scanned: number; found: number; complete: boolean }
  | { kind: 'error'; error: IErrorBody };

export interface IRoot {
  path: string;
  uri: string;
  name: string;
  kind: 'private' | 'shared' | 'logs' | 'notebooks';
  description: string;
  mutateProtected: boolean;
  uploadProtected: boolean;
  reason: string | null;
  confirmation: string | null;
}

/** A file of home whose present content is not in S3. */
export interface INotDurable {
  /** Relative to home. */
  path: string;
  why: string;
  message: string;
  size: number;
}

/** Something in home that is not mirrored at all. */
export interface ISkipped {
  path: string;
  reason: string;
  message: string;
}

/** What happened to one file on both sides. */
export interface ISyncConflict {
  path: string;
  kind: string;
  message: string;
  /** Where the other version lies. */
  keptAs: string | null;
}

export interface IPendingDeletes {
  count: number;
  examples: string[];
  message: string;
}

export interface IProgress {
  filesDone: number;
  filesTotal: number;
  bytesDone: number;
  bytesTotal: number;
}

/** What of the home directory is saved. */
export interface ISync {
  phase: 'new' | 'restoring' | 'watching' | 'pushing' | 'stopping' | 'stopped';
  /** Everything that lay in home then is in S3. */
  savedAt: string | null;
  pendingFiles: number;
  pendingBytes: number;
  oldestPendingSeconds: number | null;
  pending: INotDurable[];
  conflicts: ISyncConflict[];
  skipped: ISkipped[];
  pendingDeletes: IPendingDeletes;
  restored: boolean;
  restore: IProgress | null;
  push: IProgress | null;
  lease: { held: boolean; holder: string; message: string };
  hints: string;
  notes: string[];
  error: string | null;
  lostAtLastStop: INotDurable[];
}

export interface IStatus {
  version: string;
  configured: boolean;
  problems: { setting: string; message: string }[];
  message: string | null;
  bucket: string | null;
  organization: string | null;
  user: string | null;
  roots: IRoot[];
  environment: Record<string, string>;
  home: string | null;
  homePersistence: { mode: 'sync' | 'filesystem' | 'off'; reason: string };
  sync: ISync | null;
  limits: {
    oneShotBytes: number;
    uploadBytes: number;
    uploadAgeSeconds: number;
  };
}

/** What to do about a name that is taken. `fail` makes it an error of that item alone. */
export type Conflict = 'fail' | 'skip' | 'replace' | 'keep-both';

export interface IItem {
  path: string;
  type?: EntryType;
  /** Of a file: only this version is moved or deleted. */
  etag?: string;
}

/** A change that takes a while. Home paths are relative to home. */
export type JobRequest =
  | {
      kind: 'copy' | 'move';
      items: IItem[];
      destination: string;
      conflict?: Conflict;
      confirm?: boolean;
    }
  | {
      kind: 'rename';
      items: IItem[];
      name: string;
      conflict?: Conflict;
      confirm?: boolean;
    }
  | { kind: 'delete'; items: IItem[]; confirm?: boolean }
  | {
      kind: 'home-to-storage';
      items: { path: string }[];
      destination: string;
      conflict?: Conflict;
      confirm?: boolean;
    }
  | {
      kind: 'storage-to-home';
      items: IItem[];
      destination: string;
      conflict?: Conflict;
    };

export interface IJob {
  id: string;
  kind: JobRequest['kind'];
  state: 'waiting' | 'running' | 'done' | 'failed' | 'cancelled';
  /** In words. */
  title: string;
  created: string;
  finished: string | null;
  destination: string | null;
  objects: number;
  bytes: number;
  /** Null while it is still being counted. */
  totalObjects: number | null;
  totalBytes: number | null;
  skipped: number;
  current: string | null;
  errors: IErrorBody[];
  errorCount: number;
  /** Where the items of the request lie now. */
  results: string[];
}

export type UploadConflict = 'fail' | 'replace' | 'keep-both';

export interface IPart {
  number: number;
  size: number;
  etag: string;
}

/** An upload session: a file on its way in parts. */
export interface IUpload {
  id: string;
  path: string;
  uri: string;
  size: number;
  partSize: number;
  partCount: number;
  parts: IPart[];
  received: number;
  conflict: UploadConflict;
  etag: string | null;
  label: string | null;
  created: string;
}

export interface IErrorBody {
  code: string;
  message: string;
  path: string | null;
  hint: string;
}

/** A failed call: what happened and where (`message`), what to do next (`hint`). */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    body: IErrorBody
  ) {
    super(body.message);
    this.name = 'ApiError';
    this.code = body.code;
    this.path = body.path;
    this.hint = body.hint;
  }

  /** The stable name of the kind of error; `ServerUnreachable`, `SignedOut`, `Unexpected` are this page's own. */
  readonly code: string;
  readonly path: string | null;
  readonly hint: string;
}

/** Whatever was thrown, as an `ApiError`. */
export function asApiError(reason: unknown, path: string | null): ApiError {
  if (reason instanceof ApiError) {
    return reason;
  }
  if (typeof reason === 'object' && reason !== null && 'hint' in reason) {
    return new ApiError(0, reason as IErrorBody);
  }
  const message = reason instanceof Error ? reason.message : String(reason);
  return new ApiError(0, { code: 'Unexpected', message, path, hint: '' });
}

interface IRequest {
  method?: 'GET' | 'POST' | 'PUT' | 'DELETE';
  query?: Record<string, string | readonly string[] | undefined>;
  json?: unknown;
  signal?: AbortSignal;
}

export class StorageApi {
  constructor(
    readonly settings: ServerConnection.ISettings,
    private readonly trans: TranslationBundle = nullTranslator.load('')
  ) {}

  status(signal?: AbortSignal): Promise<IStatus> {
    return this._json('status', { signal });
  }

  sync(): Promise<ISync> {
    return this._json('sync');
  }

  /** Save everything of home now, and wait for it. `timeout` in seconds. */
  flush(
    timeout: number
  ): Promise<{ complete: boolean; notDurableCount: number }> {
    const json = { timeout };
    return this._json('sync/flush', { method: 'POST', json });
  }

  /** List S3 now: what was changed or deleted there. */
  remoteChanges(): Promise<{ conflicts: ISyncConflict[] }> {
    return this._json('sync/remote');
  }

  /** Forget the list of conflicts; the kept files stay. */
  dismissConflicts(): Promise<void> {
    return this._json('sync/conflicts', { method: 'DELETE' });
  }

  /** Let the deletions that wait happen in S3. */
  confirmDeletes(): Promise<{ count: number }> {
    return this._json('sync/deletes', { method: 'POST' });
  }

  /** Save files again that were deleted in S3. */
  saveAgain(paths: readonly string[]): Promise<{ count: number }> {
    return this._json('sync/save-again', { method: 'POST', json: { paths } });
  }

  /** Take the lease on home from another instance of the user, which then only adds. `lease.held` says whether it worked. */
  takeOver(): Promise<ISync> {
    return this._json('sync/lease', { method: 'POST' });
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
    return this._json('storage/list', { query, signal: options.signal });
  }

  stat(path: string, type?: EntryType): Promise<IDetail> {
    return this._json('storage/stat', { query: { path, type } });
  }

  measure(paths: readonly string[], signal?: AbortSignal): Promise<IMeasure> {
    return this._json('storage/measure', { query: { path: paths }, signal });
  }

  /** Search below a folder by name; results come as they are found. Aborting the signal ends it. */
  async *search(
    path: string,
    name: string,
    signal: AbortSignal
  ): AsyncGenerator<SearchLine> {
    const query = { path, name };
    const response = await this._fetch('storage/search', { query, signal });
    if (!response.ok || !response.body) {
      this._read(response.status, await response.text());
      return;
    }
    const reader = response.body
      .pipeThrough(new TextDecoderStream())
      .getReader();
    let rest = '';
    for (;;) {
      let chunk: ReadableStreamReadResult<string>;
      try {
        chunk = await reader.read();
      } catch (reason) {
        throw signal.aborted ? reason : this._unreachable();
      }
      if (chunk.done) {
        return;
      }
      const lines = (rest + chunk.value).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) {
        yield JSON.parse(line) as SearchLine;
      }
    }
  }

  jobs(): Promise<{ jobs: IJob[] }> {
    return this._json('storage/jobs');
  }

  createJob(json: JobRequest): Promise<IJob> {
    return this._json('storage/jobs', { method: 'POST', json });
  }

  /** Cancel a running job, or forget a finished one. */
  cancelJob(id: string): Promise<IJob> {
    return this._json(`storage/jobs/${id}`, { method: 'DELETE' });
  }

  createFolder(path: string, confirm = false): Promise<IEntry> {
    const json = { path, confirm };
    return this._json('storage/folder', { method: 'POST', json });
  }

  /** The bytes of a file, or the first `limit` of them, with the ETag they have. */
  async read(
    path: string,
    limit?: number
  ): Promise<{ body: ArrayBuffer; etag: string | null }> {
    const headers: HeadersInit =
      limit === undefined ? {} : { Range: `bytes=0-${limit - 1}` };
    const response = await this._fetch('storage/file', {
      query: { path },
      headers
    });
    if (!response.ok) {
      this._read(response.status, await response.text());
    }
    try {
      const body = await response.arrayBuffer();
      return { body, etag: response.headers.get('ETag') };
    } catch {
      throw this._unreachable();
    }
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
    return this._send(url, body, options);
  }

  uploads(): Promise<{ uploads: IUpload[] }> {
    return this._json('storage/uploads');
  }

  getUpload(id: string): Promise<IUpload> {
    return this._json(`storage/uploads/${id}`);
  }

  createUpload(
    path: string,
    size: number,
    options: IUploadOptions & { label?: string; signal?: AbortSignal }
  ): Promise<IUpload> {
    const { signal, etag, ...rest } = options;
    const json = { path, size, ...rest, ...(etag ? { etag } : {}) };
    return this._json('storage/uploads', { method: 'POST', json, signal });
  }

  putPart(
    id: string,
    number: number,
    body: Blob,
    options: ISendOptions
  ): Promise<IPart> {
    const url = this.url(`storage/uploads/${id}/parts/${number}`);
    return this._send(url, body, options);
  }

  completeUpload(
    id: string,
    conflict: UploadConflict,
    signal?: AbortSignal
  ): Promise<IEntry> {
    const json = { conflict };
    const path = `storage/uploads/${id}/complete`;
    return this._json(path, { method: 'POST', json, signal });
  }

  abortUpload(id: string): Promise<void> {
    return this._json(`storage/uploads/${id}`, { method: 'DELETE' });
  }

  /** The absolute URL of an operation. */
  url(operation: string, query: IRequest['query'] = {}): string {
    const search = new URLSearchParams();
    for (const [name, value] of Object.entries(query)) {
      for (const each of typeof value === 'string' ? [value] : (value ?? [])) {
        search.append(name, each);
      }
    }
    const url = URLExt.join(this.settings.baseUrl, 'wherobots', operation);
    return search.toString() ? `${url}?${search.toString()}` : url;
  }

  private async _fetch(
    operation: string,
    request: IRequest & { headers?: HeadersInit } = {}
  ): Promise<Response> {
    const { method = 'GET', query, json, signal, headers } = request;
    const init: RequestInit = { method, signal, headers };
    if (json !== undefined) {
      init.body = JSON.stringify(json);
    }
    try {
      return await ServerConnection.makeRequest(
        this.url(operation, query),
        init,
        this.settings
      );
    } catch (reason) {
      throw signal?.aborted ? reason : this._unreachable();
    }
  }

  private async _json<T>(
    operation: string,
    request: IRequest = {}
  ): Promise<T> {
    const response = await this._fetch(operation, request);
    let text: string;
    try {
      text = await response.text();
    } catch (reason) {
      throw request.signal?.aborted ? reason : this._unreachable();
    }
    return this._read<T>(response.status, text);
  }

  /**
   * Send bytes. An XMLHttpRequest, because fetch cannot tell how much has gone; it carries the same token and cookie as
   * every request of JupyterLab.
   */
  private _send<T>(url: string, body: Blob, options: ISendOptions): Promise<T> {
    const { signal, onProgress } = options;
    return new Promise<T>((resolve, reject) => {
      signal?.throwIfAborted();
      const xhr = new XMLHttpRequest();
      xhr.open('PUT', url);
      if (this.settings.token) {
        xhr.setRequestHeader('Authorization', `token ${this.settings.token}`);
      }
      const xsrf = cookie('_xsrf');
      if (xsrf !== null) {
        xhr.setRequestHeader('X-XSRFToken', xsrf);
      }
      xhr.setRequestHeader('Content-Type', 'application/octet-stream');
      if (options.etag) {
        xhr.setRequestHeader('If-Match', options.etag);
      }
      const abort = (): void => xhr.abort();
      signal?.addEventListener('abort', abort);
      xhr.upload.onprogress = event => onProgress?.(event.loaded);
      xhr.onabort = () => reject(new DOMException('Cancelled', 'AbortError'));
      xhr.onerror = () => reject(this._unreachable());
      xhr.onload = () => {
        try {
          resolve(this._read<T>(xhr.status, xhr.responseText));
        } catch (reason) {
          reject(asApiError(reason, null));
        }
      };
      xhr.onloadend = () => signal?.removeEventListener('abort', abort);
      xhr.send(body);
    });
  }

  private _read<T>(status: number, text: string): T {
    let body: unknown;
    try {
      body = text === '' ? null : JSON.parse(text);
    } catch {
      body = undefined;
    }
    if (status >= 200 && status < 300 && body !== undefined) {
      return body as T;
    }
    throw this._failure(status, body);
  }

  private _failure(status: number, body: unknown): ApiError {
    const { trans } = this;
    const given = (
      typeof body === 'object' ? body : null
    ) as Partial<IErrorBody> | null;
    if (given?.code && given.message) {
      return new ApiError(status, {
        code: given.code,
        message: given.message,
        path: given.path ?? null,
        hint: given.hint ?? ''
      });
    }
    const make = (code: string, message: string, hint: string): ApiError =>
      new ApiError(status, { code, message, path: null, hint });
    if (status === 401 || status === 403 || status < 300) {
      return make(
        'SignedOut',
        trans.__('The Jupyter server no longer accepts this page.'),
        trans.__('Reload the page and sign in again.')
      );
    }
    if (status === 404) {
      return make(
        'NotInstalled',
        trans.__('This Jupyter server does not know the managed storage.'),
        trans.__(
          'The server extension jupyter_wherobots is not enabled; `jupyter server extension list` shows why.'
        )
      );
    }
    return make(
      'Unexpected',
      given?.message ?? trans.__('The server answered with status %1.', status),
      trans.__('Try again; the log of the Jupyter server says more.')
    );
  }

  private _unreachable(): ApiError {
    return new ApiError(0, {
      code: 'ServerUnreachable',
      message: this.trans.__('The Jupyter server does not answer.'),
      path: null,
      hint: this.trans.__(
        'Check the network; if the server was stopped, start it again.'
      )
    });
  }
}

export interface IUploadOptions {
  conflict?: UploadConflict;
  /** Replace this version only. */
  etag?: string;
  confirm?: boolean;
}

export interface ISendOptions {
  etag?: string;
  signal?: AbortSignal;
  /** Called with the bytes that have gone so far. */
  onProgress?: (sent: number) => void;
}

/** A cookie's value. Of several with one name the server reads the last, so that one. */
function cookie(name: string): string | null {
  const values = document.cookie
    .split(';')
    .map(part => part.trim())
    .filter(part => part.startsWith(`${name}=`));
  return values.at(-1)?.slice(name.length + 1) ?? null;
}
