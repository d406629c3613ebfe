import { describe, expect, test } from 'vitest';
import { entry } from '../testing';
import {
  commonFolder,
  crumbsOf,
  keyOf,
  nameOf,
  parentOf,
  problemOfName
} from './paths';

describe('a path', () => {
  test.each([
    ['/', '/', ''],
    ['/data/', '/', 'data'],
    ['/data/x/', '/data/', 'x'],
    ['/data/x/a.csv', '/data/x/', 'a.csv'],
    ['/data/x//', '/data/x/', ''],
    ['/data/x//a', '/data/x//', 'a'],
    ['/a', '/', 'a']
  ])('%s lies in %s and is called %j', (path, parent, name) => {
    expect(parentOf(path)).toBe(parent);
    expect(nameOf(path)).toBe(name);
  });

  test('the crumbs lead from the root to the folder, empty names included', () => {
    expect(crumbsOf('/')).toEqual([{ name: '', path: '/' }]);
    expect(crumbsOf('/data/x//y/').map(crumb => crumb.path)).toEqual([
      '/',
      '/data/',
      '/data/x/',
      '/data/x//',
      '/data/x//y/'
    ]);
  });

  test('a file whose key ends with a slash is not the folder of that path', () => {
    const folder = entry('/data/a/');
    const file = entry('/data/a/', { type: 'FILE' });
    expect(keyOf(folder)).not.toBe(keyOf(file));
  });

  test.each([
    ['', 'empty'],
    ['a/b', 'slash'],
    ['..', 'dots'],
    ['a\nb', 'control'],
    ['ä b%.csv', null]
  ])('the name %j has the problem %s', (name, problem) => {
    expect(problemOfName(name)).toBe(problem);
  });
});

test.each([
  [['/d/a'], '/d/'],
  [['/d/a/', '/d/b'], '/d/'],
  [['/d/x/a', '/d/xy/b'], '/d/'],
  [['/d/x/a', '/d/x//b'], '/d/x/'],
  [['/d/a', '/e/b'], '/']
])('%j lie in %s', (paths, folder) => {
  expect(commonFolder(paths)).toBe(folder);
});
