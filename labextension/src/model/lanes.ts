/**
 * The few requests that run at once, each tried again when the way to the server was at fault.
 */
import { asApiError } from '../rest/errors';

const TRIES = 5;

/** Failures of the way, not of the matter: the same request may succeed. */
const PASSING = new Set([
  'ServerUnreachable',
  'Unreachable',
  'Throttled',
  'Conflicted'
]);

export class Lanes {
  constructor(readonly width: number) {}

  /** Do a request in one of the lanes, again if the way to the server was at fault. */
  async run<T>(signal: AbortSignal, request: () => Promise<T>): Promise<T> {
    for (let attempt = 1; ; attempt++) {
      while (this._busy >= this.width) {
        await new Promise<void>(resolve => this._waiting.push(resolve));
      }
      this._busy += 1;
      try {
        signal.throwIfAborted();
        return await request();
      } catch (reason) {
        const passing = PASSING.has(asApiError(reason, null).code);
        if (signal.aborted || !passing || attempt === TRIES) {
          throw reason;
        }
      } finally {
        this._busy -= 1;
        this._waiting.shift()?.();
      }
      await pause(500 * 2 ** (attempt - 1), signal);
    }
  }

  private _busy = 0;
  private readonly _waiting: (() => void)[] = [];
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener('abort', () => {
      clearTimeout(timer);
      reject(new DOMException('Cancelled', 'AbortError'));
    });
  });
}
