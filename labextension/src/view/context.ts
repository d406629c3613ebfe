/**
 * What every part of the panel is given: the models, what can be done, and the words.
 */
import type { TranslationBundle } from '@jupyterlab/translation';
import type { LabIcon } from '@jupyterlab/ui-components';
import type { ISignal } from '@lumino/signaling';
import * as React from 'react';
import type { Actions } from '../actions';
import type { IEntry } from '../rest/shapes';
import type { Changes } from '../changes';
import type { BrowserModel } from '../model/browser';
import type { JobList } from '../model/jobs';
import type { Notice } from '../model/notice';
import type { StatusModel } from '../model/status';
import type { TransferQueue } from '../model/transfers';
import type { Uploads } from '../uploads';
import type { Whereabouts } from '../whereabouts';

export interface IPanelContext {
  browser: BrowserModel;
  status: StatusModel;
  transfers: TransferQueue;
  jobs: JobList;
  notice: Notice;
  actions: Actions;
  changes: Changes;
  whereabouts: Whereabouts;
  uploads: Uploads;
  trans: TranslationBundle;
  /** The icon JupyterLab has for a file of this kind. */
  iconOf: (entry: IEntry) => LabIcon;
  /** Open a menu of folders below a button: the folded part of the breadcrumbs. */
  openFolderMenu: (paths: readonly string[], button: HTMLElement) => void;
}

const Context = React.createContext<IPanelContext | null>(null);

export const PanelProvider = Context.Provider;

export function usePanel(): IPanelContext {
  const panel = React.useContext(Context);
  if (panel === null) {
    throw new Error('Outside of the panel');
  }
  return panel;
}

/** Draw again whenever the signal is emitted. */
export function useSignal(signal: ISignal<unknown, unknown>): void {
  const [, draw] = React.useReducer((count: number) => count + 1, 0);
  React.useEffect(() => {
    const slot = (): void => draw();
    signal.connect(slot);
    draw(); // for what happened between drawing and connecting
    return () => {
      signal.disconnect(slot);
    };
  }, [signal]);
}
