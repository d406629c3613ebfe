/**
 * What changes the storage: folders, names, deletes, copies, moves, and copies between home and storage.
 */
import { Clipboard, showErrorMessage } from '@jupyterlab/apputils';
import type { TranslationBundle } from '@jupyterlab/translation';
import type { StorageApi } from './rest/api';
import type { IEntry, IItem, IJob, JobRequest } from './rest/shapes';
import { ask, askDelete, showFailure } from './dialogs';
import type { BrowserModel, INaming } from './model/browser';
import { isOver } from './model/jobs';
import type { JobList } from './model/jobs';
import type { Notice } from './model/notice';
import { keyOf, nameOf, parentOf } from './model/paths';
import type { StatusModel } from './model/status';

export interface IChangesOptions {
  api: StorageApi;
  browser: BrowserModel;
  status: StatusModel;
  jobs: JobList;
  notice: Notice;
  trans: TranslationBundle;
}

/** Entries that were cut or copied, to be pasted into another folder. */
interface IHeld {
  entries: readonly IEntry[];
  cut: boolean;
  /** What went into the system's clipboard with them: pasting is about them only while it is still there. */
  text: string;
}

export class Changes {
  constructor(private readonly options: IChangesOptions) {
    options.jobs.ended.connect((_, job) => this._showResult(job));
  }

  /** Why these cannot be deleted, renamed or moved, in words; null if they can. */
  whyNotChangeable(entries: readonly IEntry[]): string | null {
    const { trans } = this.options;
    const locked = entries.find(entry => entry.mutateProtected);
    return locked
      ? (locked.reason ?? trans.__('%1 is read-only.', locked.path))
      : null;
  }

  /** Take the name that was typed: make the folder, or rename. */
  async finishNaming(naming: INaming, name: string): Promise<void> {
    if (naming.path === null) {
      await this._createFolder(name);
      return;
    }
    const entry = this.options.browser.rows.find(
      each => each.path === naming.path
    );
    if (entry) {
      await this._rename(entry, name);
    }
  }

  /** Delete for good, after saying how much it is. */
  async delete(entries: readonly IEntry[]): Promise<void> {
    const { api, status, trans } = this.options;
    if (entries.length === 0 || !(await this._allowed(entries))) {
      return;
    }
    const counting = new AbortController();
    const measured = entries.every(entry => entry.type === 'FILE')
      ? Promise.resolve({
          objects: entries.length,
          bytes: entries.reduce((sum, entry) => sum + (entry.size ?? 0), 0),
          complete: true
        })
      : api.measure(
          entries.map(entry => entry.path),
          counting.signal
        );
    measured.catch(() => undefined); // the dialog says it
    const warning = status.rootOf(entries[0]!.path)?.confirmation ?? null;
    const meant = await askDelete({ entries, warning, measured, trans });
    counting.abort();
    if (meant) {
      const items = entries.map(exactly);
      await this._begin({ kind: 'delete', items, confirm: warning !== null });
    }
  }

  /** The rows that are being dragged, or null. */
  dragged: readonly IEntry[] | null = null;

  /** Whether the dragged rows can be dropped on a folder: not where they are, nor into themselves. */
  canMoveTo(folder: string): boolean {
    const rows = this.dragged;
    return (
      rows !== null &&
      this.whyNotChangeable(rows) === null &&
      rows.every(
        row => parentOf(row.path) !== folder && !folder.startsWith(row.path)
      )
    );
  }

  get held(): IHeld | null {
    return this._held;
  }

  /** Remember entries, to be copied (or, cut, to be moved) by a paste. */
  hold(entries: readonly IEntry[], cut: boolean): void {
    const { notice, trans } = this.options;
    const text = entries.map(entry => entry.uri).join('\n');
    this._held = { entries, cut, text };
    if (cut) {
      Clipboard.copyToSystem(text);
      notice.show(
        trans.__('Cut; paste it into another folder to move it.'),
        '',
        entries.map(keyOf)
      );
    }
  }

  /** Copy or move into the folder shown what was copied or cut. */
  async paste(): Promise<void> {
    const held = this._held;
    if (held) {
      this._held = held.cut ? null : held;
      const kind = held.cut ? 'move' : 'copy';
      await this.transfer(kind, held.entries, this.options.browser.path);
    }
  }

  /** Copy or move entries into a folder. */
  async transfer(
    kind: 'copy' | 'move',
    entries: readonly IEntry[],
    destination: string
  ): Promise<void> {
    const here = entries.every(entry => parentOf(entry.path) === destination);
    if (kind === 'move' && (here || !(await this._allowed(entries)))) {
      return;
    }
    const confirm = await this._confirmed(
      kind === 'move'
        ? [destination, ...entries.map(entry => entry.path)]
        : [destination]
    );
    if (confirm !== null) {
      const items = entries.map(kind === 'move' ? exactly : loosely);
      // Pasted where it lies, a copy cannot have the same name.
      const conflict = here ? 'keep-both' : 'fail';
      await this._begin({ kind, items, destination, conflict, confirm });
    }
  }

  /** Put copies into the folder shared with everybody, and their paths into the clipboard. */
  async share(entries: readonly IEntry[]): Promise<void> {
    const { status } = this.options;
    const shared = status.sharedRoot;
    if (shared) {
      this._copyShared(entries.map(entry => entry.name + slash(entry)));
      await this.transfer('copy', entries, shared.path);
    }
  }

