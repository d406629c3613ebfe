import { expect, test } from 'vitest';
import { entry, Pages, until } from '../testing';
import { BrowserModel } from './browser';

const names = (browser: BrowserModel) => browser.rows.map(row => row.name);

async function shown(pages: Pages, path = '/d/'): Promise<BrowserModel> {
  const browser = new BrowserModel(pages);
  browser.go(path);
  browser.visible = true;
  await until(() => browser.folder.readAt > 0 && !browser.folder.busy);
  return browser;
}

test('hidden, it asks for nothing; shown, it reads where it is', async () => {
  const pages = new Pages(entry('/d/a'));
  const browser = new BrowserModel(pages);
  browser.go('/d/');
  expect(pages.calls).toEqual([]);
  browser.visible = true;
  await until(() => names(browser).length === 1);
  expect(pages.calls).toEqual(['/d/@']);
});

test('going up stands on the folder it came from', async () => {
  const pages = new Pages(entry('/d/a/'), entry('/d/b/'), entry('/d/b/file'));
  const browser = await shown(pages, '/d/b/');
  browser.up();
  await until(() => names(browser).length === 2);
  expect(browser.path).toBe('/d/');
  expect(browser.selection.selected).toEqual(['/d/b/']);
});

test('a folder seen before is shown at once and read again', async () => {
  const pages = new Pages(entry('/d/a/'), entry('/d/a/x'));
  const browser = await shown(pages);
  browser.go('/d/a/');
  await until(() => names(browser).length === 1);
  pages.set(entry('/d/a/'), entry('/d/new'));
  browser.go('/d/');
  await Promise.resolve();
  expect(names(browser)).toEqual(['a']);
  await until(() => names(browser).includes('new'));
});

test('a long folder stays in the order of the storage until it is sorted', async () => {
  const many = Array.from({ length: 1500 }, (_, i) =>
    entry(`/d/${String(i).padStart(4, '0')}`, { size: i })
  );
  const pages = new Pages(entry('/d/Z/'), ...many);
  const browser = await shown(pages);
  expect(browser.rows).toHaveLength(1000);
  browser.sortBy('size');
  expect(browser.gathering).toBe(true);
  await until(() => browser.rows.length === 1501 && !browser.gathering);
  await until(() => browser.rows[1]?.size === 1499);
  expect(browser.rows[0]?.name).toBe('Z');
  browser.sortBy('size');
  await until(() => browser.rows[1]?.size === 0);
});

test('the order goes along, but does not have a long folder read', async () => {
  const many = Array.from({ length: 1500 }, (_, i) =>
    entry(`/d/${1000 + i}`, { size: i })
  );
  const pages = new Pages(
    entry('/s/a', { size: 1 }),
    entry('/s/b', { size: 2 }),
    ...many
  );
  const browser = await shown(pages, '/s/');
  browser.sortBy('size');
  await until(() => names(browser).join() === 'b,a');
  browser.go('/d/');
  await until(() => browser.rows.length === 1000);
  expect([browser.sort.key, browser.gathering]).toEqual(['name', false]);
  browser.inSight(900, 930);
  await until(() => browser.folder.complete);
  expect(browser.rows[0]?.name).toBe('1000');
  browser.go('/s/');
  await until(() => names(browser).join() === 'b,a');
  browser.go('/d/');
  expect(browser.sort.key).toBe('name');
  browser.sortBy('size');
  await until(() => browser.rows[0]?.size === 1499);
});

test('one comes back to the row and the place, as far as they are there', async () => {
  const pages = new Pages(entry('/d/a', { size: 1 }), entry('/d/b'));
  const browser = new BrowserModel(pages);
  browser.order = { key: 'size', descending: true };
  browser.go('/d/');
  browser.comeBack({ row: '/d/a', first: 1 });
  browser.visible = true;
  await until(() => browser.start !== null);
  expect(names(browser)).toEqual(['b', 'a']);
  expect(browser.selection.selected).toEqual(['/d/a']);
  expect(browser.start?.first).toBe(1);
  browser.go('/other/');
  browser.comeBack({ row: '/other/gone', first: 0 });
  await until(() => browser.start?.row === '/other/gone');
  expect(browser.selection.active).toBeNull();
});

test('the next page is fetched before it is needed', async () => {
  const pages = new Pages(
    ...Array.from({ length: 2500 }, (_, i) => entry(`/d/${1000 + i}`))
  );
  const browser = await shown(pages);
  browser.inSight(0, 30);
  await until(() => browser.rows.length === 2000);
  browser.inSight(10, 40);
  expect(pages.calls).toHaveLength(2);
});

