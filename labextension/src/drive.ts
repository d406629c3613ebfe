/**
 * The managed storage as a drive of JupyterLab, so that its editors and viewers open and save what the panel shows.
 *
 * Thin on purpose: browsing, uploading and deleting are the panel's. A save replaces only the version that was last seen (the
 * ETag), so a change made elsewhere is never overwritten unknowingly.
 */
import type { Contents, ServerConnection } from '@jupyterlab/services';
import type { TranslationBundle } from '@jupyterlab/translation';
import type { ISignal } from '@lumino/signaling';
import { Signal } from '@lumino/signaling';
import { ApiError, asApiError } from './rest/errors';
import type { StorageApi } from './rest/api';
import type { IDetail, IEntry } from './rest/shapes';
import { joined, split } from './notebook';
import type { INotebook } from './notebook';

export const DRIVE = 'managed';

/** More than this is not listed in JupyterLab's own dialogs. */
const LISTED = 1000;

/** Whether a path reaches its file through JupyterLab, which takes `//`, `.` and `..` out of every path. */
export function opensInLab(path: string): boolean {
  const segments = path.slice(1).split('/');
  return !segments.some(each => each === '' || each === '.' || each === '..');
}

/** The path of the storage that a document's path on the drive names. */
function storagePath(localPath: string): string {
  return `/${localPath}`;
}

export class StorageDrive implements Contents.IDrive {
  constructor(
    private readonly api: StorageApi,
    private readonly trans: TranslationBundle,
    /** Ask whether a change that wants to be asked about is meant. */
    private readonly confirm: (question: string) => Promise<boolean>
  ) {}

  readonly name = DRIVE;

  get serverSettings(): ServerConnection.ISettings {
    return this.api.settings;
  }

  get fileChanged(): ISignal<this, Contents.IChangedArgs> {
    return this._fileChanged;
  }

  /** Emitted when a document was saved. */
  get saved(): ISignal<this, IEntry> {
    return this._saved;
  }

  get isDisposed(): boolean {
    return this._disposed;
  }

  dispose(): void {
    this._disposed = true;
    Signal.clearData(this);
  }

  async get(
    localPath: string,
    options: Contents.IFetchOptions = {}
  ): Promise<Contents.IModel> {
    const path = storagePath(localPath);
    const stat =
      localPath === '' || options.type === 'directory'
        ? null
        : await this.api.stat(path);
    if (stat === null || stat.type === 'FOLDER') {
      return this._folder(localPath, options.content !== false);
    }
    const model = this._model(localPath, stat, options.type);
    if (options.content === false) {
      this._seen.set(path, stat.etag);
      return model;
    }
    const { body, etag } = await this.api.read(path);
    this._seen.set(path, etag);
    return {
      ...model,
      ...this._content(path, body, model.type, options.format),
      hash: etag ?? ''
    };
  }

  async save(
    localPath: string,
    options: Partial<Contents.IModel> = {}
  ): Promise<Contents.IModel> {
    const path = storagePath(localPath);
    const body = bytesOf(options);
    const etag = this._seen.get(path) ?? undefined;
    const send = (confirm: boolean): Promise<IEntry> =>
      this.api.upload(path, body, {
        etag,
        conflict: etag === undefined ? 'fail' : 'replace',
        confirm
      });
    let entry: IEntry;
    try {
      entry = await send(false);
    } catch (reason) {
      const error = asApiError(reason, path);
      if (
        error.code !== 'ConfirmationRequired' ||
        !(await this.confirm(error.message))
      ) {
        throw error;
      }
      entry = await send(true);
    }
    this._seen.set(path, entry.etag);
    const model = this._model(localPath, entry, options.type);
    this._fileChanged.emit({ type: 'save', oldValue: null, newValue: model });
    this._saved.emit(entry);
    return model;
  }

  getDownloadUrl(localPath: string): Promise<string> {
    const path = storagePath(localPath);
    return Promise.resolve(this.api.url('storage/file', { path }));
  }

  // S3 keeps no checkpoints. The saved version stands for the only one; restoring it reads the file again.
  createCheckpoint(localPath: string): Promise<Contents.ICheckpointModel> {
    return Promise.resolve(this._checkpoint(localPath));
  }
  listCheckpoints(localPath: string): Promise<Contents.ICheckpointModel[]> {
    return Promise.resolve([this._checkpoint(localPath)]);
  }
  restoreCheckpoint(): Promise<void> {
    return Promise.resolve();
  }
  deleteCheckpoint(): Promise<void> {
    return Promise.resolve();
  }

  newUntitled(): Promise<Contents.IModel> {
    return this._refuse();
  }
  delete(): Promise<void> {
    return this._refuse();
  }
  rename(): Promise<Contents.IModel> {
    return this._refuse();
  }
  copy(): Promise<Contents.IModel> {
    return this._refuse();
  }

