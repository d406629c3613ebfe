/**
 * The JupyterLab plugin: makes the models, the panel, the commands, the drive and the status item, and ties them together. The
 * only module that knows the application.
 */
import { ILayoutRestorer, IRouter } from '@jupyterlab/application';
import type {
  JupyterFrontEnd,
  JupyterFrontEndPlugin
} from '@jupyterlab/application';
import { ICommandPalette } from '@jupyterlab/apputils';
import { IDocumentManager } from '@jupyterlab/docmanager';
import { IFileBrowserFactory } from '@jupyterlab/filebrowser';
import { ISettingRegistry } from '@jupyterlab/settingregistry';
import { IStateDB } from '@jupyterlab/statedb';
import { IStatusBar } from '@jupyterlab/statusbar';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';
import { fileIcon, folderIcon } from '@jupyterlab/ui-components';
import type { LabIcon } from '@jupyterlab/ui-components';
import { Menu } from '@lumino/widgets';
import { Actions } from './actions';
import { StorageApi } from './rest/api';
import type { IEntry } from './rest/shapes';
import { Changes } from './changes';
import { CommandIDs } from './commandids';
import { addCommands } from './commands';
import { ask, showFailure } from './dialogs';
import { Downloads } from './downloads';
import { DRIVE, StorageDrive } from './drive';
import { insertDropped, insertText } from './editors';
import { FileBrowserLink } from './filebrowser';
import { BrowserModel } from './model/browser';
import { JobList } from './model/jobs';
import { Notice } from './model/notice';
import { nameOf, parentOf } from './model/paths';
import { StatusModel } from './model/status';
import { TransferQueue } from './model/transfers';
import { PlaceExtension } from './place';
import { addHomeSync } from './homesync';
import { rememberPlace, routePlace } from './restoring';
import { SavedItem } from './statusitem';
import { UnsavedDocuments } from './unsaved';
import { Uploads } from './uploads';
import { Whereabouts } from './whereabouts';
import { ROWS } from './view/dropping';
import { PANEL_ID, StoragePanel } from './view/panel';

const PLUGIN_ID = 'jupyter-wherobots:plugin';

/** The server's hint that the state of the home synchronisation changed. */
const HOME_SYNC_EVENT = 'https://schema.wherobots.com/jupyter/home_sync/v1';

/** Until the status says otherwise: what goes in one request, in bytes. */
const ONE_SHOT = 8 * 2 ** 20;

/** Until the settings say otherwise: the largest file that is opened, in bytes. */
const OPEN_LIMIT = 20 * 2 ** 20;