  /** Put copies of files of home into the folder shared with everybody. `paths` are relative to home. */
  async shareFromHome(paths: readonly string[]): Promise<void> {
    const shared = this.options.status.sharedRoot;
    if (shared) {
      this._copyShared(paths.map(nameOf));
      await this.fromHome(paths, shared.path);
    }
  }

  /** Copy files and folders of home into a folder of the storage. `paths` are relative to home. */
  async fromHome(paths: readonly string[], destination: string): Promise<void> {
    const confirm = await this._confirmed([destination]);
    if (confirm !== null) {
      const items = paths.map(path => ({ path }));
      const kind = 'home-to-storage';
      await this._begin({ kind, items, destination, confirm });
    }
  }

  /** Copy entries into a folder of home, relative to it; empty for home itself. */
  async toHome(entries: readonly IEntry[], destination: string): Promise<void> {
    const items = entries.map(loosely);
    await this._begin({ kind: 'storage-to-home', items, destination });
  }

  /** Put a file that S3 has of home into home, beside what is there. `path` is relative to home. */
  async bringHome(from: string, path: string): Promise<void> {
    await this._begin({
      kind: 'storage-to-home',
      items: [{ path: from, type: 'FILE' }],
      destination: path.slice(0, path.lastIndexOf('/') + 1),
      conflict: 'keep-both'
    });
  }

  private async _createFolder(name: string): Promise<void> {
    const { api, browser, trans } = this.options;
    const path = `${browser.path}${name}/`;
    const confirm = await this._confirmed([path]);
    if (confirm === null) {
      return;
    }
    try {
      const entry = await api.createFolder(path, confirm);
      browser.appeared(entry);
      browser.selection.only(keyOf(entry));
    } catch (reason) {
      await showFailure(
        trans.__('The folder “%1” was not created', name),
        reason,
        path
      );
    }
  }

  private async _rename(entry: IEntry, name: string): Promise<void> {
    const { browser, jobs, trans } = this.options;
    const title = trans.__('“%1” was not renamed', entry.name);
    const confirm = await this._confirmed([entry.path]);
    if (confirm === null) {
      return;
    }
    try {
      const items = [exactly(entry)];
      const job = await jobs.run({ kind: 'rename', items, name, confirm });
      const [error] = job.errors;
      if (error) {
        await showErrorMessage(title, `${error.message} ${error.hint}`.trim());
      } else if (browser.path === parentOf(entry.path)) {
        const path = parentOf(entry.path) + name + slash(entry);
        browser.selection.only(path);
      }
    } catch (reason) {
      await showFailure(title, reason, entry.path);
    }
  }

  private async _begin(request: JobRequest): Promise<void> {
    const { jobs, trans } = this.options;
    try {
      await jobs.start(request);
    } catch (reason) {
      await showFailure(trans.__('Nothing was changed'), reason, null);
    }
  }

  /** Have the folders that a job changed read again. */
  private _showResult(job: IJob): void {
    const { browser, jobs, notice, trans } = this.options;
    const request = jobs.requestOf(job);
    const folders = new Set<string>();
    for (const item of request?.items ?? []) {
      folders.add(parentOf(item.path));
    }
    if (job.destination?.startsWith('/')) {
      folders.add(job.destination);
      folders.add(parentOf(job.destination));
    }
    folders.forEach(folder => browser.invalidate(folder));
    if (request === null) {
      browser.invalidate(browser.path); // begun elsewhere: nobody knows what it was about
    }
    if (isOver(job) && job.state === 'done') {
      notice.show(trans.__('Done:'), job.title);
    }
  }

  private _copyShared(names: readonly string[]): void {
    const { notice, status, trans } = this.options;
    const uris = names.map(name => `${status.sharedRoot!.uri}${name}`);
    // At once, while the click still allows it.
    Clipboard.copyToSystem(uris.join('\n'));
    notice.show(trans.__('Copied'), uris[0]);
  }

  private async _allowed(entries: readonly IEntry[]): Promise<boolean> {
    const why = this.whyNotChangeable(entries);
    if (why !== null) {
      await showErrorMessage(this.options.trans.__('Nothing was changed'), why);
    }
    return why === null;
  }

  /** True: asked and meant; false: nobody had to be asked; null: not meant. */
  private async _confirmed(paths: readonly string[]): Promise<boolean | null> {
    const { status, trans } = this.options;
    for (const path of paths) {
      const root = status.rootOf(path);
      if (root?.confirmation) {
        const title = trans.__('Change %1?', root.path);
        const yes = trans.__('Change it');
        return (await ask(title, root.confirmation, yes)) ? true : null;
      }
    }
    return false;
  }

  private _held: IHeld | null = null;
}

function slash(entry: IEntry): string {
  return entry.type === 'FOLDER' ? '/' : '';
}

function loosely(entry: IEntry): IItem {
  return { path: entry.path, type: entry.type };
}

/** This very version: what somebody changed meanwhile is neither moved nor deleted. */
function exactly(entry: IEntry): IItem {
  return entry.etag ? { ...loosely(entry), etag: entry.etag } : loosely(entry);
}
