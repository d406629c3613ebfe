import { expect, test } from 'vitest';
import { HomePaths } from './home';

test.each([
  // root, home, of home, of JupyterLab
  ['~', '/home/me', 'a/b.csv', 'a/b.csv'],
  ['/home/me', '/home/me/', 'a/b.csv', 'a/b.csv'],
  ['~/work', '/home/me', 'work/b.csv', 'b.csv'],
  ['/', '/home/me', 'b.csv', 'home/me/b.csv']
])('root %s and home %s: %s is %s', (root, home, ofHome, ofLab) => {
  const paths = new HomePaths(root, home);
  expect(paths.toLab(ofHome)).toBe(ofLab);
  expect(paths.toHome(ofLab)).toBe(ofHome);
});

test('what cannot be reached has no path', () => {
  const paths = new HomePaths('~/work', '/home/me');
  expect(paths.toLab('other/b.csv')).toBeNull();
  expect(paths.toLab('workshop/b.csv')).toBeNull();
  expect(new HomePaths('/srv', '/home/me').toHome('a')).toBeNull();
  expect(new HomePaths('~', null).toLab('a')).toBeNull();
});

test('the root folder itself is home, or a folder of it', () => {
  expect(new HomePaths('~', '/home/me').toHome('')).toBe('');
  expect(new HomePaths('~/work', '/home/me').toHome('')).toBe('work');
});
