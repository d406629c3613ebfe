import { nullTranslator } from '@jupyterlab/translation';
import { expect, test } from 'vitest';
import type { IStatus, ISync } from './api';
import { describe } from './statusitem';
import { formatTime } from './view/format';

const trans = nullTranslator.load('');
const THROUGH = '2026-01-01T14:02:07Z';

function words(sync: Partial<ISync> | null, mode = 'sync'): string {
  const status = {
    homePersistence: { mode, reason: 'it is so.' },
    sync: sync && {
      state: 'saved',
      message: null,
      durableThrough: THROUGH,
      pendingFiles: 0,
      pendingBytes: 0,
      ...sync
    }
  } as IStatus;
  return describe(status, trans)!.label;
}

test('the status bar says what of home is saved', () => {
  expect(words({})).toBe(`Saved ${formatTime(THROUGH)}`);
  expect(formatTime(THROUGH)).toMatch(/^\d\d:02:07$/);
  expect(words({ state: 'saving', pendingFiles: 3 })).toBe('3 to save');
  expect(words({ state: 'restoring' })).toBe('Restoring home…');
  expect(words({ state: 'attention', message: 'No permission.' })).toBe(
    'Not synchronised: No permission.'
  );
  expect(words(null, 'off')).toBe('Not synchronised: it is so.');
  expect(words(null, 'filesystem')).toBe('Home is on persistent storage');
});

test('a long reason is cut short', () => {
  expect(
    words({ state: 'stopped', message: 'x'.repeat(200) }).length
  ).toBeLessThan(70);
});
