/**
 * The home directory and S3: what is saved, what is not and why, and what to do about it.
 */
import type { TranslationBundle } from '@jupyterlab/translation';
import { ReactWidget } from '@jupyterlab/ui-components';
import * as React from 'react';
import type { ISync, ISyncConflict } from '../rest/shapes';
import type { HomeSyncModel } from '../model/homesync';
import type { StatusModel } from '../model/status';
import { describe } from '../statusitem';
import type { UnsavedDocuments } from '../unsaved';
import { useSignal } from './context';
import { keepFocusIn } from './focus';
import { formatBytes } from './format';

/** More of one kind than anybody reads; the rest is counted. */
const SHOWN = 100;

export interface IHomeSyncProps {
  model: HomeSyncModel;
  status: StatusModel;
  unsaved: UnsavedDocuments | null;
  trans: TranslationBundle;
  /** Open a file of home. */
  openLocal: (path: string) => void;
  /** Open a version that only S3 has. */
  openRemote: (path: string) => void;
  /** Put the version of S3 into home, beside ours. */
  bringHere: (path: string) => void;
  /** Ask whether to take over from the other instance, and do it. */
  takeOver: () => void;
}

/** What was deleted in S3 and can be put back. */
const DELETED = 'deleted-remotely';
/** What is newer in S3, or only there. */
const NEWER: ReadonlySet<string> = new Set([
  'updated-remotely',
  'added-remotely',
  'kept-remotely'
]);

export function HomeSyncView(props: IHomeSyncProps): JSX.Element {
  const { model, status, unsaved, trans } = props;
  useSignal(model.changed);
  useSignal(status.changed);
  useSignal(unsaved?.changed ?? status.changed);
  const { sync } = status;
  const documents = unsaved?.paths ?? [];
  const saved = describe(status.status, documents.length, trans);
  return (
    <div className="jp-Wherobots-sync" aria-busy={model.busy}>
      <h1>{trans.__('Home directory')}</h1>
      {status.error && (
        <p role="alert">
          {`${status.error.message} ${status.error.hint}`.trim()}
        </p>
      )}
      {saved && (
        <p className={`jp-Wherobots-lead jp-mod-${saved.level}`}>
          {saved.caption}
        </p>
      )}
      {status.status?.homePersistence.mode === 'off' && (
        <p>
          {trans.__(
            'What lies in home may be gone when this server is. Put what you want to keep into managed storage: drag it from the file browser into the panel.'
          )}
        </p>
      )}
      {sync && (
        <div className="jp-Wherobots-commands">
          <button
            type="button"
            className="jp-Wherobots-action"
            aria-disabled={model.busy}
            onClick={() => void model.saveNow()}
          >
            {trans.__('Save now')}
          </button>
          <button
            type="button"
            className="jp-Wherobots-action"
            aria-disabled={model.busy}
            onClick={() => void model.lookAtRemote()}
          >
            {trans.__('Look for changes in S3')}
          </button>
          {!sync.lease.held && (
            <button
              type="button"
              className="jp-Wherobots-action"
              aria-disabled={model.busy}
              onClick={props.takeOver}
            >
              {trans.__('Take over…')}
            </button>
          )}
          <span role="status">
            {progress(model, sync.pendingFiles + documents.length, trans)}
          </span>
        </div>
      )}
      {model.error && (
        <p role="alert" className="jp-Wherobots-failed">
          {`${model.error.message} ${model.error.hint}`.trim()}
        </p>
      )}
      <Files
        title={trans.__('Open documents with unsaved changes')}
        files={documents.map(path => ({ path, message: '' }))}
        {...props}
      />
      {sync && <Lists sync={sync} {...props} />}
    </div>
  );
}

/** What came of the last "save now", as long as it is true: `waiting` is how many files and documents wait now. */
function progress(
  model: HomeSyncModel,
  waiting: number,
  trans: TranslationBundle
): string {
  if (model.busy) {
    return trans.__('Working…');
  }
  if (model.saved === null || model.saved !== (waiting === 0)) {
    return '';
  }
  return model.saved
    ? trans.__('Everything is saved.')
    : trans.__('Not everything could be saved; see below.');
}

