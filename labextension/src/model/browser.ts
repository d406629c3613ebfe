/**
 * What the panel shows: where we are, the rows in their order, the selection. No DOM in here.
 */
import type { ISignal } from '@lumino/signaling';
import { Signal } from '@lumino/signaling';
import type { ApiError } from '../rest/errors';
import type { IEntry, IItem } from '../rest/shapes';
import { FolderModel } from './folder';
import type { IPages } from './folder';
import { SearchModel } from './search';
import type { ISearchSource } from './search';
import { BY_NAME, sorted } from './order';
import type { ISort, SortKey } from './order';
import { folded, keyOf, nameOf, parentOf } from './paths';
import { Selection } from './selection';

/** Folders kept after they were left, so that going back shows them at once. */
const KEPT = 16;

/** A listing older than this is read again when the panel comes back into sight, or the keyboard into the panel. */
const STALE_MS = 10_000;

/** A name that is being typed into the list: of a folder to be, or of an entry that is renamed. */
export interface INaming {
  /** The entry, or null for a new folder. */
  entry: IEntry | null;
  name: string;
}

/** Where somebody was in a list: the selected row's key, if one was, and the first row in sight. */
export interface IPosition {
  row: string | null;
  first: number;
}

interface ISelected {
  rows: readonly IEntry[];
  chosen: ReadonlySet<string>;
  entries: readonly IEntry[];
}

/** A folder that must be there, because an entry lies in it: asking S3 for each of many files that arrive would be in vain. */
function folderAbove(entry: IEntry, path: string): IEntry {
  const start = entry.uri.length - entry.path.length;
  return {
    name: nameOf(path),
    path,
    uri: entry.uri.slice(0, start + path.length),
    type: 'FOLDER',
    size: null,
    lastModified: null,
    etag: null,
    mutateProtected: false,
    uploadProtected: false,
    reason: null
  };
}

export class BrowserModel {
  constructor(private readonly source: IPages & ISearchSource) {
    this._folder = this._enter('/');
  }

  /** Emitted when anything that the list draws has changed. */
  get changed(): ISignal<this, void> {
    return this._changed;
  }

  /** Emitted with the new path after going to another folder. */
  get moved(): ISignal<this, string> {
    return this._moved;
  }

  get path(): string {
    return this._folder.path;
  }

  get folder(): FolderModel {
    return this._folder;
  }

  /** The entries in the order in which they are shown. */
  get rows(): readonly IEntry[] {
    return this._rows;
  }

  get sort(): ISort {
    return this._sort;
  }

  /** The order that was asked for last, which folders are shown in; a long one only if it was asked for in there. */
  get order(): ISort {
    return this._order;
  }
  set order(sort: ISort) {
    this._order = sort;
    if (!this._ordered) {
      this._sort = sort;
      this._arrange();
    }
  }

  /** Where one is now, for `comeBack` after a reload. */
  get position(): IPosition {
    const { active } = this.selection;
    const selected = active !== null && this.selection.has(active);
    const first = this._firstRowInSight;
    return this._awaited ?? { row: selected ? active : null, first };
  }

  /** Where the list begins to be shown, once; null if that is its top. */
  get start(): IPosition | null {
    return this._start;
  }

  /** Whether the rest of a long folder is being read because sorting, filtering or a row that is looked for needs it. */
  get gathering(): boolean {
    const { complete, error } = this._folder;
    return this._gathering && !complete && !error;
  }

  get filter(): string {
    return this._filter;
  }

  /** Whether the box to filter by name is open. */
  get filtering(): boolean {
    return this._filtering;
  }

  /** The search whose results are shown, or null. */
  get search(): SearchModel | null {
    return this._search;
  }

  get naming(): INaming | null {
    return this._naming;
  }

  /** The path of what somebody wanted to see here and that is not here; null if there is no such thing. */
  get missing(): string | null {
    return this._missing;
  }

