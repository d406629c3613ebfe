/**
 * What changes the storage: folders, names, deletes, copies, moves, and copies between home and storage.
 */
import {
  Clipboard,
  Notification,
  showErrorMessage
} from '@jupyterlab/apputils';
import type { TranslationBundle } from '@jupyterlab/translation';
import type { StorageApi } from './rest/api';
import type {
  Conflict,
  IEntry,
  IItem,
  IJob,
  IMeasure,
  JobRequest
} from './rest/shapes';
import { ask, askDelete, askMove, showFailure } from './dialogs';
import type { BrowserModel, INaming } from './model/browser';
import { isRefused } from './model/jobs';
import type { JobList } from './model/jobs';
import type { Notice } from './model/notice';
import { keyOf, nameOf, parentOf } from './model/paths';
import type { StatusModel } from './model/status';
import { formatNumber } from './view/format';
import type { Whereabouts } from './whereabouts';

export interface IChangesOptions {
  api: StorageApi;
  browser: BrowserModel;
  status: StatusModel;
  jobs: JobList;
  whereabouts: Whereabouts;
  notice: Notice;
  trans: TranslationBundle;
  /** Bring the panel to the front. */
  show: () => void;
}

/** Milliseconds that good news stays. */
const ANNOUNCED_MS = 5000;

/** Why a change was refused, if the folder is not what the list shows. */
const NEWS = [
  'AlreadyExists',
  'Conflicted',
  'Forgotten',
  'NotFound',
  'PreconditionFailed'
];

/** What one change takes at most. */
const ITEMS = 10_000;

