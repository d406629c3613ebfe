/**
 * The commands: what the palette, the keyboard and the context menu can do with the panel.
 */
import type { JupyterFrontEnd } from '@jupyterlab/application';
import type { ICommandPalette } from '@jupyterlab/apputils';
import type { TranslationBundle } from '@jupyterlab/translation';
import {
  copyIcon,
  fileUploadIcon,
  newFolderIcon,
  refreshIcon
} from '@jupyterlab/ui-components';
import type { Actions } from './actions';
import type { BrowserModel } from './model/browser';
import { nameOf } from './model/paths';
import type { StoragePanel } from './view/panel';

export const CommandIDs = {
  show: 'jupyter-wherobots:show',
  go: 'jupyter-wherobots:go',
  open: 'jupyter-wherobots:open',
  up: 'jupyter-wherobots:up',
  copyPath: 'jupyter-wherobots:copy-path',
  upload: 'jupyter-wherobots:upload',
  newFolder: 'jupyter-wherobots:new-folder',
  refresh: 'jupyter-wherobots:refresh'
};

export function addCommands(options: {
  app: JupyterFrontEnd;
  palette: ICommandPalette | null;
  panel: StoragePanel;
  browser: BrowserModel;
  actions: Actions;
  trans: TranslationBundle;
}): void {
  const { app, palette, panel, browser, actions, trans } = options;
  const { commands } = app;
  const writable = (): boolean => actions.whyNotWritable() === null;
  const selected = (): number => browser.selection.size;

  commands.addCommand(CommandIDs.show, {
    label: trans.__('Show Managed Storage'),
    execute: () => app.shell.activateById(panel.id)
  });
  commands.addCommand(CommandIDs.go, {
    label: args =>
      typeof args['path'] === 'string'
        ? nameOf(args['path']) || trans.__('All managed storage')
        : trans.__('Go to a Folder of the Managed Storage'),
    execute: args => {
      app.shell.activateById(panel.id);
      browser.go(args['path'] as string);
    }
  });
  commands.addCommand(CommandIDs.open, {
    label: trans.__('Open'),
    isEnabled: () => selected() === 1,
    execute: () => {
      const entry = browser.selectedEntries[0];
      if (entry) {
        actions.open(entry);
      }
    }
  });
  commands.addCommand(CommandIDs.up, {
    label: trans.__('Go to the Parent Folder'),
    isEnabled: () => browser.path !== '/',
    execute: () => browser.up()
  });
  commands.addCommand(CommandIDs.copyPath, {
    label: () =>
      selected() > 1 ? trans.__('Copy S3 Paths') : trans.__('Copy S3 Path'),
    icon: copyIcon,
    isEnabled: () => selected() > 0,
    execute: () => actions.copy(browser.selectedEntries)
  });
  commands.addCommand(CommandIDs.upload, {
    label: trans.__('Upload Files…'),
    caption: () => actions.whyNotWritable() ?? '',
    icon: fileUploadIcon,
    isEnabled: writable,
    execute: () => actions.chooseFiles()
  });
  commands.addCommand(CommandIDs.newFolder, {
    label: trans.__('New Folder'),
    caption: () => actions.whyNotWritable() ?? '',
    icon: newFolderIcon,
    isEnabled: writable,
    execute: () => browser.beginNaming(null)
  });
  commands.addCommand(CommandIDs.refresh, {
    label: trans.__('Refresh'),
    icon: refreshIcon,
    execute: () => actions.refresh()
  });
  palette?.addItem({
    command: CommandIDs.show,
    category: trans.__('Managed Storage')
  });
}
