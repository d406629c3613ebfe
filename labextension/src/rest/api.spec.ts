import { ServerConnection } from '@jupyterlab/services';
import { expect, test } from 'vitest';
import type { ApiError } from './errors';
import { entry } from '../testing';
import { handfuls, StorageApi } from './api';

function api(answer: () => Response | Promise<Response>): {
  api: StorageApi;
  urls: string[];
} {
  const urls: string[] = [];
  const settings = ServerConnection.makeSettings({
    baseUrl: 'http://host/user/me/',
    fetch: async (request: RequestInfo | URL) => {
      urls.push((request as Request).url);
      return answer();
    }
  });
  return { api: new StorageApi(settings), urls };
}

async function failure(
  answer: () => Response | Promise<Response>
): Promise<ApiError> {
  const made = api(answer).api;
  return made.status().then(
    () => Promise.reject(new Error('it should have failed')),
    (reason: unknown) => reason as ApiError
  );
}

test('paths travel in the query, and the base URL is kept', async () => {
  const made = api(() => new Response('{}'));
  await made.api.list('/data/a b%2F+&.csv', { limit: 5, cursor: null });
  const url = new URL(made.urls[0]!);
  expect(url.pathname).toBe('/user/me/wherobots/storage/list');
  expect(url.searchParams.get('path')).toBe('/data/a b%2F+&.csv');
  expect(url.searchParams.has('cursor')).toBe(false);
});

test('an error of the API keeps what, where and what next', async () => {
  const body = {
    code: 'NotFound',
    message: 'Gone',
    path: '/a',
    hint: 'Refresh'
  };
  const error = await failure(
    () => new Response(JSON.stringify(body), { status: 404 })
  );
  expect(error).toMatchObject({ ...body, status: 404 });
});

test.each([
  [() => Promise.reject(new TypeError('failed to fetch')), 'ServerUnreachable'],
  [() => new Response('<html>login</html>', { status: 200 }), 'SignedOut'],
  [
    () => new Response('{"message": "Forbidden"}', { status: 403 }),
    'SignedOut'
  ],
  [() => new Response('<html>', { status: 404 }), 'NotInstalled'],
  [() => new Response('{"message": "boom"}', { status: 500 }), 'Unexpected'],
  [
    () => new Response('<html>bad gateway</html>', { status: 502 }),
    'ServerUnreachable'
  ],
  [
    () => new Response('{"message": "not running"}', { status: 424 }),
    'ServerUnreachable'
  ]
])('%s is the error %s', async (answer, code) => {
  const error = await failure(answer);
  expect(error.code).toBe(code);
  expect(error.message).not.toBe('');
  expect(error.hint).not.toBe('');
});

test('of any number of entries, folders alone are counted, by addresses that every proxy takes', async () => {
  const counted = { objects: 2, bytes: 5, complete: true };
  const { api: storage, urls } = api(
    () => new Response(JSON.stringify(counted), { status: 200 })
  );
  const files = Array.from({ length: 500 }, (_, n) => entry(`/d/${n}`));
  const folders = Array.from({ length: 250 }, (_, n) =>
    entry(`/d/${'long '.repeat(9)}${n}/`)
  );
  const sum = await storage.measure([...files, ...folders]);
  expect(sum).toEqual({
    objects: 500 + 2 * urls.length,
    bytes: 5000 + 5 * urls.length,
    complete: true
  });
  expect(Math.max(...urls.map(url => url.length))).toBeLessThan(7000);
  const asked = urls.flatMap(url => new URL(url).searchParams.getAll('path'));
  expect(asked).toEqual(folders.map(folder => folder.path));
  expect(handfuls(['x'.repeat(9000)])).toHaveLength(1);
  expect(handfuls(Array<string>(250).fill('/x'))).toHaveLength(3);
});
