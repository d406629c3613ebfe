/**
 * Files that come from this computer: chosen, dropped or pasted.
 */
import { showErrorMessage } from '@jupyterlab/apputils';
import type { TranslationBundle } from '@jupyterlab/translation';
import type { StorageApi } from './rest/api';
import { asApiError } from './rest/errors';
import { ask, showFailure } from './dialogs';
import type { BrowserModel } from './model/browser';
import type { StatusModel } from './model/status';
import type { Transfer } from './model/transfer';
import type { TransferQueue } from './model/transfers';
import { Claims } from './claims';
import { formatNumber, visible } from './view/format';

/** So many names of files that could not be read are said. */
const NAMED = 5;

/** A file, and where it goes below the folder: a name, or a path with slashes. */
export interface IIncoming {
  file: File;
  name: string;
}

export interface IUploadsOptions {
  api: StorageApi;
  browser: BrowserModel;
  status: StatusModel;
  transfers: TransferQueue;
  trans: TranslationBundle;
  whyNotWritable: () => string | null;
}

export class Uploads {
  constructor(private readonly options: IUploadsOptions) {
    options.transfers.arrived.connect((_, entry) => {
      options.browser.appeared(entry);
    });
    options.transfers.changed.connect(queue => {
      const ours = queue.open.filter(item => item.file && item.session);
      this._claims.hold(ours.map(item => item.session!.id));
    });
  }

  /** The input behind the upload button. */
  setInput(element: HTMLInputElement | null): void {
    this._input = element;
  }

  chooseFiles(): void {
    this._input?.click();
  }

  /** Ask for a folder of this computer, and upload it with everything below it. */
  chooseFolder(): void {
    const input = document.createElement('input');
    input.type = 'file';
    input.webkitdirectory = true;
    input.onchange = () => {
      const files = Array.from(input.files ?? []);
      void this.add(
        files.map(file => ({
          file,
          name: file.webkitRelativePath || file.name
        }))
      );
    };
    input.click();
  }

  /** Upload files into the folder shown. */
  async addFiles(files: Iterable<File>): Promise<void> {
    await this.add(Array.from(files, file => ({ file, name: file.name })));
  }

  /** Upload what was dropped: files, and folders with all that is in them. */
  async addDropped(
    data: DataTransfer,
    folder = this.options.browser.path
  ): Promise<void> {
    // Read at once: the list is empty as soon as the event is over.
    const entries = Array.from(data.items, item =>
      item.kind === 'file' ? item.webkitGetAsEntry() : null
    ).filter(entry => entry !== null);
    const files = Array.from(data.files);
    if (entries.length === 0) {
      await this.add(
        files.map(file => ({ file, name: file.name })),
        folder
      );
      return;
    }
    const { trans } = this.options;
    const dropped: IDropped = { files: [], empty: [], unreadable: [] };
    for (const entry of entries) {
      await collect(entry, '', dropped);
    }
    await this.add(dropped.files, folder, dropped.empty);
    const { unreadable } = dropped;
    if (unreadable.length > 0) {
      const names = unreadable.slice(0, NAMED).map(visible);
      if (unreadable.length > NAMED) {
        names.push(trans.__('and %1 more', unreadable.length - NAMED));
      }
      await showErrorMessage(
        trans.__('Not everything was uploaded'),
        trans.__(
          'These cannot be read on this computer; see whether they are there, and whether you may read them: %1',
          names.join(', ')
        )
      );
    }
  }

