/**
 * Which rows are selected, and which one the keyboard is on.
 *
 * Rows are known by their key (the path), so that a selection outlives sorting, filtering and reloading. The rules are
 * those of every file list: a click selects one, Ctrl/Cmd adds or removes one, Shift extends from the anchor.
 */
import type { ISignal } from '@lumino/signaling';
import { Signal } from '@lumino/signaling';

export class Selection {
  /** `keys` gives the keys of the rows now shown, top to bottom. */
  constructor(private readonly keys: () => readonly string[]) {}

  /** Emitted when anything here changed. */
  get changed(): ISignal<this, void> {
    return this._changed;
  }

  /** The row the keyboard is on, or null. */
  get active(): string | null {
    return this._active;
  }

  get size(): number {
    return this._selected.size;
  }

  /** The selected keys, shown or not: another set whenever the selection is another. */
  get chosen(): ReadonlySet<string> {
    return this._selected;
  }

  has(key: string): boolean {
    return this._selected.has(key);
  }

  /** The selected keys in the order of the rows; those no longer shown are left out. */
  get selected(): string[] {
    return this._selected.size === 0
      ? []
      : this.keys().filter(key => this._selected.has(key));
  }

  /** Where the active row is now, or -1. */
  get index(): number {
    return this._active === null ? -1 : this.keys().indexOf(this._active);
  }

  /** Select this row alone. */
  only(key: string): void {
    this._set([key], key, key);
  }

  /** Add or remove this row. */
  toggle(key: string): void {
    const selected = new Set(this._selected);
    if (!selected.delete(key)) {
      selected.add(key);
    }
    this._set(selected, key, key);
  }

  /** Select everything between the anchor and this row; the row alone if the anchor is not shown. */
  extend(key: string): void {
    const keys = this.keys();
    const to = keys.indexOf(key);
    if (to === -1) {
      return;
    }
    const at = this._anchor === null ? -1 : keys.indexOf(this._anchor);
    const from = at === -1 ? to : at;
    const range = keys.slice(Math.min(from, to), Math.max(from, to) + 1);
    this._set(range, key, keys[from]!);
  }

  /** Make this row the active one and leave the selection as it is (Ctrl + arrow). */
  focus(key: string): void {
    this._set(this._selected, key, this._anchor);
  }

  all(): void {
    this._set(this.keys(), this._active, this._anchor);
  }

  clear(): void {
    this._set([], this._active, null);
  }

  /** Forget everything: another folder. */
  reset(active: string | null = null): void {
    this._set(active === null ? [] : [active], active, active);
  }

  /**
   * The rows changed: let go of those that are gone. Where the active one was, the next one becomes active (but not selected, so
   * that the same key does not do the same to it).
   */
  follow(before: readonly string[], after: readonly string[]): void {
    if (this._active === null && this._selected.size === 0) {
      return;
    }
    const left = new Set(after);
    const gone = new Set(before.filter(key => !left.has(key)));
    if (gone.size === 0) {
      return;
    }
    const still = (key: string | null): boolean =>
      key !== null && !gone.has(key);
    const at = this._active === null ? -1 : before.indexOf(this._active);
    this._set(
      [...this._selected].filter(still),
      still(this._active) || at === -1
        ? this._active
        : (before.slice(at).find(still) ?? after.at(-1) ?? null),
      still(this._anchor) ? this._anchor : null
    );
  }

  private _set(
    selected: Iterable<string>,
    active: string | null,
    anchor: string | null
  ): void {
    // A set that is there already stays: of a long folder, it takes a while to make.
    this._selected = selected instanceof Set ? selected : new Set(selected);
    this._active = active;
    this._anchor = anchor;
    this._changed.emit();
  }

  private _selected: ReadonlySet<string> = new Set();
  private _active: string | null = null;
  private _anchor: string | null = null;
  private readonly _changed = new Signal<this, void>(this);
}