function Lists(props: IHomeSyncProps & { sync: ISync }): JSX.Element {
  const { sync, status, model, trans } = props;
  const deletes = sync.pendingDeletes;
  const known = new Map(
    [...sync.conflicts, ...(model.remote ?? [])].map(each => [
      `${each.kind} ${each.path} ${each.keptAs ?? ''}`,
      each
    ])
  );
  const inS3 = (each: ISyncConflict): boolean =>
    each.kind === DELETED || NEWER.has(each.kind);
  // The other version of a conflict is new in S3 too, but no news.
  const kept = new Set([...known.values()].map(each => each.keptAs));
  const remote = [...known.values()].filter(
    each =>
      inS3(each) &&
      !kept.has(each.path) &&
      !(NEWER.has(each.kind) && model.settled.has(each.path))
  );
  const both = [...known.values()].filter(each => !inS3(each));
  return (
    <>
      <Files
        title={trans.__('Waiting to be saved')}
        files={sync.pending}
        next={trans.__(
          'What failed is tried again by itself. If it goes on failing, ask your administrator, and download what you cannot do without.'
        )}
        {...props}
      />
      <Files
        title={trans.__('What the last stop of the server could not save')}
        files={sync.lostAtLastStop}
        {...props}
      />
      <Conflicts
        title={trans.__('Changed on both sides')}
        conflicts={both}
        {...props}
      />
      <Conflicts
        title={trans.__('Changed in S3')}
        conflicts={remote}
        empty={
          model.remote && model.settled.size === 0
            ? trans.__('Nothing was changed in S3 but by this server.')
            : undefined
        }
        {...props}
      />
      {sync.conflicts.length > 0 && (
        <p>
          <button
            type="button"
            className="jp-Wherobots-action"
            aria-disabled={model.busy}
            onClick={() => void model.forgetConflicts()}
          >
            {trans.__('Clear this list; the files stay as they are')}
          </button>
        </p>
      )}
      {deletes.count > 0 && (
        <section>
          <h2>{trans.__('Deletions that wait for your word')}</h2>
          <p>
            {deletes.message}
            {status.homeRoot &&
              ` ${trans.__(
                'They are still in S3, in %1: “Copy to Home” there brings them back.',
                status.homeRoot.path
              )}`}
          </p>
          <ul className="jp-Wherobots-names">
            {deletes.examples.map(path => (
              <li key={path}>{path}</li>
            ))}
          </ul>
          {deletes.count > deletes.examples.length && (
            <p>
              {trans.__('and %1 more', deletes.count - deletes.examples.length)}
            </p>
          )}
          <button
            type="button"
            className="jp-Wherobots-action"
            aria-disabled={model.busy}
            onClick={() => void model.confirmDeletes()}
          >
            {trans.__('Delete all %1 in S3 too', deletes.count)}
          </button>
        </section>
      )}
      <Skipped {...props} />
      {sync.notes.length + sync.hints.length > 0 && (
        <section>
          <h2>{trans.__('How it works here')}</h2>
          <ul>
            {[sync.hints, ...sync.notes]
              .filter(note => note !== '')
              .map(note => (
                <li key={note}>{note}</li>
              ))}
          </ul>
        </section>
      )}
    </>
  );
}

interface IFile {
  path: string;
  message: string;
  size?: number;
  /** The kind of reason. */
  why?: string;
}

/** Reasons that do not pass by themselves. */
const FAILURES: ReadonlySet<string> = new Set(['failed', 'unreadable']);

function hasFailed(file: IFile): boolean {
  return file.why !== undefined && FAILURES.has(file.why);
}

function Files(
  props: IHomeSyncProps & {
    title: string;
    files: readonly IFile[];
    /** What to do if one of them failed. */
    next?: string;
  }
): JSX.Element | null {
  const { title, files, trans } = props;
  if (files.length === 0) {
    return null;
  }
  return (
    <section>
      <h2>{title}</h2>
      {props.next && files.some(hasFailed) && <p>{props.next}</p>}
      <ul className="jp-Wherobots-files">
        {files.slice(0, SHOWN).map(file => (
          <li key={file.path}>
            <Path {...props} path={file.path} />
            <span className={hasFailed(file) ? 'jp-Wherobots-failed' : ''}>
              {[
                file.size === undefined ? '' : formatBytes(file.size),
                file.message
              ]
                .filter(text => text !== '')
                .join(' · ')}
            </span>
          </li>
        ))}
      </ul>
      {files.length > SHOWN && (
        <p>{trans.__('and %1 more', files.length - SHOWN)}</p>
      )}
    </section>
  );
}

