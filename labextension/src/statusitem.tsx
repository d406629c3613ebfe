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
  const through = sync.durableThrough;
  const saved = through
    ? trans.__('Everything in home up to %1 is saved.', formatDateTime(through))
    : trans.__('Nothing of home is saved yet.');
  const caption = sync.message ? `${sync.message}\n${saved}` : saved;
  switch (sync.state) {
    case 'attention':
    case 'stopped':
      return { ...off(sync.message ?? sync.state), caption };
    case 'restoring':
    case 'starting':
      return {
        label:
          sync.state === 'restoring'
            ? trans.__('Restoring home…')
            : trans.__('Starting synchronisation…'),
        caption,
        level: 'busy'
      };
    case 'saving':
    case 'saved':
      if (sync.pendingFiles > 0) {
        return {
          label: trans.__('%1 to save', sync.pendingFiles.toLocaleString('en')),
          caption,
          level: 'busy'
        };
      }
      return {
        label: through
          ? trans.__('Saved %1', formatTime(through))
          : trans.__('Starting synchronisation…'),
        caption,
        level: 'good'
      };
  }
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
