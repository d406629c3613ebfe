import { expect, test } from 'vitest';
import { ApiError } from '../rest/errors';
import { entry, Pages } from '../testing';
import { FolderModel } from './folder';

const files = (count: number) =>
  Array.from({ length: count }, (_, i) =>
    entry(`/d/${String(i).padStart(4, '0')}`)
  );
const names = (folder: FolderModel) => folder.entries.map(each => each.name);

test('pages come one after the other, and calls while one is on its way share it', async () => {
  const pages = new Pages(...files(5));
  const folder = new FolderModel(pages, '/d/', 2);
  await Promise.all([folder.more(), folder.more()]);
  expect(pages.calls).toEqual(['/d/@']);
  expect(folder.complete).toBe(false);
  await folder.all();
  expect(pages.calls).toEqual(['/d/@', '/d/@2', '/d/@4']);
  expect(folder.entries).toHaveLength(5);
  expect(folder.complete).toBe(true);
  await folder.more();
  expect(pages.calls).toHaveLength(3);
});

test('a page that fails keeps what is there, and can be asked for again', async () => {
  const pages = new Pages(...files(4));
  const folder = new FolderModel(pages, '/d/', 2);
  await folder.more();
  const body = { code: 'Throttled', message: 'Slow', path: null, hint: '' };
  pages.failure = new ApiError(429, body);
  await folder.more();
  expect(folder.error?.code).toBe('Throttled');
  expect(folder.entries).toHaveLength(2);
  pages.failure = null;
  await folder.more();
  expect(folder.error).toBeNull();
  expect(folder.complete).toBe(true);
});

test('a refresh shows the old entries until as many new ones are here', async () => {
  const pages = new Pages(...files(6));
  const folder = new FolderModel(pages, '/d/', 2);
  await folder.all();
  pages.set(...files(6).slice(1));
  const seen: number[] = [];
  folder.changed.connect(() => seen.push(folder.entries.length));
  await folder.refresh(3);
  expect(new Set(seen)).toEqual(new Set([6, 4]));
  expect(names(folder)).toEqual(['0001', '0002', '0003', '0004']);
  await folder.all();
  expect(names(folder)).toHaveLength(5);
});

test('a refresh that fails keeps the old entries', async () => {
  const pages = new Pages(...files(2));
  const folder = new FolderModel(pages, '/d/');
  await folder.more();
  pages.failure = new Error('no');
  await folder.refresh();
  expect(folder.entries).toHaveLength(2);
  expect(folder.error?.message).toBe('no');
});

test('an uploaded file is shown at once, and once only when its page comes', async () => {
  const pages = new Pages(...files(4));
  const folder = new FolderModel(pages, '/d/', 2);
  await folder.more();
  folder.put(entry('/d/0003', { size: 99 }));
  expect(names(folder)).toEqual(['0000', '0001', '0003']);
  await folder.more();
  expect(names(folder)).toEqual(['0000', '0001', '0002', '0003']);
  expect(folder.entries[3]?.size).toBe(10);
});

test('a disposed folder takes no answer any more', async () => {
  const pages = new Pages(...files(1));
  const folder = new FolderModel(pages, '/d/');
  const reading = folder.more();
  folder.dispose();
  await reading;
  expect(folder.entries).toHaveLength(0);
  expect(folder.error).toBeNull();
});