  private _checkpoint(localPath: string): Contents.ICheckpointModel {
    const modified = this._modified.get(storagePath(localPath));
    return { id: 'saved', last_modified: modified ?? new Date().toISOString() };
  }

  private _refuse(): Promise<never> {
    return Promise.reject(
      new ApiError(0, {
        code: 'NotInLab',
        message: this.trans.__(
          'Files of the managed storage are created, renamed, copied and deleted in its own panel.'
        ),
        path: null,
        hint: ''
      })
    );
  }

  private _model(
    localPath: string,
    entry: IEntry | IDetail,
    type?: string
  ): Contents.IModel {
    if (entry.lastModified) {
      this._modified.set(entry.path, entry.lastModified);
    }
    const notebook =
      type === 'notebook' || (!type && entry.name.endsWith('.ipynb'));
    return {
      name: entry.name,
      path: localPath,
      type:
        entry.type === 'FOLDER' ? 'directory' : notebook ? 'notebook' : 'file',
      writable: !entry.mutateProtected,
      created: entry.lastModified ?? '',
      last_modified: entry.lastModified ?? '',
      mimetype: 'contentType' in entry ? (entry.contentType ?? '') : '',
      size: entry.size ?? undefined,
      content: null,
      format: null,
      ...(entry.etag ? { hash: entry.etag, hash_algorithm: 'etag' } : {})
    };
  }

  private async _folder(
    localPath: string,
    content: boolean
  ): Promise<Contents.IModel> {
    const path = localPath === '' ? '/' : `${storagePath(localPath)}/`;
    const limit = content ? LISTED : 1;
    const listing = await this.api.list(path, { limit, cursor: null });
    const prefix = localPath === '' ? '' : `${localPath}/`;
    return {
      name: localPath.slice(localPath.lastIndexOf('/') + 1),
      path: localPath,
      type: 'directory',
      writable: false, // so that no dialog of JupyterLab offers to create anything
      created: '',
      last_modified: '',
      mimetype: '',
      format: content ? 'json' : null,
      content: content
        ? listing.entries
            .filter(entry => opensInLab(entry.path.replace(/\/$/, '')))
            .map(entry => this._model(prefix + entry.name, entry))
        : null
    };
  }

  private _content(
    path: string,
    body: ArrayBuffer,
    type: string,
    format: Contents.FileFormat | undefined
  ): Pick<Contents.IModel, 'content' | 'format'> {
    if (format === 'base64') {
      return { content: base64(body), format };
    }
    let text: string;
    try {
      text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(
        body
      );
    } catch {
      throw this._unreadable(path, this.trans.__('it is not text in UTF-8'));
    }
    if (type !== 'notebook') {
      return { content: text, format: 'text' };
    }
    let notebook: INotebook;
    try {
      notebook = JSON.parse(text) as INotebook;
    } catch {
      throw this._unreadable(path, this.trans.__('it is not a valid notebook'));
    }
    if (!(notebook.nbformat >= 4)) {
      throw this._unreadable(
        path,
        this.trans.__(
          'its notebook format is too old; bring it home and open it there'
        )
      );
    }
    return { content: joined(notebook), format: 'json' };
  }

  private _unreadable(path: string, why: string): ApiError {
    return new ApiError(400, {
      code: 'NotReadable',
      message: this.trans.__('%1 cannot be opened: %2.', path, why),
      path,
      hint: this.trans.__('Download it, or read it in a notebook.')
    });
  }

  /** The version of each file that was last seen here: what a save may replace. */
  private readonly _seen = new Map<string, string | null>();
  private readonly _modified = new Map<string, string>();
  private _disposed = false;
  private readonly _fileChanged = new Signal<this, Contents.IChangedArgs>(this);
  private readonly _saved = new Signal<this, IEntry>(this);
}

function bytesOf(options: Partial<Contents.IModel>): Blob {
  const content: unknown = options.content;
  if (options.type === 'notebook') {
    const text = JSON.stringify(split(content as INotebook), null, 1);
    return new Blob([`${text}\n`]);
  }
  if (options.format === 'base64') {
    const bytes = atob(content as string);
    return new Blob([Uint8Array.from(bytes, char => char.charCodeAt(0))]);
  }
  return new Blob([
    typeof content === 'string' ? content : JSON.stringify(content)
  ]);
}

function base64(body: ArrayBuffer): string {
  const bytes = new Uint8Array(body);
  const pieces: string[] = [];
  const step = 0x8000; // more arguments than this break the call
  for (let i = 0; i < bytes.length; i += step) {
    pieces.push(String.fromCharCode(...bytes.subarray(i, i + step)));
  }
  return btoa(pieces.join(''));
}