  /** Why the folder cannot be shown, or null. */
  get error(): ApiError | null {
    return this._folder.entries.length === 0 ? this._folder.error : null;
  }

  /** The selected entries, top to bottom: the same list until rows or selection change. */
  get selectedEntries(): readonly IEntry[] {
    const { _rows: rows, _selectedOf: of } = this;
    const { chosen } = this.selection;
    if (of.rows !== rows || of.chosen !== chosen) {
      const entries =
        chosen.size === 0 ? [] : rows.filter(entry => chosen.has(keyOf(entry)));
      this._selectedOf = { rows, chosen, entries };
    }
    return this._selectedOf.entries;
  }

  /** Whether the panel can be seen. Hidden, it asks for nothing; back in sight, it reads what may have changed. */
  get visible(): boolean {
    return this._visible;
  }
  set visible(value: boolean) {
    if (value === this._visible) {
      return;
    }
    this._visible = value;
    if (value) {
      this.catchUp();
    }
  }

  /** Read the folder if it was never read, or not lately. */
  catchUp(): void {
    if (!this._visible) {
      return;
    }
    if (this._folder.readAt === 0 && !this._folder.error) {
      void this._folder.more();
    } else if (
      this._stale ||
      (Date.now() - this._folder.readAt > STALE_MS && !this._folder.busy)
    ) {
      this._stale = false;
      void this.refresh();
    }
  }

  /** Show a folder. `select` is the path of the row to begin on. */
  go(path: string, select: string | null = null): void {
    if (path !== this.path) {
      this._folder.changed.disconnect(this._arrange);
      this._folder = this._enter(path);
      this._naming = null;
      this._filter = '';
      this._filtering = false;
      this._endSearch();
      this._sort = this._order;
      this._ordered = false;
      this._gathering = false;
      this._rows = [];
      this._keys = [];
      this._firstRowInSight = 0;
      this._lastRowInSight = 0;
    }
    this._awaited = null;
    this._start = null;
    this._sought = null;
    this._missing = null;
    this.selection.reset(select);
    this._moved.emit(path);
    this._arrange();
    if (this._folder.readAt > 0 || this._folder.error) {
      void this.refresh();
    } else if (this._visible) {
      void this._folder.more();
    }
  }

  /** Go to where a file or folder lies and stand on it, however far down in a long folder. `missing` says if it is not there. */
  reveal(path: string): void {
    if (this._filtering) {
      this.openFilter(false);
    }
    this.go(parentOf(path), path);
    this._sought = path;
    this._arrange();
  }

  /** Once the rows are here, stand where one was in this folder, if that is among them: no further page is read for it. */
  comeBack(position: IPosition): void {
    this._awaited = position;
    this._arrange();
  }

  /** Go to the parent and stand on the folder we come from. */
  up(): void {
    if (this.path !== '/') {
      this.go(parentOf(this.path), this.path);
    }
  }

  /** Read the folder again, without losing the place. */
  async refresh(): Promise<void> {
    this._missing = null;
    await this._folder.refresh(this._lastRowInSight);
  }

  /** Ask again for what failed: the next page, or the folder anew. */
  retry(): void {
    void (this._folder.complete ? this.refresh() : this._folder.more());
  }

  /** Tell which rows are in sight, so that the next page is here before it is needed. */
  inSight(first: number, last: number): void {
    this._firstRowInSight = first;
    this._lastRowInSight = last;
    this._start = null;
    const { folder } = this;
    const ahead = this._rows.length - last;
    if (
      this._visible &&
      !folder.complete &&
      !folder.busy &&
      !folder.error &&
      folder.readAt > 0 &&
      ahead < 1000
    ) {
      void folder.more();
    }
  }

  /** Sort by this column; a second time turns the order round. */
  sortBy(key: SortKey): void {
    const { _sort: sort } = this;
    // Sizes and dates are asked for to see the largest and the newest.
    const first = key !== 'name';
    this._sort = {
      key,
      descending: sort.key === key ? !sort.descending : first
    };
    this._order = this._sort;
    this._ordered = true;
    this._arrange();
  }

