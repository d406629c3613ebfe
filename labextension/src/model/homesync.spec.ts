import { expect, test } from 'vitest';
import { SAVED } from '../testing';
import type { IStatusSource } from './status';
import { StatusModel } from './status';
import type { IHomeSyncSource } from './homesync';
import { HomeSyncModel } from './homesync';

const OTHER = {
  held: false,
  holder: 'laptop',
  message: 'Another instance of yours (laptop) is running.'
};

function model(source: Partial<IHomeSyncSource>): HomeSyncModel {
  const unreachable: IStatusSource = {
    status: () => Promise.reject(new Error('not asked for')),
    sync: () => Promise.reject(new Error('not asked for'))
  };
  return new HomeSyncModel(
    source as IHomeSyncSource,
    new StatusModel(unreachable, () => true),
    () => Promise.resolve()
  );
}

test('a lease that another instance kept is said', async () => {
  const home = model({
    takeOver: () => Promise.resolve({ ...SAVED, lease: OTHER })
  });
  await home.takeOver();
  expect(home.error?.message).toBe(OTHER.message);
  expect(home.busy).toBe(false);
});

test('what was settled is news again after the next look', async () => {
  const home = model({
    remoteChanges: () => Promise.resolve({ conflicts: [] })
  });
  home.settle('a');
  expect([...home.settled]).toEqual(['a']);
  await home.lookAtRemote();
  expect([...home.settled]).toEqual([]);
});

test('a lease that was taken is no failure', async () => {
  const home = model({ takeOver: () => Promise.resolve(SAVED) });
  await home.takeOver();
  expect(home.error).toBeNull();
});

test('documents are saved before home is', async () => {
  const order: string[] = [];
  const source: Partial<IHomeSyncSource> = {
    flush: () => {
      order.push('home');
      return Promise.resolve({ complete: true, notDurableCount: 0 });
    }
  };
  const home = new HomeSyncModel(
    source as IHomeSyncSource,
    new StatusModel({} as IStatusSource, () => true),
    () => {
      order.push('documents');
      return Promise.resolve();
    }
  );
  await home.saveNow();
  expect(order).toEqual(['documents', 'home']);
  expect(home.saved).toBe(true);
});

test('a document that cannot be saved does not keep home from being saved', async () => {
  const home = new HomeSyncModel(
    {
      flush: () => Promise.resolve({ complete: true, notDurableCount: 0 })
    } as Partial<IHomeSyncSource> as IHomeSyncSource,
    new StatusModel({} as IStatusSource, () => true),
    () => Promise.reject(new Error('read-only'))
  );
  await home.saveNow();
  expect(home.saved).toBe(true);
  expect(home.error?.message).toBe('read-only');
});
