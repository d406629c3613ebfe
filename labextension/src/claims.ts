/**
 * Which upload sessions a tab of this browser is sending: told to the other tabs by the browser's own locks, which end with the
 * tab, however it ends. Browsers have them on secure origins only (https, localhost); elsewhere nothing is claimed.
 */

const PREFIX = 'jupyter-wherobots:upload:';

export class Claims {
  /** Hold exactly these sessions. */
  hold(ids: readonly string[]): void {
    const locks = available();
    for (const [id, release] of this._held) {
      if (!ids.includes(id)) {
        release();
        this._held.delete(id);
      }
    }
    for (const id of ids) {
      if (locks && !this._held.has(id)) {
        const held = new Promise<void>(resolve => this._held.set(id, resolve));
        void locks.request(PREFIX + id, () => held);
      }
    }
  }

  /** The sessions that any tab holds. */
  async all(): Promise<ReadonlySet<string>> {
    const { held = [] } = (await available()?.query()) ?? {};
    return new Set(
      held
        .map(lock => lock.name ?? '')
        .filter(name => name.startsWith(PREFIX))
        .map(name => name.slice(PREFIX.length))
    );
  }

  private readonly _held = new Map<string, () => void>();
}

/** The types promise it on every origin. */
function available(): LockManager | undefined {
  return (navigator as { locks?: LockManager }).locks;
}
