/**
 * Downloads: the browser saves them by itself, and what became of each is asked of the server, for the browser tells nobody.
 */
import { Notification, showErrorMessage } from '@jupyterlab/apputils';
import type { TranslationBundle } from '@jupyterlab/translation';
import { UUID } from '@lumino/coreutils';
import { asApiError } from './rest/errors';
import type { StorageApi } from './rest/api';
import { handfuls } from './rest/api';
import type { IOutcome } from './rest/shapes';
import { cookie } from './rest/transport';
import type { Notice } from './model/notice';
import { formatNumber } from './view/format';

/** Milliseconds between two looks at a download: soon at first, seldom when it takes long. */
const SOONEST = 250;
const SELDOM = 5000;
/** Milliseconds after which a download that the server does not know has not begun. */
const LATE = 30_000;

export interface IDownloadsOptions {
  api: StorageApi;
  notice: Notice;
  trans: TranslationBundle;
}

export class Downloads {
  constructor(private readonly options: IDownloadsOptions) {}

  /** Have the browser save a file. */
  file(path: string, name: string): void {
    const download = newName();
    save(this.options.api.url('storage/file', { path, download }), name);
    void this._follow(download, this.options.trans.__('“%1”', name));
  }

  /** Have the browser save files and folders as one zip. `title` is what they are called in a sentence. */
  zip(paths: readonly string[], title: string): void {
    const { api } = this.options;
    const download = newName();
    if (handfuls(paths).length === 1) {
      save(api.url('storage/zip', { path: paths, download }), '');
    } else {
      const json = JSON.stringify({ path: paths, download });
      saveByForm(api.url('storage/zip'), { json });
    }
    void this._follow(download, title);
  }

  /** What is wrong, where, and what to do next. A notification cuts off what is long, so all of it is a click away. */
  private _say(title: string, message: string, hint: string): void {
    const label = this.options.trans.__('Details');
    const callback = (): void =>
      void showErrorMessage(title, [message, hint].join(' ').trim());
    Notification.error([title, message].join('\n').trim(), {
      autoClose: false,
      actions: [{ label, callback }]
    });
  }

  /** Say it if a download does not begin, breaks, or lacks something. */
  private async _follow(download: string, title: string): Promise<void> {
    const { api, notice, trans } = this.options;
    const failed = trans.__('The download of %1 failed', title);
    let begun = false;
    let pause = SOONEST;
    for (let waited = 0; begun || waited < LATE; waited += pause) {
      pause = Math.min(1.5 * pause, SELDOM);
      await new Promise(resolve => setTimeout(resolve, pause));
      let outcome: IOutcome;
      try {
        outcome = await api.outcome(download);
      } catch (reason) {
        const { message, hint } = asApiError(reason, null);
        this._say(failed, message, hint);
        return;
      }
      const { state, missing, error } = outcome;
      if (state === 'failed') {
        this._say(failed, error?.message ?? '', error?.hint ?? '');
        return;
      } else if (state === 'cancelled') {
        notice.show(trans.__('Download broken off:'), title);
        return;
      } else if (state === 'done') {
        if (missing > 0) {
          this._say(
            trans.__('The zip of %1 is not complete', title),
            missing === 1
              ? trans.__('1 file could not be read and is not in it.')
              : trans.__(
                  '%1 files could not be read and are not in it.',
                  formatNumber(missing)
                ),
            trans.__('The file _errors.txt in the zip names them and says why.')
          );
        } else {
          notice.show(trans.__('Downloaded:'), title);
        }
        return;
      } else if (state === 'waiting' && begun) {
        break; // it is another server now
      }
      begun ||= state === 'sending';
    }
    const hint = trans.__(
      'The browser’s own list of downloads may say more. Try again.'
    );
    if (begun) {
      const message = trans.__('The Jupyter server was restarted meanwhile.');
      this._say(failed, message, hint);
    } else {
      this._say(trans.__('The download of %1 did not begin', title), '', hint);
    }
  }
}

/** A name under which nobody else asks. */
function newName(): string {
  return UUID.uuid4().replace(/-/g, '');
}

/** Have the browser save what a URL answers. */
function save(url: string, name: string): void {
  const link = document.createElement('a');
  link.href = url;
  link.download = name;
  link.click();
}

/** Have the browser save what a URL answers to more than an address can hold. The answer never takes the place of the page. */
function saveByForm(url: string, fields: Record<string, string>): void {
  const name = 'jupyter-wherobots-download';
  if (!document.querySelector(`iframe[name=${name}]`)) {
    const frame = document.createElement('iframe');
    frame.name = name;
    frame.hidden = true;
    document.body.append(frame);
  }
  const form = document.createElement('form');
  form.method = 'post';
  form.action = url;
  form.target = name;
  form.hidden = true;
  const all = { ...fields, _xsrf: cookie('_xsrf') ?? '' };
  for (const [field, value] of Object.entries(all)) {
    const input = document.createElement('input');
    input.type = 'hidden';
    input.name = field;
    input.value = value;
    form.append(input);
  }
  document.body.append(form);
  form.submit();
  form.remove();
}
