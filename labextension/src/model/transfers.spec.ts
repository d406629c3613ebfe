import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { ApiError } from '../rest/errors';
import type { IUploadOptions } from '../rest/api';
import type { IEntry, IUpload } from '../rest/shapes';
import type { ISendOptions } from '../rest/transport';
import { entry } from '../testing';
import { TransferQueue } from './transfers';

const PART = 10;

function failure(code: string): ApiError {
  return new ApiError(500, { code, message: code, path: null, hint: '' });
}

/** A storage in memory that keeps S3's rules about names, and fails when told to. */
class Target {
  files = new Map<string, number>();
  sessions = new Map<string, IUpload>();
  failures: ApiError[] = [];
  log: string[] = [];
  begun = 0;
  flying = 0;
  most = 0;
  gate: Promise<void> | null = null;

  upload = async (
    path: string,
    body: Blob,
    options: IUploadOptions & ISendOptions
  ): Promise<IEntry> => {
    await this._request(`put ${path}`, options.signal);
    return this._store(path, body.size, options.conflict);
  };

  createUpload = async (
    path: string,
    size: number,
    options: IUploadOptions & { label?: string }
  ): Promise<IUpload> => {
    await this._request(`begin ${path}`);
    const session: IUpload = {
      id: String((this.begun += 1)),
      path,
      uri: '',
      size,
      partSize: PART,
      partCount: Math.ceil(size / PART),
      parts: [],
      received: 0,
      conflict: options.conflict ?? 'fail',
      etag: null,
      label: options.label ?? null,
      created: ''
    };
    this.sessions.set(session.id, session);
    return { ...session };
  };

  getUpload = async (id: string): Promise<IUpload> => {
    await this._request(`look ${id}`);
    const session = this.sessions.get(id);
    if (!session) {
      throw failure('NotFound');
    }
    return { ...session, parts: [...session.parts] };
  };

  putPart = async (
    id: string,
    number: number,
    body: Blob,
    options: ISendOptions
  ): Promise<{ number: number; size: number; etag: string }> => {
    await this._request(`part ${number}`, options.signal);
    const session = this.sessions.get(id)!;
    const part = { number, size: body.size, etag: '' };
    session.parts.push(part);
    session.received += body.size;
    return part;
  };

  completeUpload = async (
    id: string,
    conflict: IUploadOptions['conflict']
  ): Promise<IEntry> => {
    await this._request('complete');
    const session = this.sessions.get(id)!;
    const made = this._store(session.path, session.received, conflict);
    this.sessions.delete(id);
    return made;
  };

  abortUpload = (id: string): Promise<void> => {
    this.log.push(`abort ${id}`);
    this.sessions.delete(id);
    return Promise.resolve();
  };

  private _store(
    path: string,
    size: number,
    conflict: IUploadOptions['conflict']
  ): IEntry {
    if (this.files.has(path) && conflict === 'fail') {
      throw failure('AlreadyExists');
    }
    const name =
      this.files.has(path) && conflict === 'keep-both' ? `${path} (1)` : path;
    this.files.set(name, size);
    return entry(name, { size });
  }

  private async _request(what: string, signal?: AbortSignal): Promise<void> {
    this.log.push(what);
    this.flying += signal ? 1 : 0;
    this.most = Math.max(this.most, this.flying);
    try {
      await new Promise(resolve => setTimeout(resolve, 10));
      await this.gate;
      signal?.throwIfAborted();
      const error = this.failures.shift();
      if (error) {
        throw error;
      }
    } finally {
      this.flying -= signal ? 1 : 0;
    }
  }
}

let target: Target;
let queue: TransferQueue;

beforeEach(() => {
  vi.useFakeTimers();
  target = new Target();
  queue = new TransferQueue(target, () => PART);
});
afterEach(() => {
  queue.dispose();
  vi.useRealTimers();
});

const file = (size: number, name = 'f') =>
  new File(['x'.repeat(size)], name, { lastModified: 1 });
const settle = () => vi.advanceTimersByTimeAsync(60_000);
const states = () => queue.items.map(item => item.state);

test('small files go in one request, large ones in parts', async () => {
  queue.add(file(5), '/d/small');
  queue.add(file(25), '/d/large');
  await settle();
  expect(states()).toEqual(['done', 'done']);
  expect([...target.files]).toEqual([
    ['/d/small', 5],
    ['/d/large', 25]
  ]);
  expect(target.log.filter(line => line.startsWith('part'))).toHaveLength(3);
});

test('never more than four uploads of bytes at once, whatever is queued', async () => {
  for (let i = 0; i < 9; i++) {
    queue.add(file(95), `/d/${i}`);
  }
  await settle();
  expect(target.files.size).toBe(9);
  expect(target.most).toBe(4);
});

test('a name that is taken waits for an answer, and nothing is replaced before', async () => {
  target.files.set('/d/f', 1);
  const item = queue.add(file(5), '/d/f');
  await settle();
  expect(item.state).toBe('asking');
  expect(target.files.get('/d/f')).toBe(1);
  queue.answer(item, 'keep-both');
  await settle();
  expect(item.entry?.path).toBe('/d/f (1)');
  expect(target.files.get('/d/f')).toBe(1);
});

test('an answer for all holds for this batch, and is asked again in the next', async () => {
  for (let i = 0; i < 7; i++) {
    target.files.set(`/d/${i}`, 1);
    queue.add(file(5), `/d/${i}`);
  }
  await settle();
  queue.answer(queue.items[0]!, 'skip', true);
  await settle();
  expect(new Set(states())).toEqual(new Set(['skipped']));
  const later = queue.add(file(5), '/d/1');
  await settle();
  expect(later.state).toBe('asking');
});

