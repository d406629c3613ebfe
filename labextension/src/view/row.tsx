/**
 * What one line of the list is made of: the columns' names, a file or folder, and a folder that is being named.
 */
import type { TranslationBundle } from '@jupyterlab/translation';
import { lockIcon, copyIcon, checkIcon } from '@jupyterlab/ui-components';
import type { LabIcon } from '@jupyterlab/ui-components';
import * as React from 'react';
import type { SortKey } from '../model/order';
import { parentOf } from '../model/paths';
import type { IEntry, IRoot } from '../rest/shapes';
import { usePanel } from './context';
import {
  formatBytes,
  formatDate,
  formatDateTime,
  formatNumber,
  visible
} from './format';
import { NameField } from './namefield';

/** A button of a row leaves the keyboard where it is. */
function keepFocus(event: React.MouseEvent): void {
  event.preventDefault();
}

export function rowId(index: number): string {
  return `jp-wherobots-row-${index}`;
}

export function Header(): JSX.Element {
  const { browser, trans } = usePanel();
  const { sort } = browser;
  const column = (key: SortKey, label: string): JSX.Element => {
    const sorted = sort.key === key;
    return (
      <div
        role="columnheader"
        className={`jp-Wherobots-column jp-mod-${key}`}
        aria-sort={
          !sorted ? 'none' : sort.descending ? 'descending' : 'ascending'
        }
      >
        <button
          type="button"
          className="jp-Wherobots-sort"
          title={trans.__('Sort by %1', label.toLowerCase())}
          onClick={() => browser.sortBy(key)}
        >
          <span>{label}</span>
          {sorted && (
            <span className="jp-Wherobots-arrow" aria-hidden>
              {sort.descending ? '↓' : '↑'}
            </span>
          )}
        </button>
      </div>
    );
  };
  return (
    <div
      role="row"
      className="jp-Wherobots-header"
      aria-label={trans.__('Columns')}
      aria-rowindex={1}
    >
      {column('name', trans.__('Name'))}
      {column('size', trans.__('Size'))}
      {column('modified', trans.__('Modified'))}
      <div
        role="columnheader"
        className="jp-Wherobots-column jp-mod-copy"
        aria-label={trans.__('Copy')}
      />
    </div>
  );
}

/** The element of an icon, always the same one, so that drawing a row again does not draw its icons again. */
function iconElement(icon: LabIcon, className?: string): JSX.Element {
  let element = elements.get(icon);
  if (!element) {
    element = <icon.react tag="span" className={className} />;
    elements.set(icon, element);
  }
  return element;
}
const elements = new WeakMap<LabIcon, JSX.Element>();

/** Whose a root is, in a word. */
function badgeOf(root: IRoot, trans: TranslationBundle): string {
  switch (root.kind) {
    case 'private':
      return trans.__('private');
    case 'shared':
      return trans.__('shared');
    case 'logs':
      return trans.__('logs');
    case 'notebooks':
      return trans.__('home');
  }
}

interface IRowProps {
  entry: IEntry;
  index: number;
  top: number;
  selected: boolean;
  active: boolean;
  renaming: boolean;
  /** Waits to be pasted elsewhere. */
  cut: boolean;
  copied: boolean;
  /** The folder below which it was found, or null in a listing. */
  below: string | null;
}

export const Row = React.memo(function Row(props: IRowProps): JSX.Element {
  const { entry, index, selected } = props;
  const { actions, changes, status, trans, iconOf } = usePanel();
  const root = entry.type === 'FOLDER' ? status.rootAt(entry.path) : null;
  const badge = root ? badgeOf(root, trans) : '';
  const name =
    entry.name === '' ? trans.__('(empty name)') : visible(entry.name);
  const where =
    props.below === null ? '' : parentOf(entry.path).slice(props.below.length);
  const facts = [
    where === '' ? '' : trans.__('in %1', where),
    entry.type === 'FOLDER' ? trans.__('folder') : formatBytes(entry.size ?? 0),
    entry.lastModified ? formatDateTime(entry.lastModified) : '',
    badge,
    !entry.mutateProtected
      ? ''
      : entry.uploadProtected
        ? trans.__('read-only')
        : trans.__('cannot be renamed or deleted'),
    props.cut ? trans.__('cut') : ''
  ].filter(text => text !== '');
  const tip = [
    where + entry.name,
    entry.size === null
      ? ''
      : trans.__('Size: %1 bytes', formatNumber(entry.size)),
    entry.lastModified
      ? trans.__('Modified: %1', formatDateTime(entry.lastModified))
      : '',
    root?.description ?? '',
    entry.reason ?? ''
  ].filter(text => text !== '');
  const locked = entry.mutateProtected;
  return (
    <div
      id={rowId(index)}
      role="row"
      className={
        'jp-Wherobots-row' +
        (selected ? ' jp-mod-selected' : '') +
        (props.active ? ' jp-mod-active' : '') +
        (props.cut ? ' jp-mod-cut' : '')
      }
      style={{ transform: `translateY(${props.top}px)` }}
      data-index={index}
      data-type={entry.type}
      data-root={root !== null || undefined}
      draggable={!props.renaming}
      aria-rowindex={index + 2}
      aria-selected={selected}
      aria-label={`${name}, ${facts.join(', ')}`}
      title={tip.join('\n')}
    >
      <div role="gridcell" className="jp-Wherobots-name">
        {iconElement(iconOf(entry), 'jp-Wherobots-icon')}
        {props.renaming ? (
          <NameField />
        ) : (
          <span
            className={
              'jp-Wherobots-text' + (entry.name === '' ? ' jp-mod-empty' : '')
            }
          >
            {where !== '' && (
              <span className="jp-Wherobots-where">{visible(where)}</span>
            )}
            <span>{name}</span>
          </span>
        )}
        {locked && <lockIcon.react tag="span" className="jp-Wherobots-lock" />}
        {badge !== '' && <span className="jp-Wherobots-badge">{badge}</span>}
      </div>
      <div role="gridcell" className="jp-Wherobots-size">
        {entry.size === null ? '' : formatBytes(entry.size)}
      </div>
      <div role="gridcell" className="jp-Wherobots-modified">
        {entry.lastModified ? formatDate(entry.lastModified) : ''}
      </div>
      <div role="gridcell" className="jp-Wherobots-actions">
        <button
          type="button"
          tabIndex={-1}
          className={
            'jp-Wherobots-copy' + (props.copied ? ' jp-mod-copied' : '')
          }
          aria-label={trans.__('Copy S3 path of %1', name)}
          title={trans.__('Copy %1', entry.uri)}
          onMouseDown={keepFocus}
          onClick={() => {
            changes.hold([entry], false);
            actions.copy([entry]);
          }}
        >
          {iconElement(props.copied ? checkIcon : copyIcon)}
        </button>
      </div>
    </div>
  );
});

export function NewFolderRow(): JSX.Element {
  const { trans } = usePanel();
  return (
    <div
      role="row"
      className="jp-Wherobots-newFolder"
      aria-label={trans.__('New folder')}
    >
      <div role="gridcell" className="jp-Wherobots-name">
        <NameField />
      </div>
    </div>
  );
}
