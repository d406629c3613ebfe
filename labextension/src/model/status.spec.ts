import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { ApiError } from '../rest/errors';
import type { IStatus } from '../rest/shapes';
import { SAVED } from '../testing';
import { StatusModel } from './status';

class Source {
  calls: string[] = [];
  failure: ApiError | null = null;

  private async answer<T>(name: string, value: T): Promise<T> {
    this.calls.push(name);
    await Promise.resolve();
    if (this.failure) {
      throw this.failure;
    }
    return value;
  }
  status = () =>
    this.answer('status', { sync: SAVED, roots: [] } as unknown as IStatus);
  sync = () => this.answer('sync', { ...SAVED, pendingFiles: 3 });
}

let hidden = false;
let source: Source;
let model: StatusModel;

beforeEach(() => {
  vi.useFakeTimers();
  hidden = false;
  source = new Source();
  model = new StatusModel(source, () => hidden);
});
afterEach(() => {
  model.dispose();
  vi.useRealTimers();
});

test('a hint leads to one look, and many hints to one a second', async () => {
  await model.refresh();
  for (let i = 0; i < 10; i++) {
    model.hint();
  }
  await vi.advanceTimersByTimeAsync(10);
  expect(source.calls).toEqual(['status', 'sync']);
  expect(model.sync?.pendingFiles).toBe(3);
  await vi.advanceTimersByTimeAsync(5000);
  expect(source.calls).toEqual(['status', 'sync', 'sync']);
});

test('a hidden page asks for nothing, and catches up when it is shown', async () => {
  await model.refresh();
  hidden = true;
  model.watched = true;
  model.hint();
  await vi.advanceTimersByTimeAsync(3_570_000);
  expect(source.calls).toEqual(['status']);
  hidden = false;
  model.catchUp();
  await vi.advanceTimersByTimeAsync(10);
  expect(source.calls).toEqual(['status', 'status']);
});

test('while the panel is in sight it looks once a minute without hints', async () => {
  await model.refresh();
  await vi.advanceTimersByTimeAsync(10); // the poll's first look finds nobody watching
  model.watched = true;
  await vi.advanceTimersByTimeAsync(185_000);
  expect(source.calls).toEqual(['status', 'sync', 'sync', 'sync']);
});

test('a failure is kept, and the next look that works mends it', async () => {
  const body = {
    code: 'ServerUnreachable',
    message: 'gone',
    path: null,
    hint: ''
  };
  source.failure = new ApiError(0, body);
  await model.refresh();
  expect(model.error?.code).toBe('ServerUnreachable');
  source.failure = null;
  await model.refresh();
  expect(model.error).toBeNull();
  expect(model.sync?.phase).toBe('watching');
});