const plugin: JupyterFrontEndPlugin<void> = {
  id: PLUGIN_ID,
  description: 'The managed storage sidebar.',
  autoStart: true,
  optional: [
    ILayoutRestorer,
    ITranslator,
    IStatusBar,
    ICommandPalette,
    ISettingRegistry,
    IStateDB,
    IRouter,
    IDocumentManager,
    IFileBrowserFactory
  ],
  activate: (
    app: JupyterFrontEnd,
    restorer: ILayoutRestorer | null,
    translator: ITranslator | null,
    statusBar: IStatusBar | null,
    palette: ICommandPalette | null,
    settings: ISettingRegistry | null,
    state: IStateDB | null,
    router: IRouter | null,
    documents: IDocumentManager | null,
    fileBrowsers: IFileBrowserFactory | null
  ) => {
    const trans = (translator ?? nullTranslator).load('jupyter_wherobots');
    const { serviceManager, commands, docRegistry, shell } = app;
    const api = new StorageApi(serviceManager.serverSettings, trans);

    const browser = new BrowserModel(api);
    const status = new StatusModel(api);
    const jobs = new JobList(api, trans);
    const notice = new Notice();
    const transfers = new TransferQueue(
      api,
      () => status.status?.limits.oneShotBytes ?? ONE_SHOT
    );

    const drive = new StorageDrive(api, trans, question =>
      ask(trans.__('Save?'), question, trans.__('Save'))
    );
    drive.saved.connect((_, entry) => browser.appeared(entry));
    serviceManager.contents.addDrive(drive);
    const place = new PlaceExtension(path => status.uriOf(path), trans);
    for (const factory of ['Notebook', 'Editor']) {
      docRegistry.addWidgetExtension(factory, place);
    }

    let openLimit = OPEN_LIMIT;
    void settings?.load(PLUGIN_ID).then(loaded => {
      const read = (): void => {
        openLimit = (loaded.get('openLimit').composite as number) * 2 ** 20;
      };
      loaded.changed.connect(read);
      read();
    });

    const openDocument = (path: string, asText: boolean): void => {
      const opened = commands.execute('docmanager:open', {
        path: `${DRIVE}:${path.slice(1)}`,
        ...(asText ? { factory: 'Editor' } : {})
      });
      // JupyterLab itself says nothing.
      opened.catch((reason: unknown) => {
        browser.invalidate(parentOf(path)); // perhaps it is gone
        const title = trans.__('“%1” was not opened', nameOf(path));
        void showFailure(title, reason, path);
      });
    };
    const actions = new Actions({
      api,
      browser,
      status,
      notice,
      downloads: new Downloads({ api, notice, trans }),
      trans,
      isKnownType: name => docRegistry.getFileTypesForPath(name).length > 0,
      openDocument,
      insertText: text => insertText(shell.currentWidget, text),
      openLimit: () => openLimit
    });
    const whereabouts = new Whereabouts({ jobs, status, notice, trans });
    const changes = new Changes({
      api,
      browser,
      status,
      jobs,
      whereabouts,
      notice,
      trans,
      show: () => void commands.execute(CommandIDs.show)
    });
    const uploads = new Uploads({
      api,
      browser,
      status,
      transfers,
      trans,
      whyNotWritable: () => actions.whyNotWritable()
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
    const openFolderMenu = (
      paths: readonly string[],
      button: HTMLElement
    ): void => {
      const menu = new Menu({ commands });
      // It takes the focus, and would leave it nowhere.
      menu.aboutToClose.connect(() => button.focus());
      for (const path of paths) {
        menu.addItem({ command: CommandIDs.go, args: { path } });
      }
      const { left, bottom } = button.getBoundingClientRect();
      menu.open(left, bottom);
    };

    const panel = new StoragePanel({
      browser,
      status,
      transfers,
      jobs,
      notice,
      actions,
      changes,
      whereabouts,
      uploads,
      trans,
      iconOf,
      openFolderMenu
    });
    // A menu takes the focus, and leaves it nowhere when it closes.
    let menuIsOurs = false;
    document.addEventListener(
      'contextmenu',
      event => {
        menuIsOurs = panel.node.contains(event.target as Node);
      },
      true
    );
    document.addEventListener(
      'drop',
      event => {
        const paths = event.dataTransfer?.getData(ROWS);
        if (paths && insertDropped(shell.widgets('main'), event, paths)) {
          event.preventDefault();
          event.stopPropagation();
        }
      },
      true
    );
    app.contextMenu.menu.aboutToClose.connect(() => {
      if (menuIsOurs) {
        panel.grid?.focus();
      }
    });
    shell.add(panel, 'left', { rank: 102, type: 'Managed Storage' });
    restorer?.add(panel, panel.id);
    const whyNotWritable = (): string | null => actions.whyNotWritable();
    const link =
      fileBrowsers &&
      new FileBrowserLink({
        app,
        factory: fileBrowsers,
        panel,
        browser,
        changes,
        jobs,
        status,
        notice,
        trans,
        whyNotWritable
      });
    addCommands({
      app,
      palette,
      panelId: PANEL_ID,
      browser,
      status,
      actions,
      changes,
      uploads,
      trans,
      homeFolder: () => link?.homeFolder ?? ''
    });
    if (state) {
      void rememberPlace(browser, state, app.restored);
    }
    if (router) {
      routePlace(router, commands, app.restored);
    }

    const unsaved = documents && new UnsavedDocuments(shell, documents);
    addHomeSync({ app, api, status, changes, unsaved, trans, openDocument });
    statusBar?.registerStatusItem('jupyter-wherobots:saved', {
      item: new SavedItem({
        status,
        unsaved,
        trans,
        open: () => void commands.execute(CommandIDs.showSync)
      }),
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
