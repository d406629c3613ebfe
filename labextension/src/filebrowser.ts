/**
 * Between JupyterLab's own file browser and the panel: files dragged from one to the other are copied by the server, and files
 * of home are shared from the file browser's menu.
 */
import type { JupyterFrontEnd } from '@jupyterlab/application';
import { PageConfig } from '@jupyterlab/coreutils';
import type { IFileBrowserFactory } from '@jupyterlab/filebrowser';
import type { Contents } from '@jupyterlab/services';
import type { TranslationBundle } from '@jupyterlab/translation';
import type { Drag } from '@lumino/dragdrop';
import type { Changes } from './changes';
import { CommandIDs } from './commandids';
import { HomePaths } from './home';
import type { BrowserModel } from './model/browser';
import type { JobList } from './model/jobs';
import type { Notice } from './model/notice';
import type { StatusModel } from './model/status';
import { ROWS } from './view/dropping';
import type { StoragePanel } from './view/panel';

/** What JupyterLab's file browser gives to those on which its files are dropped: a list of paths. */
const CONTENTS = 'application/x-jupyter-icontents';

export interface IFileBrowserOptions {
  app: JupyterFrontEnd;
  factory: IFileBrowserFactory;
  panel: StoragePanel;
  browser: BrowserModel;
  changes: Changes;
  jobs: JobList;
  status: StatusModel;
  notice: Notice;
  trans: TranslationBundle;
  whyNotWritable: () => string | null;
}

export class FileBrowserLink {
  constructor(private readonly options: IFileBrowserOptions) {
    this._acceptFiles();
    this._giveRows();
    this._addCommands();
    options.jobs.ended.connect((_, job) => {
      if (job.kind === 'storage-to-home') {
        void this._current?.model.refresh();
      }
    });
  }

  /** The folder of home that the file browser shows, relative to home; home itself if it shows something else. */
  get homeFolder(): string {
    const path = this._current?.model.path;
    return (path !== undefined && this._toHome(path)) || '';
  }

  private get _current(): IFileBrowserFactory['tracker']['currentWidget'] {
    return this.options.factory.tracker.currentWidget;
  }

  /** A path of JupyterLab, relative to home; null if it is not in home, or on a drive of its own. */
  private _toHome(path: string): string | null {
    const { contents } = this.options.app.serviceManager;
    if (contents.driveName(path) !== '') {
      return null;
    }
    const root = PageConfig.getOption('serverRoot');
    const home = this.options.status.status?.home ?? null;
    return new HomePaths(root, home).toHome(path);
  }

  private _homePaths(paths: readonly string[]): string[] {
    return paths.map(path => this._toHome(path)).filter(path => path !== null);
  }

  /** Files of the file browser, dropped on the panel, are copied into the folder it shows. */
  private _acceptFiles(): void {
    const { panel, browser, changes, notice, trans } = this.options;
    const { node } = panel;
    const target = (event: Drag.Event): string | null => {
      const row = (event.target as Element).closest<HTMLElement>(
        '[data-type=FOLDER]'
      );
      const entry = row && browser.rows[Number(row.dataset['index'])];
      if (entry) {
        return entry.uploadProtected ? null : entry.path;
      }
      return this.options.whyNotWritable() === null ? browser.path : null;
    };
    const over = (given: Event): void => {
      const event = given as Drag.Event;
      if (!event.mimeData.hasData(CONTENTS)) {
        return;
      }
      event.preventDefault();
      event.stopPropagation();
      // It is a copy, but the file browser offers moves alone, and nothing else would be let through.
      event.dropAction = target(event) === null ? 'none' : event.proposedAction;
      node.classList.toggle(
        'jp-mod-dropTarget',
        event.type !== 'lm-dragleave' && event.dropAction !== 'none'
      );
    };
    for (const type of ['lm-dragenter', 'lm-dragover', 'lm-dragleave']) {
      node.addEventListener(type, over);
    }
    node.addEventListener('lm-drop', given => {
      const event = given as Drag.Event;
      if (!event.mimeData.hasData(CONTENTS)) {
        return;
      }
      event.preventDefault();
      event.stopPropagation();
      node.classList.remove('jp-mod-dropTarget');
      const folder = target(event);
      const paths = this._homePaths(
        event.mimeData.getData(CONTENTS) as string[]
      );
      if (folder === null || paths.length === 0) {
        event.dropAction = 'none';
        notice.show(
          (folder === null ? this.options.whyNotWritable() : null) ??
            trans.__('Only files of home can be copied from here.')
        );
        return;
      }
      event.dropAction = event.proposedAction;
      void changes.fromHome(paths, folder);
    });
  }

  /** Rows of the panel, dropped on the file browser, are copied into the folder it shows. */
  private _giveRows(): void {
    const { changes } = this.options;
    const mine = (event: DragEvent): Element | null =>
      event.dataTransfer?.types.includes(ROWS)
        ? (event.target as Element).closest('.jp-DirListing')
        : null;
    // In the capture phase: the file browser takes every drop for an upload.
    document.addEventListener(
      'dragover',
      event => {
        if (mine(event)) {
          event.preventDefault();
          event.stopPropagation();
          event.dataTransfer!.dropEffect = 'copy';
        }
      },
      true
    );
    document.addEventListener(
      'drop',
      event => {
        if (mine(event) && changes.dragged) {
          event.preventDefault();
          event.stopPropagation();
          // As far as the file browser is concerned: it would show for ever that something can be dropped.
          const leave = new DragEvent('dragleave', { bubbles: true });
          event.target!.dispatchEvent(leave);
          void changes.toHome(changes.dragged, this.homeFolder);
        }
      },
      true
    );
  }

  private _addCommands(): void {
    const { app, browser, changes, status, trans } = this.options;
    const selected = (): string[] => {
      const items = this._current?.selectedItems() ?? [];
      return this._homePaths(
        Array.from(items as Iterable<Contents.IModel>, item => item.path)
      );
    };
    app.commands.addCommand(CommandIDs.shareFromHome, {
      label: trans.__('Share a Copy in Managed Storage'),
      caption: () => status.sharedRoot?.path ?? '',
      isVisible: () => status.sharedRoot !== null && selected().length > 0,
      execute: () => changes.shareFromHome(selected())
    });
    app.commands.addCommand(CommandIDs.copyFromHome, {
      label: trans.__('Copy to Managed Storage'),
      caption: () => trans.__('Into %1, which the panel shows', browser.path),
      isVisible: () =>
        this.options.whyNotWritable() === null && selected().length > 0,
      execute: () => changes.fromHome(selected(), browser.path)
    });
  }
}
