/**
 * The buttons above the list. What cannot be done here is disabled, with the reason in its tooltip.
 */
import {
  fileUploadIcon,
  filterListIcon,
  newFolderIcon,
  refreshIcon,
  userIcon,
  usersIcon
} from '@jupyterlab/ui-components';
import type { LabIcon } from '@jupyterlab/ui-components';
import * as React from 'react';
import { usePanel, useSignal } from './context';

interface IButtonProps {
  icon: LabIcon;
  label: string;
  /** The tooltip, if it says more than the label. */
  title?: string;
  disabled?: boolean;
  pressed?: boolean;
  className?: string;
  onClick: () => void;
}

export function IconButton(props: IButtonProps): JSX.Element {
  const { icon: Icon, label, title = label, disabled = false } = props;
  return (
    <button
      type="button"
      className={`jp-Wherobots-button ${props.className ?? ''}`}
      aria-label={label}
      aria-pressed={props.pressed}
      title={title}
      disabled={disabled}
      onClick={props.onClick}
    >
      <Icon.react tag="span" />
    </button>
  );
}

export function Toolbar(): JSX.Element {
  const { browser, status, actions, uploads, trans } = usePanel();
  useSignal(browser.changed);
  useSignal(status.changed);
  const why = actions.whyNotWritable();
  const { ownRoot: own, sharedRoot: shared } = status;
  return (
    <div
      className="jp-Wherobots-toolbar"
      role="toolbar"
      aria-label={trans.__('Managed storage')}
    >
      <IconButton
        icon={fileUploadIcon}
        label={trans.__('Upload')}
        title={why ?? trans.__('Upload files to this folder')}
        disabled={why !== null}
        onClick={() => uploads.chooseFiles()}
      />
      <IconButton
        icon={newFolderIcon}
        label={trans.__('New folder')}
        title={why ?? trans.__('New folder')}
        disabled={why !== null}
        onClick={() => browser.beginNaming(null)}
      />
      <IconButton
        icon={refreshIcon}
        label={trans.__('Refresh')}
        onClick={() => actions.refresh()}
      />
      <span className="jp-Wherobots-spacer" />
      {own && (
        <IconButton
          icon={userIcon}
          label={trans.__('Go to your folder')}
          title={trans.__('Go to your folder, %1', own.path)}
          onClick={() => browser.go(own.path)}
        />
      )}
      {shared && (
        <IconButton
          icon={usersIcon}
          label={trans.__('Go to the shared folder')}
          title={trans.__('Go to the shared folder, %1', shared.path)}
          onClick={() => browser.go(shared.path)}
        />
      )}
      <IconButton
        icon={filterListIcon}
        label={trans.__('Filter')}
        title={trans.__('Filter by name')}
        pressed={browser.filtering}
        onClick={() => browser.openFilter(!browser.filtering)}
      />
    </div>
  );
}
