/**
 * Dragging with the browser's own drag and drop: files of this computer onto the list, rows onto folders, and rows out of the
 * list, as text into cells.
 */
import * as React from 'react';
import type { IEntry } from '../rest/shapes';
import { keyOf } from '../model/paths';
import type { IPanelContext } from './context';
import { usePanel } from './context';

/** Marks a drag as one of our own rows; its data are their s3:// paths, one a line. */
export const ROWS = 'application/x-wherobots-rows';

type Handlers = Pick<
  React.DOMAttributes<HTMLElement>,
  'onDragStart' | 'onDragEnd' | 'onDragOver' | 'onDragLeave' | 'onDrop'
>;

/** The handlers of the list. `entryAt` finds the row under an event. */
export function useDrop(
  entryAt: (event: React.SyntheticEvent) => IEntry | null
): Handlers {
  const { browser, actions, changes, uploads } = usePanel();
  const marked = React.useRef<Element | null>(null);

  const mark = (element: Element | null): void => {
    if (marked.current !== element) {
      marked.current?.classList.remove('jp-mod-dropTarget');
      element?.classList.add('jp-mod-dropTarget');
      marked.current = element;
    }
  };

  /** The folder under the pointer, or the one that is shown; null if nothing can be put there. */
  const target = (event: React.DragEvent): string | null => {
    const entry = entryAt(event);
    if (entry?.type === 'FOLDER') {
      return entry.uploadProtected ? null : entry.path;
    }
    return actions.whyNotWritable() === null ? browser.path : null;
  };

  return {
    onDragStart: event => {
      const entry = entryAt(event);
      if (!entry) {
        return;
      }
      if (!browser.selection.has(keyOf(entry))) {
        browser.selection.only(keyOf(entry));
      }
      const entries = browser.selectedEntries;
      changes.dragged = entries;
      const { dataTransfer } = event;
      dataTransfer.effectAllowed = 'copyMove';
      dataTransfer.setData(ROWS, entries.map(each => each.uri).join('\n'));
      // In code, and everywhere else text can be dropped, a path is a string.
      const text = entries.map(each => JSON.stringify(each.uri)).join('\n');
      dataTransfer.setData('text/plain', text);
    },
    onDragEnd: () => {
      changes.dragged = null;
      mark(null);
    },
    onDragOver: event => {
      const { dataTransfer } = event;
      const files = dataTransfer.types.includes('Files');
      const rows = dataTransfer.types.includes(ROWS);
      if (!files && !rows) {
        return;
      }
      event.preventDefault();
      event.stopPropagation();
      const folder = target(event);
      if (folder === null || (rows && !changes.canMoveTo(folder))) {
        dataTransfer.dropEffect = 'none';
        mark(null);
        return;
      }
      dataTransfer.dropEffect = files || event.ctrlKey ? 'copy' : 'move';
      const row = (event.target as Element).closest('[data-type=FOLDER]');
      mark(row ?? event.currentTarget.parentElement);
    },
    onDragLeave: event => {
      const to = event.relatedTarget as Node | null;
      if (!to || !event.currentTarget.contains(to)) {
        mark(null);
      }
    },
    onDrop: event => {
      mark(null);
      const { dataTransfer } = event;
      const folder = target(event);
      if (dataTransfer.types.includes(ROWS)) {
        event.preventDefault();
        event.stopPropagation();
        if (folder !== null && changes.canMoveTo(folder)) {
          const kind = event.ctrlKey ? 'copy' : 'move';
          void changes.transfer(kind, changes.dragged!, folder);
        }
      } else if (dataTransfer.types.includes('Files')) {
        event.preventDefault();
        event.stopPropagation();
        void uploads.addDropped(dataTransfer, folder ?? browser.path);
      }
    }
  };
}

/**
 * Files of this computer dropped on the panel beside the list go into the folder that is shown: the browser would open them
 * otherwise, in place of JupyterLab or beside it.
 */
export function takeFilesBeside(node: HTMLElement, panel: IPanelContext): void {
  const take = (event: DragEvent): void => {
    const { dataTransfer, target, type } = event;
    const list = (target as Element).closest('.jp-Wherobots-grid');
    if (list || !dataTransfer?.types.includes('Files')) {
      return; // the list has its own mind
    }
    event.preventDefault();
    event.stopPropagation();
    const able = panel.actions.whyNotWritable() === null;
    dataTransfer.dropEffect = able ? 'copy' : 'none';
    node.classList.toggle('jp-mod-dropTarget', able && type === 'dragover');
    if (type === 'drop') {
      void panel.uploads.addDropped(dataTransfer);
    }
  };
  node.addEventListener('dragover', take);
  node.addEventListener('drop', take);
  node.addEventListener('dragleave', () =>
    node.classList.remove('jp-mod-dropTarget')
  );
}
