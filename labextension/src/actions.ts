/**
 * What a person can do in the panel. Buttons, keys and commands all end here.
 */
import {
  Clipboard,
  Dialog,
  showDialog,
  showErrorMessage
} from '@jupyterlab/apputils';
import type { TranslationBundle } from '@jupyterlab/translation';
import type { IEntry, StorageApi } from './api';
import { asApiError } from './api';
import type { BrowserModel, INaming } from './model/browser';
import type { Notice } from './model/notice';
import { keyOf } from './model/paths';
import type { StatusModel } from './model/status';
import type { Transfer, TransferQueue } from './model/transfers';

/** What the actions work on. */
export interface IActionsOptions {
  api: StorageApi;
  browser: BrowserModel;
  status: StatusModel;
  transfers: TransferQueue;
  notice: Notice;
  trans: TranslationBundle;
  /** Put the keyboard into the list. */
  focusList(): void;
}

export class Actions {
  constructor(private readonly options: IActionsOptions) {
    options.transfers.arrived.connect((_, entry) => {
      options.browser.appeared(entry);
    });
  }

  /** Why nothing can be put into the folder shown, in words; null if it can. */
  whyNotWritable(): string | null {
    const { browser, trans } = this.options;
    const { facts } = browser.folder;
    if (facts === null) {
      return (
        browser.error?.message ?? trans.__('The folder has not been read yet.')
      );
    }
    return facts.uploadProtected
      ? (facts.reason ?? trans.__('This folder is read-only.'))
      : null;
  }

  /** Go into a folder, or open a file. */
  open(entry: IEntry): void {
    if (entry.type === 'FOLDER') {
      this.options.browser.go(entry.path);
    } else {
      this.download([entry]);
    }
  }

  /** Put the s3:// paths into the clipboard, one a line. */
  copy(entries: readonly IEntry[]): void {
    const { notice, trans } = this.options;
    const uris = entries.map(entry => entry.uri);
    Clipboard.copyToSystem(uris.join('\n'));
    const keys = entries.map(keyOf);
    if (uris.length === 1) {
      notice.show(trans.__('Copied'), uris[0], keys);
    } else {
      notice.show(trans.__('Copied %1 paths', uris.length), '', keys);
    }
  }

  /** Let the browser download files. */
  download(entries: readonly IEntry[]): void {
    for (const entry of entries) {
      const link = document.createElement('a');
      link.href = this.options.api.url('storage/file', { path: entry.path });
      link.download = entry.name;
      link.click();
    }
  }

  refresh(): void {
    void this.options.status.refresh();
    void this.options.browser.refresh();
  }

  focusList(): void {
    this.options.focusList();
  }

  /** The input behind the upload button. */
  setFileInput(element: HTMLInputElement | null): void {
    this._fileInput = element;
  }

  chooseFiles(): void {
    this._fileInput?.click();
  }

  /** Upload into the folder shown. */
  async upload(files: readonly File[]): Promise<void> {
    const { browser, transfers } = this.options;
    const folder = browser.path;
    if (files.length === 0 || this.whyNotWritable() !== null) {
      return;
    }
    const confirm = await this._confirmed();
    if (confirm === null) {
      return;
    }
    for (const file of files) {
      transfers.add(file, folder + file.name, confirm);
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

  /** Take the name that was typed: make the folder, or rename. */
  async finishNaming(naming: INaming, name: string): Promise<void> {
    if (naming.path === null) {
      await this._createFolder(name);
    }
  }

  private async _createFolder(name: string): Promise<void> {
    const { api, browser, trans } = this.options;
    const path = `${browser.path}${name}/`;
    const confirm = await this._confirmed();
    if (confirm === null) {
      return;
    }
    try {
      const entry = await api.createFolder(path, confirm);
      browser.appeared(entry);
      browser.selection.only(keyOf(entry));
    } catch (reason) {
      await this._failed(trans.__('The folder was not created'), reason, path);
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
    const confirm = await this._confirmed();
    if (confirm !== null) {
      transfers.add(file, item.path, confirm);
    }
  }

  /**
   * Ask, where the folder shown wants to be asked before a change. True: asked and meant; false: nobody had to be asked;
   * null: not meant.
   */
  private async _confirmed(): Promise<boolean | null> {
    const { browser, trans } = this.options;
    const question = browser.folder.facts?.confirmation;
    if (!question) {
      return false;
    }
    const { button } = await showDialog({
      title: trans.__('Change %1?', browser.path),
      body: question,
      buttons: [
        Dialog.cancelButton(),
        Dialog.warnButton({ label: trans.__('Change it') })
      ],
      defaultButton: 0
    });
    return button.accept ? true : null;
  }

  private async _failed(
    title: string,
    reason: unknown,
    path: string
  ): Promise<void> {
    const error = asApiError(reason, path);
    await showErrorMessage(title, [error.message, error.hint].join(' ').trim());
  }

  private _fileInput: HTMLInputElement | null = null;
}
