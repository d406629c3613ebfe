import { nullTranslator } from '@jupyterlab/translation';
import { expect, test } from 'vitest';
import type { IStatus, ISync } from './rest/shapes';
import { describe } from './statusitem';
import { SAVED } from './testing';
import { formatTime } from './view/format';

const trans = nullTranslator.load('');
const AT = SAVED.savedAt!;

function words(
  sync: Partial<ISync> | null,
  mode = 'sync',
  unsaved = 0
): string {
  const status = {
    homePersistence: { mode, reason: 'it is so.' },
    sync: sync && { ...SAVED, ...sync }
  } as IStatus;
  return describe(status, unsaved, trans)!.label;
}

test('the status bar says what of home is saved', () => {
  expect(words({})).toBe(`Saved ${formatTime(AT)}`);
  expect(formatTime(AT)).toMatch(/^\d\d:02:07$/);
  expect(words({ phase: 'pushing', pendingFiles: 3 })).toBe('3 to save');
  expect(words({ pendingFiles: 3 }, 'sync', 2)).toBe('5 to save');
  expect(words({}, 'sync', 1)).toBe('1 to save');
  const restore = {
    filesDone: 10,
    filesTotal: 2000,
    bytesDone: 0,
    bytesTotal: 0
  };
  expect(words({ restored: false, restore })).toBe(
    'Restoring home… 10 of 2,000 files'
  );
  expect(words({ error: 'No permission.' })).toBe(
    'Not synchronised: No permission.'
  );
  expect(words(null, 'off')).toBe('Not synchronised: it is so.');
  expect(words(null, 'filesystem')).toBe('Home is on persistent storage');
});

test('a long reason is cut short', () => {
  expect(words({ error: 'x'.repeat(200) }).length).toBeLessThan(70);
});
