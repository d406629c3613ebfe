/**
 * The status-bar item: whether home is saved.
 */
import type { TranslationBundle } from '@jupyterlab/translation';
import { ReactWidget } from '@jupyterlab/ui-components';
import * as React from 'react';
import type { IStatus } from './api';
import type { StatusModel } from './model/status';
import { useSignal } from './view/context';
import { formatDateTime, formatTime } from './view/format';

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

/** Pure: the words for a status. */
export function describe(
  status: IStatus | null,
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
    : trans.__('Nothing of home is saved yet.');
  if (sync.error !== null) {
    return { ...off(sync.error), caption: `${sync.error}\n${saved}` };
  }
  if (sync.phase === 'stopped' || sync.phase === 'stopping') {
    return off(trans.__('the server is stopping'));
  }
  const limits = sync.lease.held ? [] : [sync.lease.message];
  const caption = [saved, ...limits, ...sync.notes].join('\n');
  if (!sync.restored) {
    const { restore } = sync;
    return {
      label:
        restore && restore.filesTotal > 0
          ? trans.__(
              'Restoring home… %1 of %2 files',
              restore.filesDone.toLocaleString('en'),
              restore.filesTotal.toLocaleString('en')
            )
          : trans.__('Restoring home…'),
      caption,
      level: 'busy'
    };
  }
  if (sync.pendingFiles > 0) {
    return {
      label: trans.__('%1 to save', sync.pendingFiles.toLocaleString('en')),
      caption: [...sync.pending.map(each => each.message), caption].join('\n'),
      level: (sync.oldestPendingSeconds ?? 0) > LATE_SECONDS ? 'bad' : 'busy'
    };
  }
  return at
    ? { label: trans.__('Saved %1', formatTime(at)), caption, level: 'good' }
    : { label: trans.__('Looking through home…'), caption, level: 'busy' };
}

function Item(props: {
  status: StatusModel;
  trans: TranslationBundle;
}): JSX.Element | null {
  const { status, trans } = props;
  useSignal(status.changed);
  if (status.error?.code === 'ServerUnreachable') {
    return (
      <span className="jp-Wherobots-saved jp-mod-bad" title={status.error.hint}>
        {status.error.message}
      </span>
    );
  }
  const saved = describe(status.status, trans);
  return saved === null ? null : (
    <span
      className={`jp-Wherobots-saved jp-mod-${saved.level}`}
      title={saved.caption}
    >
      {saved.label}
    </span>
  );
}

export class SavedItem extends ReactWidget {
  constructor(
    private readonly status: StatusModel,
    private readonly trans: TranslationBundle
  ) {
    super();
    this.addClass('jp-Wherobots-statusItem');
  }

  protected override render(): JSX.Element {
    return <Item status={this.status} trans={this.trans} />;
  }
}
