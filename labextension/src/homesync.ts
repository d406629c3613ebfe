/**
 * The tab that shows the home directory and S3: its command, and what its buttons reach.
 */
import type { JupyterFrontEnd } from '@jupyterlab/application';
import { MainAreaWidget, showErrorMessage } from '@jupyterlab/apputils';
import { PageConfig } from '@jupyterlab/coreutils';
import type { TranslationBundle } from '@jupyterlab/translation';
import type { StorageApi } from './rest/api';
import { asApiError } from './rest/errors';
import type { Changes } from './changes';
import { CommandIDs } from './commandids';
import { ask } from './dialogs';
import { HomePaths } from './home';
import { HomeSyncModel } from './model/homesync';
import type { StatusModel } from './model/status';
import type { UnsavedDocuments } from './unsaved';
import { storageIcon } from './view/icons';
import { HomeSyncWidget } from './view/homesync';

export interface IHomeSyncOptions {
  app: JupyterFrontEnd;
  api: StorageApi;
  status: StatusModel;
  changes: Changes;
  unsaved: UnsavedDocuments | null;
  trans: TranslationBundle;
  openDocument: (path: string, asText: boolean) => void;
}

export function addHomeSync(options: IHomeSyncOptions): void {
  const { app, api, status, changes, unsaved, trans } = options;
  const { commands, shell } = app;
  const model = new HomeSyncModel(
    api,
    status,
    () => unsaved?.save() ?? Promise.resolve()
  );
  let widget: MainAreaWidget | null = null;

  const openLocal = (path: string): void => {
    const root = PageConfig.getOption('serverRoot');
    const lab = new HomePaths(root, status.status?.home ?? null).toLab(path);
    const title = trans.__('“%1” was not opened', path);
    if (lab === null) {
      void showErrorMessage(
        title,
        trans.__(
          'It lies outside of the folder that JupyterLab shows. A terminal reaches it.'
        )
      );
      return;
    }
    // JupyterLab itself says nothing.
    commands
      .execute('docmanager:open', { path: lab })
      .catch((reason: unknown) => {
        const hidden = lab.split('/').some(each => each.startsWith('.'));
        const why = hidden
          ? trans.__(
              'JupyterLab does not open hidden files. A terminal reaches it.'
            )
          : asApiError(reason, path).message;
        void showErrorMessage(title, why);
      });
  };
  /** A file of home as a file of the storage; only the 2024 layout shows it. */
  const remote = (path: string): string | null => {
    const root = status.homeRoot;
    return root && root.path + path;
  };

  const takeOver = async (): Promise<void> => {
    const meant = await ask(
      trans.__('Take over from the other instance?'),
      trans.__(
        'From now on this server saves your home in full, changes and deletions too. The other one (%1) then only adds new files: what is changed or deleted there is not saved any more. Take over if it is gone, or if you do not work there any more.',
        status.sync?.lease.holder ?? ''
      ),
      trans.__('Take over')
    );
    if (meant) {
      await model.takeOver();
    }
  };

  commands.addCommand(CommandIDs.showSync, {
    label: trans.__('Show What of Home Is Saved'),
    execute: async () => {
      await status.refresh();
      if (!widget || widget.isDisposed) {
        const content = new HomeSyncWidget({
          model,
          status,
          unsaved,
          trans,
          openLocal,
          openRemote: path => {
            const at = remote(path);
            if (at !== null) {
              options.openDocument(at, false);
            }
          },
          bringHere: path => {
            const at = remote(path);
            if (at !== null) {
              void changes.bringHome(at, path).then(begun => {
                if (begun) {
                  model.settle(path);
                }
              });
            }
          },
          takeOver: () => void takeOver()
        });
        widget = new MainAreaWidget({ content });
        widget.id = 'jupyter-wherobots-home';
        widget.title.label = trans.__('Home Directory');
        widget.title.icon = storageIcon;
        widget.title.closable = true;
        widget.toolbar.hide(); // there is nothing in it
      }
      if (!widget.isAttached) {
        shell.add(widget, 'main');
      }
      shell.activateById(widget.id);
    }
  });
}
