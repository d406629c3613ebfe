/**
 * One short sentence about what was just done ("Copied s3://…"), shown for a moment and read out by screen readers.
 */
import type { ISignal } from '@lumino/signaling';
import { Signal } from '@lumino/signaling';

const SHOWN_MS = 2500;

export class Notice {
  get changed(): ISignal<this, void> {
    return this._changed;
  }

  get text(): string {
    return this._text;
  }

  /** What the sentence is about, such as a path; drawn so that its end can be read. */
  get subject(): string {
    return this._subject;
  }

  /** The rows it is about, by their keys. */
  isAbout(key: string): boolean {
    return this._keys.has(key);
  }

  show(text: string, subject = '', keys: Iterable<string> = []): void {
    this._text = text;
    this._subject = subject;
    this._keys = new Set(keys);
    clearTimeout(this._timer);
    this._timer = setTimeout(() => this.clear(), SHOWN_MS);
    this._changed.emit();
  }

  clear(): void {
    clearTimeout(this._timer);
    this._text = '';
    this._subject = '';
    this._keys = new Set();
    this._changed.emit();
  }

  private _text = '';
  private _subject = '';
  private _keys: ReadonlySet<string> = new Set();
  private _timer: ReturnType<typeof setTimeout> | undefined;
  private readonly _changed = new Signal<this, void>(this);
}