  /** How often the box to filter was asked for: each time, the keyboard goes into it. */
  get asked(): number {
    return this._asked;
  }

  /** Open the box to filter by name, or come back to it as it is; or close it and show everything. */
  openFilter(open: boolean): void {
    if (open) {
      this._asked += 1;
    }
    if (open && this._filtering) {
      this._changed.emit();
      return;
    }
    this._filtering = open;
    this.setFilter('');
  }

  setFilter(text: string): void {
    this._filter = text;
    this._endSearch();
    this._arrange();
  }

  /** Search below the folder for the text of the filter. */
  searchBelow(): void {
    const text = this._filter.trim();
    if (text !== '') {
      this._endSearch();
      this._search = new SearchModel(this.source, this.path, text);
      this._search.changed.connect(this._arrange);
      this.selection.reset();
      this._arrange();
    }
  }

  /** Stop searching; or stop reading the rest of a long folder, back to the order of the storage. */
  stopGathering(): void {
    if (this._search) {
      this._search.stop();
      return;
    }
    this._sort = BY_NAME;
    this._ordered = false;
    this._filter = '';
    this._sought = null;
    this._arrange();
  }

  /** Begin to type a name: of a new folder, which no filter hides then, or of this entry. */
  beginNaming(entry: IEntry | null): void {
    if (entry === null && this._filtering) {
      this.openFilter(false);
    }
    this._naming = { entry, name: entry?.name ?? '' };
    this._changed.emit();
  }

  endNaming(): void {
    this._naming = null;
    this._changed.emit();
  }

  /** Forget a kept listing whose content is known to have changed; the one shown is read again. */
  invalidate(path: string): void {
    if (path !== this.path) {
      this._kept.get(path)?.dispose();
      this._kept.delete(path);
    } else if (this._visible) {
      void this.refresh();
    } else {
      this._stale = true;
    }
  }

  /** Entries are gone: a search goes on without them, or with what took the place of a single one. */
  gone(items: readonly IItem[], instead: IEntry | null = null): void {
    this._search?.forget(items, instead);
  }

  /** Something now exists: show it, whether here or somewhere below here. */
  appeared(entry: IEntry): void {
    const parent = parentOf(entry.path);
    if (parent === this.path) {
      this._folder.put(entry);
      return;
    }
    this.invalidate(parent);
    // The first file of a folder makes the folder, as far as S3 is concerned.
    for (let folder = parent; folder !== '/'; folder = parentOf(folder)) {
      const above = this._kept.get(parentOf(folder)); // the one shown is among them
      if (above && !above.entries.some(each => each.path === folder)) {
        above.put(folderAbove(entry, folder));
      }
    }
  }

  dispose(): void {
    this._endSearch();
    this._folder.dispose();
    this._kept.forEach(folder => folder.dispose());
    Signal.clearData(this);
  }

  readonly selection = new Selection(() => this._keys);

  /** The keys of what is being opened or renamed: a second Enter does nothing with it meanwhile. */
  readonly underway = new Set<string>();

  private _enter(path: string): FolderModel {
    const folder = this._kept.get(path) ?? new FolderModel(this.source, path);
    this._kept.delete(path);
    this._kept.set(path, folder);
    for (const [oldest, old] of this._kept) {
      if (this._kept.size <= KEPT) {
        break;
      }
      old.dispose();
      this._kept.delete(oldest);
    }
    folder.changed.connect(this._arrange);
    return folder;
  }

