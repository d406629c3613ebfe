/**
 * The JupyterLab plugin: makes the models, the panel, the commands and the status item. The only module that knows the
 * application.
 */
import { ILayoutRestorer } from '@jupyterlab/application';
import type {
  JupyterFrontEnd,
  JupyterFrontEndPlugin
} from '@jupyterlab/application';
import { ICommandPalette } from '@jupyterlab/apputils';
import { IStatusBar } from '@jupyterlab/statusbar';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';
import { fileIcon, folderIcon } from '@jupyterlab/ui-components';
import type { LabIcon } from '@jupyterlab/ui-components';
import { Menu } from '@lumino/widgets';
import { Actions } from './actions';
import { StorageApi } from './api';
import type { IEntry } from './api';
import { addCommands, CommandIDs } from './commands';
import { BrowserModel } from './model/browser';
import { Notice } from './model/notice';
import { StatusModel } from './model/status';
import { TransferQueue } from './model/transfers';
import { SavedItem } from './statusitem';
import { StoragePanel } from './view/panel';

/** The server's hint that the state of the home synchronisation changed. */
const HOME_SYNC_EVENT = 'https://schema.wherobots.com/jupyter/home_sync/v1';

/** Until the status says otherwise: what goes in one request, in bytes. */
const ONE_SHOT = 8 * 1024 * 1024;

const plugin: JupyterFrontEndPlugin<void> = {
  id: 'jupyter-wherobots:plugin',
  description: 'The managed storage sidebar.',
  autoStart: true,
  optional: [ILayoutRestorer, ITranslator, IStatusBar, ICommandPalette],
  activate: (
    app: JupyterFrontEnd,
    restorer: ILayoutRestorer | null,
    translator: ITranslator | null,
    statusBar: IStatusBar | null,
    palette: ICommandPalette | null
  ) => {
    const trans = (translator ?? nullTranslator).load('jupyter_wherobots');
    const { serviceManager, commands, docRegistry } = app;
    const api = new StorageApi(serviceManager.serverSettings, trans);
    const browser = new BrowserModel(api);
    const status = new StatusModel(api);
    const notice = new Notice();
    const transfers = new TransferQueue(
      api,
      () => status.status?.limits.oneShotBytes ?? ONE_SHOT
    );
    const actions = new Actions({
      api,
      browser,
      status,
      transfers,
      notice,
      trans,
      focusList: () => panel.grid?.focus()
    });

    const icons = new Map<string, LabIcon>();
    const iconOf = (entry: IEntry): LabIcon => {
      if (entry.type === 'FOLDER') {
        return folderIcon;
      }
      const kind = entry.name.slice(entry.name.indexOf('.') + 1).toLowerCase();
      let icon = icons.get(kind);
      if (!icon) {
        icon = docRegistry.getFileTypesForPath(entry.name)[0]?.icon ?? fileIcon;
        icons.set(kind, icon);
      }
      return icon;
    };

    const openFolderMenu = (paths: readonly string[], at: DOMRect): void => {
      const menu = new Menu({ commands });
      for (const path of paths) {
        menu.addItem({ command: CommandIDs.go, args: { path } });
      }
      menu.open(at.left, at.bottom);
    };

    const panel = new StoragePanel({
      browser,
      status,
      transfers,
      notice,
      actions,
      trans,
      iconOf,
      openFolderMenu
    });
    app.shell.add(panel, 'left', { rank: 102, type: 'Managed Storage' });
    restorer?.add(panel, panel.id);
    addCommands({ app, palette, panel, browser, actions, trans });

    statusBar?.registerStatusItem('jupyter-wherobots:saved', {
      item: new SavedItem(status, trans),
      align: 'left',
      rank: 20
    });
    serviceManager.events.stream.connect((_, event) => {
      if (event.schema_id === HOME_SYNC_EVENT) {
        status.hint();
      }
    });
    window.addEventListener('beforeunload', event => {
      if (transfers.busy) {
        event.preventDefault();
      }
    });
    void app.restored.then(() => {
      if (status.status === null && !document.hidden) {
        void status.refresh();
      }
    });
  }
};

export default plugin;
