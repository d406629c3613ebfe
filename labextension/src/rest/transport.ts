/**
 * How calls reach the server: URLs, JSON, bytes with progress, and failures as `ApiError`.
 */
import { URLExt } from '@jupyterlab/coreutils';
import { ServerConnection } from '@jupyterlab/services';
import type { TranslationBundle } from '@jupyterlab/translation';
import { asApiError, refused, unreachable, unreadable } from './errors';

export interface IRequest {
  method?: 'GET' | 'POST' | 'PUT' | 'DELETE';
  query?: Record<string, string | readonly string[] | undefined>;
  json?: unknown;
  headers?: HeadersInit;
  signal?: AbortSignal;
}

export interface ISendOptions {
  etag?: string;
  signal?: AbortSignal;
  /** Called with the bytes that have gone so far. */
  onProgress?: (sent: number) => void;
}

export class Transport {
  constructor(
    readonly settings: ServerConnection.ISettings,
    private readonly trans: TranslationBundle
  ) {}

  /** The absolute URL of an operation. */
  url(operation: string, query: IRequest['query'] = {}): string {
    const search = new URLSearchParams();
    for (const [name, value] of Object.entries(query)) {
      for (const each of typeof value === 'string' ? [value] : (value ?? [])) {
        search.append(name, each);
      }
    }
    const url = URLExt.join(this.settings.baseUrl, 'wherobots', operation);
    return search.toString() ? `${url}?${search.toString()}` : url;
  }

  /** Ask for JSON. */
  async json<T>(operation: string, request: IRequest = {}): Promise<T> {
    const response = await this._fetch(operation, request);
    const text = await this._received(response.text(), request.signal);
    return this._read<T>(response.status, text);
  }

  /** Ask for bytes. */
  async bytes(
    operation: string,
    request: IRequest = {}
  ): Promise<{ body: ArrayBuffer; headers: Headers }> {
    const response = await this._fetch(operation, request);
    if (!response.ok) {
      this._read(response.status, await response.text());
    }
    const { headers } = response;
    const body = await this._received(response.arrayBuffer(), request.signal);
    return { body, headers };
  }

  /** Ask for JSON line by line, as the lines come. */
  async *lines<T>(operation: string, request: IRequest): AsyncGenerator<T> {
    const response = await this._fetch(operation, request);
    if (!response.ok || !response.body) {
      this._read(response.status, await response.text());
      return;
    }
    const reader = response.body
      .pipeThrough(new TextDecoderStream())
      .getReader();
    let rest = '';
    for (;;) {
      const chunk = await this._received(reader.read(), request.signal);
      if (chunk.done) {
        return;
      }
      const lines = (rest + chunk.value).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) {
        yield JSON.parse(line) as T;
      }
    }
  }

  /**
   * Send bytes. An XMLHttpRequest, because fetch cannot tell how much has gone; it carries the same token and cookie as
   * every request of JupyterLab.
   */
  send<T>(url: string, body: Blob, options: ISendOptions): Promise<T> {
    const { signal, onProgress } = options;
    return new Promise<T>((resolve, reject) => {
      signal?.throwIfAborted();
      const xhr = new XMLHttpRequest();
      xhr.open('PUT', url);
      if (this.settings.token) {
        xhr.setRequestHeader('Authorization', `token ${this.settings.token}`);
      }
      const xsrf = cookie('_xsrf');
      if (xsrf !== null) {
        xhr.setRequestHeader('X-XSRFToken', xsrf);
      }
      xhr.setRequestHeader('Content-Type', 'application/octet-stream');
      if (options.etag) {
        xhr.setRequestHeader('If-Match', options.etag);
      }
      const abort = (): void => xhr.abort();
      signal?.addEventListener('abort', abort);
      xhr.upload.onprogress = event => onProgress?.(event.loaded);
      xhr.onabort = () => reject(new DOMException('Cancelled', 'AbortError'));
      xhr.onerror = () => {
        void isReadable(body).then(readable =>
          reject(readable ? unreachable(this.trans) : unreadable(this.trans))
        );
      };
      xhr.onload = () => {
        try {
          resolve(this._read<T>(xhr.status, xhr.responseText));
        } catch (reason) {
          reject(asApiError(reason, null));
        }
      };
      xhr.onloadend = () => signal?.removeEventListener('abort', abort);
      xhr.send(body);
    });
  }

  private async _fetch(
    operation: string,
    request: IRequest
  ): Promise<Response> {
    const { method = 'GET', query, json, signal, headers } = request;
    const init: RequestInit = { method, signal, headers };
    if (json !== undefined) {
      init.body = JSON.stringify(json);
    }
    const url = this.url(operation, query);
    const sent = ServerConnection.makeRequest(url, init, this.settings);
    return this._received(sent, signal);
  }

  /** What was on its way; a way that broke is the server's absence, unless it was given up here. */
  private async _received<T>(
    way: Promise<T>,
    signal: AbortSignal | undefined
  ): Promise<T> {
    try {
      return await way;
    } catch (reason) {
      throw signal?.aborted ? reason : unreachable(this.trans);
    }
  }

  private _read<T>(status: number, text: string): T {
    let body: unknown;
    try {
      body = text === '' ? null : JSON.parse(text);
    } catch {
      body = undefined;
    }
    if (status >= 200 && status < 300 && body !== undefined) {
      return body as T;
    }
    throw refused(status, body, this.trans);
  }
}

/** Whether the bytes are there still: browsers give up on a file that was written to after it was chosen. */
async function isReadable(body: Blob): Promise<boolean> {
  try {
    await body.slice(0, 1).arrayBuffer();
    return true;
  } catch {
    return false;
  }
}

/** A cookie's value. Of several with one name the server reads the last, so that one. */
export function cookie(name: string): string | null {
  const values = document.cookie
    .split(';')
    .map(part => part.trim())
    .filter(part => part.startsWith(`${name}=`));
  return values.at(-1)?.slice(name.length + 1) ?? null;
}
