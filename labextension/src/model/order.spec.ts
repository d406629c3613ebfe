import { expect, test, vi } from 'vitest';
import { entry } from '../testing';
import { BY_NAME, sorted } from './order';

const names = (entries: readonly { name: string }[] | null) =>
  entries?.map(each => each.name);

test('by name: folders first, numbers as numbers, case aside', async () => {
  const entries = ['/b10', '/B9', '/a', '/z/', '/Y/'].map(path => entry(path));
  expect(names(await sorted(entries, BY_NAME))).toEqual([
    'Y',
    'z',
    'a',
    'B9',
    'b10'
  ]);
});

test('by size, the largest first; equal ones by name', async () => {
  const entries = [
    entry('/b', { size: 5 }),
    entry('/a', { size: 5 }),
    entry('/c', { size: 7 }),
    entry('/folder/')
  ];
  const sort = { key: 'size', descending: true } as const;
  expect(names(await sorted(entries, sort))).toEqual(['folder', 'c', 'a', 'b']);
});

test('by date', async () => {
  const entries = [
    entry('/old', { lastModified: '2020-01-01T00:00:00Z' }),
    entry('/new', { lastModified: '2026-01-01T00:00:00Z' })
  ];
  const sort = { key: 'modified', descending: true } as const;
  expect(names(await sorted(entries, sort))).toEqual(['new', 'old']);
});

test('long lists are sorted in slices, equal to sorting at once', async () => {
  const entries = Array.from({ length: 5003 }, (_, i) =>
    entry(`/${(i * 7919) % 5003}`)
  );
  const result = await sorted(entries, BY_NAME);
  expect(names(result)).toEqual(
    Array.from({ length: 5003 }, (_, i) => String(i))
  );
});

test('sorting stops when nobody waits for it', async () => {
  let now = 0;
  const clock = vi
    .spyOn(performance, 'now')
    .mockImplementation(() => (now += 50));
  const entries = Array.from({ length: 3000 }, (_, i) => entry(`/${i}`));
  expect(await sorted(entries, BY_NAME, () => true)).toBeNull();
  clock.mockRestore();
});