/** Entries that were cut or copied, to be pasted into another folder. */
interface IHeld {
  entries: readonly IEntry[];
  cut: boolean;
  keys: ReadonlySet<string>;
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
    if (naming.entry === null) {
      await this._createFolder(name);
    } else {
      await this._rename(naming.entry, name);
    }
  }

  /** Delete for good, after saying how much it is. */
  async delete(entries: readonly IEntry[]): Promise<void> {
    const { status, trans } = this.options;
    if (entries.length === 0 || !(await this._allowed(entries))) {
      return;
    }
    const warning =
      entries
        .map(entry => status.rootOf(entry.path)?.confirmation)
        .find(words => words) ?? null;
    const meant = await this._counting(entries, measured =>
      askDelete({ entries, warning, measured, trans })
    );
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
    const keys = new Set(entries.map(keyOf));
    this._held = { entries, cut, keys, text };
    if (cut) {
      Clipboard.copyToSystem(text);
      notice.show(
        trans.__('Cut; paste it into another folder to move it.'),
        '',
        keys
      );
    }
  }

  /** Whether an entry waits to be pasted elsewhere. */
  isCut(key: string): boolean {
    return this._held?.cut === true && this._held.keys.has(key);
  }

  /** Copy or move into the folder shown what was copied or cut. */
  async paste(): Promise<void> {
    const held = this._held;
    if (held) {
      const kind = held.cut ? 'move' : 'copy';
      const { path } = this.options.browser;
      const files = held.entries.every(entry => entry.type === 'FILE');
      const begun = await this.transfer(kind, held.entries, path, !files);
      if (begun && held.cut && this._held === held) {
        this._held = null; // they lie elsewhere now
      }
    }
  }

  /** Copy or move entries into a folder; before a move, `sure` has it said how much it is. Whether it was begun. */
  async transfer(
    kind: 'copy' | 'move',
    entries: readonly IEntry[],
    destination: string,
    sure = true
  ): Promise<boolean> {
    const { trans } = this.options;
    const here = entries.every(entry => parentOf(entry.path) === destination);
    if (kind === 'move' && (here || !(await this._allowed(entries)))) {
      return false;
    }
    const itself = entries.some(
      ({ type, path }) => type === 'FOLDER' && destination.startsWith(path)
    );
    const meant =
      kind === 'copy' ||
      !sure ||
      itself || // which the server refuses
      (await this._counting(entries, measured =>
        askMove({ entries, destination, measured, trans })
      ));
    if (!meant) {
      return false;
    }
    const confirm = await this._confirmed(
      kind === 'move'
        ? [destination, ...entries.map(entry => entry.path)]
        : [destination]
    );
    if (confirm === null) {
      return false;
    }
    const items = entries.map(kind === 'move' ? exactly : loosely);
    // Pasted where it lies, a copy cannot have the same name.
    const conflict = here ? 'keep-both' : 'fail';
    return this._begin({ kind, items, destination, conflict, confirm });
  }

  /** Stop a job, or take a finished one off the list. */
  async cancelJob(job: IJob): Promise<void> {
    const { jobs, trans } = this.options;
    await this._try(jobs.cancel(job), trans.__('“%1” goes on', job.title));
  }

  /** Do again what a job could not, with another rule for names that are taken. */
  async retryJob(job: IJob, conflict: Conflict): Promise<void> {
    const { jobs, trans } = this.options;
    const again = jobs.retry(job, conflict);
    await this._try(again, trans.__('Nothing was changed'));
  }

  /** Take the finished jobs off the list. */
  async clearJobs(): Promise<void> {
    const { jobs, trans } = this.options;
    await this._try(jobs.clear(), trans.__('The list was not cleared'));
  }

  /** Put copies into the folder shared with everybody, and their paths into the clipboard. */
  async share(entries: readonly IEntry[]): Promise<void> {
    const shared = this.options.status.sharedRoot;
    if (shared) {
      const names = entries.map(entry => entry.name + slash(entry));
      this.options.whereabouts.tell(
        'copy',
        names.map(name => shared.uri + name)
      );
      await this.transfer('copy', entries, shared.path);
    }
  }

  /** Put copies of files of home into the folder shared with everybody. `paths` are relative to home. */
  async shareFromHome(paths: readonly string[]): Promise<void> {
    const shared = this.options.status.sharedRoot;
    if (shared) {
      this.options.whereabouts.tell(
        'home-to-storage',
        paths.map(path => shared.uri + nameOf(path))
      );
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

  /** Put copies into a folder of home, relative to it, and their paths into the clipboard. */
  async takeHome(
    entries: readonly IEntry[],
    destination: string
  ): Promise<void> {
    const { status } = this.options;
    const folder = destination && `${destination.replace(/\/$/, '')}/`;
    const places = entries
      .map(entry => status.homeFile(folder + entry.name))
      .filter(place => place !== null);
    this.options.whereabouts.tell('storage-to-home', places);
    await this.toHome(entries, destination);
  }

  /** Copy entries into a folder of home, relative to it; empty for home itself. */
  async toHome(entries: readonly IEntry[], destination: string): Promise<void> {
    const items = entries.map(loosely);
    await this._begin({ kind: 'storage-to-home', items, destination });
  }

  /** Put a file that S3 has of home into home, beside what is there; whether that was begun. `path` is relative to home. */
  async bringHome(from: string, path: string): Promise<boolean> {
    return this._begin({
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
        path,
        trans.__('Choose another name.')
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
    const key = keyOf(entry);
    browser.underway.add(key);
    try {
      const items = [exactly(entry)];
      const job = await jobs.run({ kind: 'rename', items, name, confirm });
      const [error] = job.errors;
      if (error && !isRefused(job)) {
        return; // the list of transfers says what could not be done
      }
      if (error) {
        const another = trans.__('Choose another name.');
        await showFailure(title, error, entry.path, another);
        return;
      }
      const above = parentOf(entry.path);
      const renamed = { ...entry, name, path: above + name + slash(entry) };
      const start = entry.uri.length - entry.path.length + above.length;
      renamed.uri = entry.uri.slice(0, start) + name + slash(entry);
      renamed.etag = null; // a copy's may be another
      browser.gone(items, renamed);
      if (browser.search || browser.path === above) {
        browser.selection.only(keyOf(renamed));
      }
    } catch (reason) {
      await showFailure(title, reason, entry.path);
    } finally {
      browser.underway.delete(key);
    }
  }

  /** Begin a job; whether it was. What kept it from it has been said. */
  private async _begin(request: JobRequest): Promise<boolean> {
    const { jobs, trans } = this.options;
    const title = trans.__('Nothing was changed');
    if (request.items.length > ITEMS) {
      await showErrorMessage(
        title,
        trans.__(
          '%1 files and folders are selected; one change takes %2 at most. Select fewer, or the folder they are in.',
          formatNumber(request.items.length),
          formatNumber(ITEMS)
        )
      );
      return false;
    }
    return this._try(jobs.start(request), title);
  }

  /** Wait for something, and say it if it fails; whether it did not. */
  private async _try(what: Promise<unknown>, title: string): Promise<boolean> {
    try {
      await what;
      return true;
    } catch (reason) {
      await showFailure(title, reason, null);
      return false;
    }
  }

  /** Ask a question about entries whose objects and bytes are being counted meanwhile. */
  private async _counting(
    entries: readonly IEntry[],
    question: (measured: Promise<IMeasure>) => Promise<boolean>
  ): Promise<boolean> {
    const counting = new AbortController();
    const measured = this.options.api.measure(entries, counting.signal);
    measured.catch(() => undefined); // the dialog says it
    const meant = await question(measured);
    counting.abort();
    return meant;
  }

  /** Have the folders that a job changed read again. */
  private _showResult(job: IJob): void {
    const { browser, jobs, notice, trans } = this.options;
    const request = jobs.requestOf(job);
    if (request?.kind === 'rename' && isRefused(job)) {
      // Its dialog says all of it. S3 that cannot be reached would fail here once more.
      if (NEWS.includes(job.errors[0]?.code ?? '')) {
        request.items.forEach(({ path }) => browser.invalidate(parentOf(path)));
      }
      return;
    }
    const folders = new Set<string>();
    for (const item of request?.items ?? []) {
      folders.add(parentOf(item.path));
    }
    if (job.destination?.startsWith('/')) {
      folders.add(job.destination);
      folders.add(parentOf(job.destination));
    }
    folders.forEach(folder => browser.invalidate(folder));
    if (request?.kind === 'delete' || request?.kind === 'move') {
      // Of a delete, the errors say what is there still; of a move, they are about the destination too.
      const left = job.errors.map(({ path }) => path);
      const told = request.kind === 'delete' && job.errorCount === left.length;
      browser.gone(
        job.state === 'done' || (job.state === 'failed' && told)
          ? request.items.filter(
              ({ path }) => !left.some(each => each?.startsWith(path) ?? true)
            )
          : []
      );
    }
    if (request === null) {
      browser.invalidate(browser.path); // begun elsewhere: nobody knows what it was about
    }
    if (job.state === 'done') {
      notice.show(trans.__('Done:'), job.title);
    }
    if (request !== null && !browser.visible) {
      this._announce(job);
    }
  }

  /** Say to somebody who does not see the panel what came of a change. */
  private _announce(job: IJob): void {
    const { trans, show } = this.options;
    if (job.state === 'done') {
      const text = trans.__('Done: %1', job.title);
      Notification.success(text, { autoClose: ANNOUNCED_MS });
    } else if (job.state === 'failed') {
      const { message = '', hint = '' } = job.errors[0] ?? {};
      const text = trans.__('Not done: %1', job.title);
      Notification.error([text, message, hint].join('\n').trim(), {
        autoClose: false,
        actions: [{ label: trans.__('Show'), callback: show }]
      });
    }
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
