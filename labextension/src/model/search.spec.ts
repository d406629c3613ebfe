import { expect, test } from 'vitest';
import type { SearchLine } from '../rest/shapes';
import { entry, until } from '../testing';
import { SearchModel } from './search';

async function* lines(
  signal: AbortSignal,
  given: readonly SearchLine[],
  endless = false
): AsyncGenerator<SearchLine> {
  yield* given;
  while (endless) {
    await new Promise(resolve => setTimeout(resolve, 5));
    signal.throwIfAborted();
  }
}

const start = (given: readonly SearchLine[], endless = false) =>
  new SearchModel(
    { search: (_path, _name, signal) => lines(signal, given, endless) },
    '/d/',
    'csv'
  );
const found = (path: string): SearchLine => ({
  kind: 'entry',
  entry: entry(path)
});

test('results come as they are found, and the end says whether that was all', async () => {
  const search = start([
    { kind: 'progress', scanned: 10, found: 0 },
    found('/d/a.csv'),
    found('/d/x/b.csv'),
    { kind: 'end', scanned: 500, found: 2, complete: true }
  ]);
  await until(() => !search.running && search.results.length === 2);
  expect(search.scanned).toBe(500);
  expect(search.complete).toBe(true);
});

test('stopped, it keeps what it found and is no failure', async () => {
  const search = start([found('/d/a.csv')], true);
  await until(() => search.results.length === 1);
  expect(search.running).toBe(true);
  search.stop();
  await until(() => !search.running);
  expect(search.error).toBeNull();
  expect(search.complete).toBe(false);
  expect(search.results).toHaveLength(1);
});

test('an error on the way is told beside what was found', async () => {
  const body = { code: 'Throttled', message: 'Slow', path: null, hint: 'Wait' };
  const search = start([found('/d/a.csv'), { kind: 'error', error: body }]);
  await until(() => search.error !== null && search.results.length === 1);
  expect(search.error).toMatchObject(body);
});
