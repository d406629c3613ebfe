import { expect, test } from 'vitest';
import { folded } from './crumbs';

test('nothing is folded while everything fits', () => {
  expect(folded([20, 40, 40], 30, 100)).toBe(0);
});

test('as few as need be are folded, from the beginning', () => {
  expect(folded([20, 40, 40, 40, 40], 30, 170)).toBe(1);
  expect(folded([20, 40, 40, 40, 40], 30, 130)).toBe(2);
});

test('the first and the last stay, whatever the room', () => {
  expect(folded([20, 40, 400], 30, 50)).toBe(1);
  expect(folded([20, 400], 30, 50)).toBe(0);
});