  /** Work out the rows from the entries, the filter and the order. */
  private readonly _arrange = (): void => {
    const turn = ++this._turn;
    if (this._folder.long && !this._ordered) {
      this._sort = BY_NAME; // any other order would have all of it read before a row is shown
    }
    const sort = this._sort;
    const plain = sort.key === 'name' && !sort.descending;
    if (this._search) {
      this._gathering = false;
      const { results, running } = this._search;
      if (plain || running) {
        this._show(results); // as they are found, folder by folder
      } else {
        this._showSorted(results, turn);
      }
      return;
    }
    const folder = this._folder;
    const filter = folded(this._filter.trim());
    const found = filter
      ? folder.entries.filter(entry => folded(entry.name).includes(filter))
      : folder.entries;

    this._seek();
    this._gathering = !plain || filter !== '' || this._sought !== null;
    if (this._gathering && !folder.complete && !folder.busy && !folder.error) {
      void folder.more(); // and when that page is here, this runs again
    }
    // Until all of it is here, and for a long folder nobody asked to sort, the order is the storage's: rows that
    // moved while one looks at them would be worse.
    const given = folder.pages > 1 || folder.facts?.order === 'layout';
    if (!folder.complete || (plain && given)) {
      this._show(found);
      return;
    }
    this._showSorted(found, turn);
  };

  private _showSorted(entries: readonly IEntry[], turn: number): void {
    const over = (): boolean => turn !== this._turn;
    void sorted(entries, this._sort, over).then(rows => {
      if (rows !== null && !over()) {
        this._show(rows);
      }
    });
    this._changed.emit();
  }

  /** See whether what is looked for is among the entries; once all are here, whether it is anywhere. */
  private _seek(): void {
    const folder = this._folder;
    if (this._sought === null || folder.readAt === 0 || folder.busy) {
      return;
    }
    const path = this._sought;
    // A link may have lost the slash of a folder, and a key that ends with one may be a file.
    const entry =
      folder.entries.find(each => each.path === path) ??
      folder.entries.find(each => each.path === `${path}/`);
    if (entry) {
      this._sought = null;
      this.selection.only(keyOf(entry));
    } else if (folder.complete) {
      this._sought = null;
      this._missing = path;
    }
  }

  private _endSearch(): void {
    this._search?.dispose();
    this._search = null;
  }

  private _show(rows: readonly IEntry[]): void {
    if (rows !== this._rows) {
      const before = this._keys;
      // Often it is a further page of a long folder: what was there is there still.
      this._keys = this._rows.every((entry, at) => entry === rows[at])
        ? before.concat(rows.slice(before.length).map(keyOf))
        : rows.map(keyOf);
      this._rows = rows;
      // A filter or a search hides rows, and half a folder does not say what is gone.
      if (this._folder.complete && this._filter === '' && !this._search) {
        this.selection.follow(before, this._keys);
      }
    }
    if (this._awaited !== null && this._folder.readAt > 0) {
      this._start = this._awaited;
      this._awaited = null;
      const { row } = this._start;
      if (
        row !== null &&
        this.selection.active === null &&
        this._keys.includes(row)
      ) {
        this.selection.only(row);
      }
    }
    this._changed.emit();
  }

  private _folder: FolderModel;
  private _rows: readonly IEntry[] = [];
  private _keys: readonly string[] = [];
  private _selectedOf: ISelected = {
    rows: [],
    chosen: new Set(),
    entries: []
  };
  private _sort: ISort = BY_NAME;
  private _order: ISort = BY_NAME;
  /** Whether the order was asked for in this very folder. */
  private _ordered = false;
  /** Where to stand once the rows are here. */
  private _awaited: IPosition | null = null;
  private _start: IPosition | null = null;
  private _filter = '';
  private _filtering = false;
  private _asked = 0;
  private _gathering = false;
  private _search: SearchModel | null = null;
  private _naming: INaming | null = null;
  /** The path of the row that is looked for in pages still to come. */
  private _sought: string | null = null;
  private _missing: string | null = null;
  private _visible = false;
  private _stale = false;
  private _firstRowInSight = 0;
  private _lastRowInSight = 0;
  private _turn = 0;
  private readonly _kept = new Map<string, FolderModel>();
  private readonly _changed = new Signal<this, void>(this);
  private readonly _moved = new Signal<this, string>(this);
}