test('a paused upload sends only what is missing when it goes on', async () => {
  const item = queue.add(file(95), '/d/f');
  await vi.advanceTimersByTimeAsync(35); // begun, and some parts have arrived
  queue.pause(item);
  await settle();
  expect(item.state).toBe('paused');
  const held = target.sessions.get(item.session!.id)!.parts.length;
  expect(held).toBeGreaterThan(0);
  target.log = [];
  queue.resume(item);
  await settle();
  expect(item.state).toBe('done');
  expect(target.log.filter(line => line.startsWith('part'))).toHaveLength(
    10 - held
  );
  expect(target.files.get('/d/f')).toBe(95);
});

test('what passes by itself is tried again, what does not is said', async () => {
  target.failures = [failure('Throttled'), failure('Unreachable')];
  const passing = queue.add(file(5), '/d/f');
  await settle();
  expect(passing.state).toBe('done');
  target.failures = [failure('AccessDenied')];
  const refused = queue.add(file(5), '/d/g');
  await settle();
  expect(refused.state).toBe('failed');
  expect(refused.error?.code).toBe('AccessDenied');
  queue.resume(refused);
  await settle();
  expect(refused.state).toBe('done');
});

test('a part that fails for good keeps the others for the next try', async () => {
  const item = queue.add(file(45), '/d/f');
  await vi.advanceTimersByTimeAsync(15);
  target.failures = [failure('AccessDenied')];
  await settle();
  expect(item.state).toBe('failed');
  const held = target.sessions.get(item.session!.id)!.parts.length;
  target.log = [];
  queue.resume(item);
  await settle();
  expect(item.state).toBe('done');
  expect(target.log.filter(line => line.startsWith('part'))).toHaveLength(
    5 - held
  );
});

test('progress counts what has arrived, and not what failed before', async () => {
  target.failures = [failure('AccessDenied')];
  const bad = queue.add(file(5), '/d/bad');
  await settle();
  expect(bad.state).toBe('failed');
  queue.add(file(5), '/d/a');
  queue.add(file(45), '/d/b');
  expect(queue.progress).toEqual({ files: 2, sent: 0, size: 50 });
  await vi.advanceTimersByTimeAsync(25);
  expect(queue.progress).toMatchObject({ files: 1, size: 50 });
  expect(queue.progress.sent).toBeGreaterThan(5);
  await settle();
  expect(queue.progress).toEqual({ files: 0, sent: 50, size: 50 });
});

test('cancelling aborts the session and frees the lane', async () => {
  const item = queue.add(file(95), '/d/f');
  await vi.advanceTimersByTimeAsync(25);
  queue.cancel(item);
  const next = queue.add(file(5), '/d/g');
  await settle();
  expect(item.state).toBe('cancelled');
  expect(target.log).toContain('abort 1');
  expect(next.state).toBe('done');
  expect([...target.files.keys()]).toEqual(['/d/g']);
});

test('an interrupted upload goes on when the same file is chosen, and not with another', async () => {
  const first = queue.add(file(45), '/d/f');
  await vi.advanceTimersByTimeAsync(25);
  queue.pause(first);
  await settle();
  const sessions = [...target.sessions.values()];

  const page = new TransferQueue(target, () => PART);
  page.recall(sessions);
  page.recall(sessions);
  expect(page.items.map(item => item.state)).toEqual(['interrupted']);
  expect(page.matches(page.items[0]!, file(46))).toBe(false);
  expect(page.matches(page.items[0]!, file(45))).toBe(true);
  page.add(file(45), '/d/f');
  await settle();
  expect(page.items.map(item => item.state)).toEqual(['done']);
  expect(target.files.get('/d/f')).toBe(45);
  page.dispose();
});

test('a session that began after its file was cancelled is aborted', async () => {
  const item = queue.add(file(25), '/d/f');
  await vi.advanceTimersByTimeAsync(5);
  queue.cancel(item);
  await settle();
  expect(target.sessions.size).toBe(0);
  expect(states()).toEqual(['cancelled']);
});

test('a pause while the session begins does not begin another', async () => {
  const item = queue.add(file(25), '/d/f');
  await vi.advanceTimersByTimeAsync(5);
  queue.pause(item);
  queue.resume(item);
  await settle();
  expect(states()).toEqual(['done']);
  expect(target.begun).toBe(1);
});

test('once everything is sent there is nothing to pause or to cancel', async () => {
  const item = queue.add(file(25), '/d/f');
  while (!target.log.includes('complete')) {
    await vi.advanceTimersByTimeAsync(5);
  }
  queue.pause(item);
  queue.cancel(item);
  expect(item.ending).toBe(true);
  await settle();
  expect(states()).toEqual(['done']);
  expect(item.ending).toBe(false);
});

test('a session that is gone is begun anew', async () => {
  const item = queue.add(file(25), '/d/f');
  while (item.session === null) {
    await vi.advanceTimersByTimeAsync(5);
  }
  queue.pause(item);
  target.sessions.clear();
  queue.resume(item);
  await settle();
  expect(states()).toEqual(['done']);
  expect(target.files.get('/d/f')).toBe(25);
});

test('all are paused, resumed and cancelled at once, and none begins meanwhile', async () => {
  for (let n = 0; n < 20; n++) {
    queue.add(file(5), `/d/${n}`);
  }
  await vi.advanceTimersByTimeAsync(5);
  queue.pause(...queue.stoppable);
  await settle();
  expect(target.log).toHaveLength(4);
  expect(new Set(states())).toEqual(new Set(['paused']));
  queue.resume(...queue.stoppable);
  await vi.advanceTimersByTimeAsync(5);
  queue.cancel(...queue.stoppable);
  await settle();
  expect(target.log).toHaveLength(8);
  expect(new Set(states())).toEqual(new Set(['cancelled']));
  expect(target.files.size).toBe(0);
});
