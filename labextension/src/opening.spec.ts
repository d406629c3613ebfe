import { expect, test } from 'vitest';
import { isText, openingOf } from './opening';
import { entry } from './testing';

const bytes = (...values: number[]) => Uint8Array.from(values).buffer;

test.each([
  ['/d/a.csv', 10, true, 'open'],
  ['/d/a.xyz', 10, false, 'look'],
  ['/d/a.csv', 1000, true, 'too-large'],
  ['/d/a.TIFF', 10, true, 'unknown'],
  ['/d//a.csv', 10, true, 'unreachable']
] as const)('%s of %d bytes: %s %s', (path, size, known, opening) => {
  expect(openingOf(entry(path, { size }), known, 100)).toBe(opening);
});

test('text is told from bytes, even with a character cut in two', () => {
  expect(isText(new TextEncoder().encode('Grüße').buffer)).toBe(true);
  expect(isText(bytes(0x61, 0xc3))).toBe(true);
  expect(isText(bytes(0x50, 0x41, 0x52, 0x31, 0))).toBe(false);
  expect(isText(bytes(0xff, 0xfe, 0x61))).toBe(false);
  expect(isText(bytes())).toBe(true);
});