  /** Upload into a folder; `empty` are folders in which there is nothing. */
  async add(
    incoming: readonly IIncoming[],
    folder = this.options.browser.path,
    empty: readonly string[] = []
  ): Promise<void> {
    const { api, browser, transfers, trans } = this.options;
    if (incoming.length === 0 && empty.length === 0) {
      return;
    }
    const why = folder === browser.path ? this.options.whyNotWritable() : null;
    if (why !== null) {
      const where = trans.__('Your own folder and the shared one take files.');
      const title = trans.__('Nothing was uploaded');
      await showErrorMessage(title, `${why} ${where}`);
      return;
    }
    const confirm = await this._confirmed(folder);
    if (confirm === null) {
      return;
    }
    for (const { file, name } of incoming) {
      transfers.add(file, folder + name, confirm);
    }
    for (const name of empty) {
      try {
        browser.appeared(await api.createFolder(`${folder}${name}/`, confirm));
      } catch (reason) {
        if (asApiError(reason, null).code !== 'AlreadyExists') {
          const title = trans.__('A folder was not created');
          await showFailure(title, reason, folder + name);
        }
      }
    }
  }

  /** Ask for the file of an interrupted upload, and go on with it. */
  chooseAgain(item: Transfer): void {
    const input = document.createElement('input');
    input.type = 'file';
    input.onchange = () => {
      const file = input.files?.[0];
      if (file) {
        void this._continue(item, file);
      }
    };
    input.click();
  }

  /** Stop everything that goes, waits or is paused, if that is meant. */
  async cancelAll(): Promise<void> {
    const { transfers, trans } = this.options;
    const meant = await ask(
      trans.__('Stop %1 uploads?', formatNumber(transfers.stoppable.length)),
      trans.__('Files that have arrived stay.'),
      trans.__('Stop them')
    );
    if (meant) {
      transfers.cancel(...transfers.stoppable);
    }
  }

  /** Show what an earlier page left unfinished. */
  async recall(): Promise<void> {
    try {
      const { uploads } = await this.options.api.uploads();
      // Those that another tab of this browser sends are not unfinished business of anybody.
      const held = await this._claims.all();
      this.options.transfers.recall(
        uploads.filter(session => !held.has(session.id))
      );
    } catch (reason) {
      // Not what anybody asked for; the panel itself says if the storage cannot be reached.
      console.warn('Unfinished uploads are not known', reason);
    }
  }

  private async _continue(item: Transfer, file: File): Promise<void> {
    const { transfers, trans } = this.options;
    if (!transfers.matches(item, file)) {
      await showErrorMessage(
        trans.__('This is not the same file'),
        trans.__(
          'The upload was begun with another version of “%1” (name, size or date differ). Cancel it and upload the file anew.',
          item.name
        )
      );
      return;
    }
    transfers.add(file, item.path);
  }

  /** True: asked and meant; false: nobody had to be asked; null: not meant. */
  private async _confirmed(folder: string): Promise<boolean | null> {
    const { status, trans } = this.options;
    const question = status.rootOf(folder)?.confirmation;
    if (!question) {
      return false;
    }
    const title = trans.__('Upload into %1?', folder);
    return (await ask(title, question, trans.__('Upload'))) ? true : null;
  }

  private _input: HTMLInputElement | null = null;
  private readonly _claims = new Claims();
}

/** What was dropped, by names relative to it. */
interface IDropped {
  files: IIncoming[];
  /** Folders in which there is nothing. */
  empty: string[];
  unreadable: string[];
}

/** Everything in a dropped file or folder. What cannot be read keeps nothing else from being found. */
async function collect(
  entry: FileSystemEntry,
  prefix: string,
  dropped: IDropped
): Promise<void> {
  const name = prefix + entry.name;
  try {
    if (entry.isFile) {
      const file = await new Promise<File>((resolve, reject) =>
        (entry as FileSystemFileEntry).file(resolve, reject)
      );
      dropped.files.push({ file, name });
      return;
    }
    const reader = (entry as FileSystemDirectoryEntry).createReader();
    let any = false;
    for (;;) {
      // Gives a hundred at a time, and an empty list at the end.
      const batch = await new Promise<FileSystemEntry[]>((resolve, reject) =>
        reader.readEntries(resolve, reject)
      );
      if (batch.length === 0) {
        break;
      }
      any = true;
      for (const each of batch) {
        await collect(each, `${name}/`, dropped);
      }
    }
    if (!any) {
      dropped.empty.push(name);
    }
  } catch {
    dropped.unreadable.push(name);
  }
}
