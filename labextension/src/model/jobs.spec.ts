import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { nullTranslator } from '@jupyterlab/translation';
import { ApiError } from '../rest/errors';
import type { IErrorBody, IJob, JobRequest } from '../rest/shapes';
import { isRefused, JobList, takenNames } from './jobs';

function job(id: string, facts: Partial<IJob> = {}): IJob {
  return {
    id,
    kind: 'copy',
    state: 'running',
    title: `Job ${id}`,
    created: '',
    finished: null,
    destination: '/d/',
    objects: 0,
    bytes: 0,
    totalObjects: null,
    totalBytes: null,
    skipped: 0,
    current: null,
    errors: [],
    errorCount: 0,
    results: [],
    ...facts
  };
}

const taken = (path: string): IErrorBody => ({
  code: 'AlreadyExists',
  message: '',
  path,
  hint: ''
});

class Source {
  jobs_ = new Map<string, IJob>();
  asked: JobRequest[] = [];
  looks = 0;

  jobs = () => {
    this.looks += 1;
    return Promise.resolve({ jobs: [...this.jobs_.values()].reverse() });
  };
  createJob = (request: JobRequest) => {
    this.asked.push(request);
    const made = job(String(this.asked.length), { kind: request.kind });
    this.jobs_.set(made.id, made);
    return Promise.resolve(made);
  };
  cancelJob = (id: string) => {
    const old = this.jobs_.get(id);
    if (!old) {
      const body = { code: 'NotFound', message: '', path: null, hint: '' };
      return Promise.reject(new ApiError(404, body));
    }
    const now =
      old.state === 'running' ? { ...old, state: 'cancelled' as const } : old;
    if (old.state === 'running') {
      this.jobs_.set(id, now);
    } else {
      this.jobs_.delete(id);
    }
    return Promise.resolve(now);
  };
  set(id: string, facts: Partial<IJob>): void {
    this.jobs_.set(id, { ...this.jobs_.get(id)!, ...facts });
  }
}

const REQUEST: JobRequest = {
  kind: 'copy',
  items: [{ path: '/s/a.csv' }, { path: '/s/folder/' }, { path: '/s/b.csv' }],
  destination: '/d/'
};

let source: Source;
let list: JobList;

beforeEach(() => {
  vi.useFakeTimers();
  source = new Source();
  list = new JobList(source, nullTranslator.load(''), () => false);
});
afterEach(() => {
  list.dispose();
  vi.useRealTimers();
});

test('it is asked for while something runs, and not otherwise', async () => {
  await vi.advanceTimersByTimeAsync(10_000);
  expect(source.looks).toBe(0);
  const ended: string[] = [];
  list.ended.connect((_, each) => ended.push(each.id));
  const { id } = await list.start(REQUEST);
  await vi.advanceTimersByTimeAsync(2000);
  expect(source.looks).toBeGreaterThan(1);
  source.set(id, { state: 'done' });
  await vi.advanceTimersByTimeAsync(1000);
  expect(ended).toEqual([id]);
  const { looks } = source;
  await vi.advanceTimersByTimeAsync(60_000);
  expect(source.looks).toBe(looks);
});

test('waiting for a job gives it when it is over', async () => {
  const over = list.run(REQUEST);
  await vi.advanceTimersByTimeAsync(600);
  source.set('1', { state: 'failed', errorCount: 1 });
  await vi.advanceTimersByTimeAsync(600);
  expect((await over).errorCount).toBe(1);
});

test('what was refused is said by whoever waits for it, and by nobody else', async () => {
  const over = list.run(REQUEST);
  await vi.advanceTimersByTimeAsync(10);
  source.set('1', { state: 'failed', errorCount: 1 });
  const shown: number[] = [];
  list.changed.connect(() => shown.push(list.items.length));
  await vi.advanceTimersByTimeAsync(600);
  expect(isRefused(await over)).toBe(true);
  expect(shown.every(count => count === 0)).toBe(true);
  expect(source.jobs_.size).toBe(0);
});

test('what was over before is no news; what another tab began is', async () => {
  source.jobs_.set('old', job('old', { state: 'done' }));
  source.jobs_.set('new', job('new'));
  await list.look();
  expect(list.items.map(each => each.id)).toEqual(['new']);
});

test('names that are taken are tried again alone, with the other rule', async () => {
  const { id } = await list.start(REQUEST);
  source.set(id, {
    state: 'failed',
    errors: [taken('/d/a.csv'), taken('/d/folder/x/y.csv')]
  });
  await vi.advanceTimersByTimeAsync(600);
  await list.retry(list.items[0]!, 'replace');
  expect(source.asked[1]).toEqual({
    ...REQUEST,
    items: [{ path: '/s/a.csv' }, { path: '/s/folder/' }],
    conflict: 'replace'
  });
  expect(list.items.map(each => each.id)).toEqual(['2']);
});

test('the names taken in home are found too', () => {
  const request: JobRequest = {
    kind: 'storage-to-home',
    items: [{ path: '/s/a.csv' }],
    destination: ''
  };
  const failed = job('1', { errors: [taken('a.csv')] });
  expect([...takenNames(failed, request)]).toEqual(['a.csv']);
});

test('a job that the server forgot is over, and nobody knows how', async () => {
  await list.start(REQUEST);
  source.jobs_.clear(); // restarted
  await vi.advanceTimersByTimeAsync(2000);
  const lost = list.items[0]!;
  expect(lost.errors[0]?.code).toBe('Forgotten');
  expect(list.items.map(each => each.state)).toEqual(['failed']);
  await list.cancel(lost);
  expect(list.items).toEqual([]);
});

test('the finished ones can be cleared though the server knows them no more', async () => {
  const { id } = await list.start(REQUEST);
  source.set(id, { state: 'done' });
  await vi.advanceTimersByTimeAsync(600);
  source.jobs_.clear();
  await list.clear();
  expect(list.items).toEqual([]);
});

test('a job that began while one was asking is not taken for forgotten', async () => {
  const answer = list.look(); // asked before there was one
  await list.start(REQUEST);
  source.jobs_.clear();
  await answer;
  expect(list.items.map(each => each.state)).toEqual(['running']);
});
