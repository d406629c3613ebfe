/**
 * Failed calls: each says what, where and what next, whether S3, the server or the network was at fault.
 */
import type { TranslationBundle } from '@jupyterlab/translation';
import type { IErrorBody } from './shapes';

/** A failed call: what happened and where (`message`), what to do next (`hint`). */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    body: IErrorBody
  ) {
    super(body.message);
    this.name = 'ApiError';
    this.code = body.code;
    this.path = body.path;
    this.hint = body.hint;
  }

  /** The stable name of the kind of error; `ServerUnreachable`, `SignedOut`, `Unexpected` are this page's own. */
  readonly code: string;
  readonly path: string | null;
  readonly hint: string;
}

/** Whatever was thrown, as an `ApiError`. */
export function asApiError(reason: unknown, path: string | null): ApiError {
  if (reason instanceof ApiError) {
    return reason;
  }
  if (typeof reason === 'object' && reason !== null && 'hint' in reason) {
    return new ApiError(0, reason as IErrorBody);
  }
  const message = reason instanceof Error ? reason.message : String(reason);
  return new ApiError(0, { code: 'Unexpected', message, path, hint: '' });
}

/** The Jupyter server cannot be reached. */
export function unreachable(trans: TranslationBundle): ApiError {
  return new ApiError(0, {
    code: 'ServerUnreachable',
    message: trans.__('The Jupyter server does not answer.'),
    path: null,
    hint: trans.__(
      'Check the network; if the server was stopped, start it again.'
    )
  });
}

/** A file of this computer cannot be read any more. */
export function unreadable(trans: TranslationBundle): ApiError {
  return new ApiError(0, {
    code: 'FileChanged',
    message: trans.__(
      'The file was changed, moved or deleted on this computer after it was chosen.'
    ),
    path: null,
    hint: trans.__('Upload it again.')
  });
}

/** What stands between the page and a server answers with these when the server is not there. */
const ABSENT = [424, 502, 503, 504];

/** An answer that is no success. `body` is what it said, if that was JSON. */
export function refused(
  status: number,
  body: unknown,
  trans: TranslationBundle
): ApiError {
  const given = (
    typeof body === 'object' ? body : null
  ) as Partial<IErrorBody> | null;
  if (given?.code && given.message) {
    return new ApiError(status, {
      code: given.code,
      message: given.message,
      path: given.path ?? null,
      hint: given.hint ?? ''
    });
  }
  if (ABSENT.includes(status)) {
    return unreachable(trans);
  }
  const make = (code: string, message: string, hint: string): ApiError =>
    new ApiError(status, { code, message, path: null, hint });
  if (status === 401 || status === 403 || status < 300) {
    return make(
      'SignedOut',
      trans.__('The Jupyter server no longer accepts this page.'),
      trans.__('Reload the page and sign in again.')
    );
  }
  if (status === 404) {
    return make(
      'NotInstalled',
      trans.__('This Jupyter server does not know the managed storage.'),
      trans.__(
        'The server extension jupyter_wherobots is not enabled; `jupyter server extension list` shows why.'
      )
    );
  }
  return make(
    'Unexpected',
    given?.message ?? trans.__('The server answered with status %1.', status),
    trans.__('Try again; the log of the Jupyter server says more.')
  );
}
