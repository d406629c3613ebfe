/**
 * The status-bar item: whether home is saved.
 */
import type { TranslationBundle } from '@jupyterlab/translation';
import { ReactWidget } from '@jupyterlab/ui-components';
import * as React from 'react';
import type { IStatus } from './rest/shapes';
import type { StatusModel } from './model/status';
import type { UnsavedDocuments } from './unsaved';
import { useSignal } from './view/context';
import { formatDateTime, formatNumber, formatTime } from './view/format';

/** What the item says, in short and in full. */
export interface ISaved {
  label: string;
  caption: string;
  level: 'good' | 'busy' | 'bad';
}

/** A file that waits longer than this deserves a look. */
const LATE_SECONDS = 300;

/** The longest reason that goes into the status bar itself. */
const REASON = 48;

/** Pure: the words for a status, and for a number of open documents that have unsaved changes. */
export function describe(
  status: IStatus | null,
  unsaved: number,
  trans: TranslationBundle
): ISaved | null {
  if (status === null) {
    return null;
  }
  const off = (reason: string): ISaved => ({
    label: trans.__(
      'Not synchronised: %1',
      reason.length > REASON ? `${reason.slice(0, REASON - 1)}…` : reason
    ),
    caption: trans.__('Home is not synchronised: %1', reason),
    level: 'bad'
  });
  const { sync, homePersistence } = status;
  if (sync === null) {
    if (homePersistence.mode === 'filesystem') {
      return {
        label: trans.__('Home is on persistent storage'),
        caption: homePersistence.reason,
        level: 'good'
      };
    }
    return off(homePersistence.reason);
  }
  const at = sync.savedAt;
  const saved = at
    ? trans.__('Everything in home up to %1 is saved.', formatDateTime(at))
    : trans.__('Not everything in home is saved yet.');
  if (sync.error !== null) {
    return { ...off(sync.error), caption: `${sync.error}\n${saved}` };
  }
  if (sync.phase === 'stopped' || sync.phase === 'stopping') {
    return off(trans.__('the server is stopping'));
  }
  const documents =
    unsaved === 0
      ? []
      : unsaved === 1
        ? [trans.__('1 open document has unsaved changes.')]
        : [trans.__('%1 open documents have unsaved changes.', unsaved)];
  const limits = sync.lease.held ? [] : [sync.lease.message];
  const caption = [saved, ...documents, ...limits].join('\n');
  if (!sync.restored) {
    const { restore } = sync;
    return {
      label:
        restore && restore.filesTotal > 0
          ? trans.__(
              'Restoring home… %1 of %2 files',
              formatNumber(restore.filesDone),
              formatNumber(restore.filesTotal)
            )
          : trans.__('Restoring home…'),
      caption,
      level: 'busy'
    };
  }
  const waiting = sync.pendingFiles + unsaved;
  if (waiting > 0) {
    return {
      label: trans.__('%1 to save', formatNumber(waiting)),
      caption,
      level: (sync.oldestPendingSeconds ?? 0) > LATE_SECONDS ? 'bad' : 'busy'
    };
  }
  return at
    ? { label: trans.__('Saved %1', formatTime(at)), caption, level: 'good' }
    : { label: trans.__('Looking through home…'), caption, level: 'busy' };
}

interface ISavedProps {
  status: StatusModel;
  unsaved: UnsavedDocuments | null;
  trans: TranslationBundle;
  /** Show more. */
  open: () => void;
}

function Item(props: ISavedProps): JSX.Element | null {
  const { status, unsaved, trans } = props;
  useSignal(status.changed);
  useSignal(unsaved?.changed ?? status.changed);
  const saved =
    status.error?.code === 'ServerUnreachable'
      ? {
          label: status.error.message,
          caption: status.error.hint,
          level: 'bad'
        }
      : describe(status.status, unsaved?.paths.length ?? 0, trans);
  return saved === null ? null : (
    <button
      type="button"
      className={`jp-Wherobots-saved jp-mod-${saved.level}`}
      title={saved.caption}
      onClick={props.open}
    >
      {saved.label}
    </button>
  );
}

export class SavedItem extends ReactWidget {
  constructor(private readonly props: ISavedProps) {
    super();
    this.addClass('jp-Wherobots-statusItem');
  }

  protected override render(): JSX.Element {
    return <Item {...this.props} />;
  }
}
