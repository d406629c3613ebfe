/**
 * What the REST API takes and gives: the shapes of `openapi.yaml`, as types.
 */

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
  /** False if S3 knows of nothing there. */
  exists: boolean;
}

export interface IMeasure {
  objects: number;
  bytes: number;
  complete: boolean;
}

/** What became of a download. */
export interface IOutcome {
  state: 'waiting' | 'sending' | 'done' | 'cancelled' | 'failed';
  /** Objects that could not be read and are not in the zip. */
  missing: number;
  error: IErrorBody | null;
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