function Path(props: IHomeSyncProps & { path: string }): JSX.Element {
  const { path, openLocal } = props;
  return !path.endsWith('/') ? (
    <button
      type="button"
      className="jp-Wherobots-link"
      onClick={() => openLocal(path)}
    >
      {path}
    </button>
  ) : (
    <b>{path}</b>
  );
}

function Conflicts(
  props: IHomeSyncProps & {
    title: string;
    conflicts: readonly ISyncConflict[];
    empty?: string;
  }
): JSX.Element | null {
  const { title, conflicts, model, status, trans } = props;
  const { openRemote, bringHere } = props;
  // Only the 2024 layout shows what S3 has of home.
  const reachable = status.homeRoot !== null;
  if (conflicts.length === 0 && !props.empty) {
    return null;
  }
  const button = (
    label: string,
    path: string,
    action: () => void
  ): JSX.Element => (
    <button
      type="button"
      className="jp-Wherobots-action"
      aria-label={`${label}: ${path}`}
      aria-disabled={model.busy}
      onClick={action}
    >
      {label}
    </button>
  );
  return (
    <section>
      <h2>{title}</h2>
      {conflicts.length === 0 && <p>{props.empty}</p>}
      <ul className="jp-Wherobots-files">
        {conflicts.slice(0, SHOWN).map(({ path, kind, message, keptAs }) => (
          <li key={`${kind} ${path} ${keptAs ?? ''}`}>
            {kind === DELETED || NEWER.has(kind) ? (
              <b>{path}</b>
            ) : (
              <Path {...props} path={path} />
            )}
            <span>{message}</span>
            <span className="jp-Wherobots-commands">
              {kind === DELETED &&
                button(trans.__('Save again'), path, () => {
                  void model.saveAgain(path);
                })}
              {keptAs !== null &&
                reachable &&
                button(trans.__('Open the other version'), keptAs, () =>
                  openRemote(keptAs)
                )}
              {keptAs !== null &&
                reachable &&
                button(trans.__('Bring the other here'), keptAs, () =>
                  bringHere(keptAs)
                )}
              {NEWER.has(kind) &&
                reachable &&
                button(trans.__('Open the version in S3'), path, () =>
                  openRemote(path)
                )}
              {NEWER.has(kind) &&
                reachable &&
                button(trans.__('Bring it here'), path, () => bringHere(path))}
            </span>
          </li>
        ))}
      </ul>
      {conflicts.length > SHOWN && (
        <p>{trans.__('and %1 more', conflicts.length - SHOWN)}</p>
      )}
    </section>
  );
}

function Skipped(props: IHomeSyncProps & { sync: ISync }): JSX.Element | null {
  const { sync, trans } = props;
  if (sync.skipped.length === 0) {
    return null;
  }
  return (
    <section>
      <details>
        <summary>
          {trans.__('Not saved on purpose (%1)', sync.skipped.length)}
        </summary>
        <ul className="jp-Wherobots-files">
          {sync.skipped.slice(0, SHOWN).map(each => (
            <li key={each.path}>
              <b>{each.path}</b>
              <span>{each.message}</span>
            </li>
          ))}
        </ul>
        {sync.skipped.length > SHOWN && (
          <p>{trans.__('and %1 more', sync.skipped.length - SHOWN)}</p>
        )}
      </details>
    </section>
  );
}

export class HomeSyncWidget extends ReactWidget {
  constructor(private readonly props: IHomeSyncProps) {
    super();
    this.addClass('jp-Wherobots-syncWidget');
    this._release = keepFocusIn(this.node, () =>
      this.node.querySelector<HTMLElement>('button')
    );
  }

  override dispose(): void {
    this._release();
    super.dispose();
  }

  protected override render(): JSX.Element {
    return <HomeSyncView {...this.props} />;
  }

  private readonly _release: () => void;
}
