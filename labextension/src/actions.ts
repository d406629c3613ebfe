/**
 * What a person can do in the panel without changing anything: go, open, copy paths, download. Buttons, keys and commands
 * all end here.
 */
import { Clipboard } from '@jupyterlab/apputils';
import type { TranslationBundle } from '@jupyterlab/translation';
import type { StorageApi } from './rest/api';
import type { IEntry } from './rest/shapes';
import { expressionOf } from './code';
import { amount, ask, askInstead, showFailure } from './dialogs';
import type { Downloads } from './downloads';
import type { BrowserModel } from './model/browser';
import type { Notice } from './model/notice';
import { keyOf } from './model/paths';
import type { StatusModel } from './model/status';
import { isText, openingOf, SNIFFED } from './opening';
import { linkTo } from './restoring';
import { formatBytes, formatNumber } from './view/format';

/** A zip larger than this is asked about first. */
const LARGE_ZIP = 2 ** 30;

/** What the actions work on. */
export interface IActionsOptions {
  api: StorageApi;
  browser: BrowserModel;
  status: StatusModel;
  notice: Notice;
  downloads: Downloads;
  trans: TranslationBundle;
  /** Whether JupyterLab has a file type for a name. */
  isKnownType: (name: string) => boolean;
  /** Open a document of the drive; as text where JupyterLab does not know the type. */
  openDocument: (path: string, asText: boolean) => void;
  /** Insert text where the cursor is in the open notebook or editor; false if there is none. */
  insertText: (text: string) => boolean;
  /** The largest file that is opened, in bytes. */
  openLimit: () => number;
}

export class Actions {
  constructor(private readonly options: IActionsOptions) {}

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
  async open(entry: IEntry): Promise<void> {
    const { browser } = this.options;
    const key = keyOf(entry);
    if (browser.underway.has(key)) {
      return;
    }
    if (entry.type === 'FOLDER') {
      browser.go(entry.path);
      return;
    }
    browser.underway.add(key);
    try {
      await this._openFile(entry);
    } finally {
      browser.underway.delete(key);
    }
  }

  private async _openFile(entry: IEntry): Promise<void> {
    const { api, notice, openDocument, trans } = this.options;
    const limit = this.options.openLimit();
    const known = this.options.isKnownType(entry.name);
    let opening = openingOf(entry, known, limit);
    if (opening === 'open' || opening === 'look') {
      notice.show(trans.__('Opening'), entry.name);
    }
    if (opening === 'look') {
      try {
        const { body } =
          entry.size === 0
            ? { body: new ArrayBuffer(0) }
            : await api.read(entry.path, SNIFFED);
        opening = isText(body) ? 'open' : 'unknown';
      } catch (reason) {
        const title = trans.__('“%1” was not opened', entry.name);
        await showFailure(title, reason, entry.path);
        return;
      }
    }
    if (opening === 'open') {
      openDocument(entry.path, !known);
      return;
    }
    const why = {
      'too-large': trans.__(
        'It has %1; JupyterLab would take all of it into the page at once, so files over %2 are not opened.',
        formatBytes(entry.size ?? 0),
        formatBytes(limit)
      ),
      unreachable: trans.__(
        'Its name has an empty part or dots between slashes, which JupyterLab cannot address.'
      ),
      unknown: trans.__('JupyterLab has no viewer for this kind of file.')
    }[opening];
    const instead = await askInstead(entry, why, trans);
    if (instead === 'download') {
      await this.download([entry]);
    } else if (instead === 'code') {
      this.copyCode([entry]);
    }
  }

  /** Put the s3:// paths into the clipboard, one a line. */
  copy(entries: readonly IEntry[]): void {
    this._copy(entries, entry => entry.uri);
  }

  /** Put the paths into the clipboard as Python, relative to the variables of every kernel. */
  copyCode(entries: readonly IEntry[]): void {
    this._copy(entries, entry => this._code(entry));
  }

  /** Put a link into the clipboard that opens the panel at this entry. */
  copyLink(entry: IEntry): void {
    const link = linkTo(entry.path);
    Clipboard.copyToSystem(link);
    this.options.notice.show(this.options.trans.__('Copied'), link);
  }

  /** Insert the paths, as code, into the notebook or editor that is open. */
  insert(entries: readonly IEntry[]): void {
    const { insertText, notice, trans } = this.options;
    const text = entries.map(entry => this._code(entry)).join('\n');
    if (insertText(text)) {
      notice.show(trans.__('Inserted'), text);
    } else {
      notice.show(trans.__('Open a notebook or a text file to insert into.'));
    }
  }

  /** Let the browser download a file, or several things as one zip. */
  async download(entries: readonly IEntry[]): Promise<void> {
    const { api, downloads, notice, trans } = this.options;
    const [first] = entries;
    if (!first) {
      return;
    }
    const paths = entries.map(entry => entry.path);
    notice.show(trans.__('Preparing the download…'));
    try {
      if (entries.length === 1 && first.type === 'FILE') {
        // What cannot be downloaded is said here, not left to the browser's list of downloads.
        await api.stat(first.path, 'FILE');
        downloads.file(first.path, first.name);
        return;
      }
      const measure = await api.measure(entries);
      const much = !measure.complete || measure.bytes > LARGE_ZIP;
      const question = trans.__('The zip holds %1.', amount(measure, trans));
      if (
        !much ||
        (await ask(
          trans.__('Download as zip?'),
          question,
          trans.__('Download'),
          true
        ))
      ) {
        const title =
          entries.length === 1
            ? trans.__('“%1”', first.name)
            : trans.__('%1 items', formatNumber(entries.length));
        downloads.zip(paths, title);
      }
    } catch (reason) {
      const title = trans.__('The download did not begin');
      await showFailure(title, reason, first.path);
    }
  }

  refresh(): void {
    void this.options.status.refresh();
    void this.options.browser.refresh();
  }

  private _code(entry: IEntry): string {
    const { status } = this.options;
    return expressionOf(entry.uri, status.status?.environment ?? {});
  }

  private _copy(
    entries: readonly IEntry[],
    text: (entry: IEntry) => string
  ): void {
    const { notice, trans } = this.options;
    const lines = entries.map(text);
    Clipboard.copyToSystem(lines.join('\n'));
    const keys = entries.map(keyOf);
    if (lines.length === 1) {
      notice.show(trans.__('Copied'), lines[0], keys);
    } else {
      notice.show(trans.__('Copied %1 paths', lines.length), '', keys);
    }
  }
}
