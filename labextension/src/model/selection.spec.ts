import { expect, test } from 'vitest';
import { Selection } from './selection';

const make = (keys = ['a', 'b', 'c', 'd', 'e']) => new Selection(() => keys);

test('a click selects one row alone and stands on it', () => {
  const selection = make();
  selection.only('a');
  selection.only('c');
  expect(selection.selected).toEqual(['c']);
  expect(selection.index).toBe(2);
});

test('toggling adds and removes', () => {
  const selection = make();
  selection.only('d');
  selection.toggle('b');
  expect(selection.selected).toEqual(['b', 'd']);
  selection.toggle('d');
  expect(selection.selected).toEqual(['b']);
});

test('extending goes from the anchor, both ways', () => {
  const selection = make();
  selection.only('c');
  selection.extend('e');
  expect(selection.selected).toEqual(['c', 'd', 'e']);
  selection.extend('a');
  expect(selection.selected).toEqual(['a', 'b', 'c']);
  expect(selection.active).toBe('a');
});

test('nothing is extended from a row that is not shown', () => {
  let keys = ['a', 'b', 'c', 'd'];
  const selection = new Selection(() => keys);
  selection.only('b');
  keys = ['a', 'c', 'd'];
  selection.extend('c');
  expect(selection.selected).toEqual(['c']);
  selection.extend('d');
  expect(selection.selected).toEqual(['c', 'd']);
});

test('moving the focus leaves the selection as it is', () => {
  const selection = make();
  selection.only('a');
  selection.focus('d');
  expect(selection.selected).toEqual(['a']);
  expect(selection.active).toBe('d');
});

test('rows that are no longer shown are not selected, but come back with them', () => {
  let keys = ['a', 'b', 'c'];
  const selection = new Selection(() => keys);
  selection.all();
  keys = ['c', 'x'];
  expect(selection.selected).toEqual(['c']);
  keys = ['a', 'b', 'c'];
  expect(selection.selected).toEqual(['a', 'b', 'c']);
});

test('rows that are gone are selected no more, and the keyboard stays where it was', () => {
  let keys = ['a', 'b', 'c', 'd'];
  const selection = new Selection(() => keys);
  const become = (now: string[]): void => {
    const before = keys;
    keys = now;
    selection.follow(before, now);
  };
  selection.only('b');
  selection.extend('c');
  become(['a', 'd']);
  expect(selection.size).toBe(0);
  expect(selection.active).toBe('d');
  become(['a']);
  expect(selection.active).toBe('a');
  selection.only('new');
  become(['a', 'new']);
  expect(selection.selected).toEqual(['new']);
  become([]);
  expect(selection.active).toBeNull();
});