test('a filter looks through the whole folder and forgets nothing', async () => {
  const pages = new Pages(
    ...Array.from({ length: 1200 }, (_, i) => entry(`/d/${1000 + i}`)),
    entry('/d/Zebra')
  );
  const browser = await shown(pages);
  browser.openFilter(true);
  browser.setFilter('zeb');
  await until(() => names(browser).length === 1);
  expect(names(browser)).toEqual(['Zebra']);
  browser.openFilter(false);
  await until(() => browser.rows.length === 1201);
});

test('what was created far below shows up as a folder here', async () => {
  const pages = new Pages(entry('/d/a'));
  const browser = await shown(pages);
  browser.appeared(entry('/d/deep/er/file'));
  browser.appeared(entry('/d/deep/er/other'));
  await until(() => names(browser).includes('deep'));
  expect(browser.rows.find(row => row.name === 'deep')).toEqual(
    entry('/d/deep/')
  );
  expect(pages.calls).toHaveLength(1);
});

test('what was uploaded here is shown without asking', async () => {
  const pages = new Pages(entry('/d/a'));
  const browser = await shown(pages);
  browser.appeared(entry('/d/b'));
  await until(() => names(browser).includes('b'));
  expect(pages.calls).toHaveLength(1);
});

test('a search shows what lies below, and closing the box shows the folder again', async () => {
  const pages = new Pages(entry('/d/a'), entry('/d/x/b'));
  const browser = await shown(pages);
  browser.openFilter(true);
  browser.setFilter('b');
  browser.searchBelow();
  await until(() => browser.rows.length === 2 && !browser.search!.running);
  expect(browser.search?.complete).toBe(true);
  browser.openFilter(false);
  await until(() => names(browser).join() === 'a');
  expect(browser.search).toBeNull();
});

test('what was found can be sorted once the search is over', async () => {
  const pages = new Pages(
    entry('/d/x/b1', { size: 1 }),
    entry('/d/x/b2', { size: 3 }),
    entry('/d/b3', { size: 2 })
  );
  const browser = await shown(pages);
  browser.openFilter(true);
  browser.setFilter('b');
  browser.searchBelow();
  browser.sortBy('size');
  await until(() => names(browser).join() === 'b2,b3,b1');
  browser.sortBy('name');
  await until(() => names(browser).join() === 'b1,b2,b3');
});

test('a row that is looked for is found in a page still to come', async () => {
  const many = Array.from({ length: 2500 }, (_, i) => entry(`/d/${1000 + i}`));
  const pages = new Pages(entry('/x/a'), ...many);
  const browser = await shown(pages, '/x/');
  browser.reveal('/d/3456');
  await until(() => browser.selection.index === 2456);
  expect(browser.selection.selected).toEqual(['/d/3456']);
  expect(browser.missing).toBeNull();
});

test('what is not where it should be is said, until one goes on', async () => {
  const browser = await shown(new Pages(entry('/d/a'), entry('/d/sub/')));
  browser.reveal('/d/gone');
  await until(() => browser.missing === '/d/gone');
  browser.reveal('/d/sub');
  await until(() => browser.selection.selected.join() === '/d/sub/');
  expect(browser.missing).toBeNull();
});

test('a hit in the folder itself is shown there', async () => {
  const browser = await shown(new Pages(entry('/d/a'), entry('/d/b')));
  browser.openFilter(true);
  browser.setFilter('b');
  browser.searchBelow();
  await until(() => !browser.search!.running);
  browser.reveal('/d/b');
  await until(() => names(browser).join() === 'a,b');
  expect(browser.selection.selected).toEqual(['/d/b']);
});

test('a search goes on without what is gone', async () => {
  const pages = new Pages(entry('/d/x/n1'), entry('/d/x/n2'), entry('/d/n/'));
  const browser = await shown(pages);
  browser.openFilter(true);
  browser.setFilter('n');
  browser.searchBelow();
  await until(() => browser.rows.length === 3 && !browser.search!.running);
  browser.gone([{ path: '/d/x/n1', type: 'FILE' }], entry('/d/x/renamed'));
  await until(() => names(browser).includes('renamed'));
  browser.gone([{ path: '/d/x/', type: 'FOLDER' }]);
  await until(() => names(browser).join() === 'n');
});

test('a filter finds accents however they are written', async () => {
  const browser = await shown(new Pages(entry('/d/e\u0301te\u0301.csv')));
  browser.openFilter(true);
  browser.setFilter('\u00c9t\u00e9');
  await until(() => names(browser).length === 1);
});

test('nothing hides a folder that is being named', async () => {
  const browser = await shown(new Pages(entry('/d/roads')));
  browser.openFilter(true);
  browser.setFilter('road');
  browser.beginNaming(null);
  expect([browser.filter, browser.filtering]).toEqual(['', false]);
});
