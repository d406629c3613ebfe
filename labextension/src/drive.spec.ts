import { ServerConnection } from '@jupyterlab/services';
import { nullTranslator } from '@jupyterlab/translation';
import { beforeEach, expect, test } from 'vitest';
import { StorageApi } from './rest/api';
import { ApiError } from './rest/errors';
import type { IUploadOptions } from './rest/api';
import type { IDetail, IEntry, IListing } from './rest/shapes';
import { opensInLab, StorageDrive } from './drive';
import type { INotebook } from './notebook';
import { entry, Pages } from './testing';

/** The storage as the drive sees it, with S3's rule about versions. */
class Storage extends StorageApi {
  constructor() {
    super(ServerConnection.makeSettings());
  }

  files = new Map<string, { body: string; etag: string }>();

  override stat(path: string): Promise<IDetail> {
    const file = this.files.get(path);
    if (!file) {
      return Promise.reject(notFound(path));
    }
    const facts = { etag: file.etag, size: file.body.length };
    return Promise.resolve({
      ...entry(path, facts),
      contentType: null,
      metadata: {},
      confirmation: null
    });
  }

  override read(path: string): Promise<{ body: ArrayBuffer; etag: string }> {
    const { body, etag } = this.files.get(path)!;
    const bytes = new TextEncoder().encode(body);
    return Promise.resolve({ body: bytes.buffer, etag });
  }

  override async upload(
    path: string,
    body: Blob,
    options: IUploadOptions = {}
  ): Promise<IEntry> {
    const old = this.files.get(path);
    if (options.etag ? old?.etag !== options.etag : old !== undefined) {
      throw new ApiError(412, {
        code: 'PreconditionFailed',
        message: 'changed',
        path,
        hint: ''
      });
    }
    const etag = `"${this.files.size}-${body.size}-${Math.random()}"`;
    this.files.set(path, { body: await textOf(body), etag });
    return entry(path, { etag });
  }

  override list(path: string): Promise<IListing> {
    const pages = new Pages(entry('/d/a.csv'), entry('/d/sub/'), entry('/d//'));
    const { signal } = new AbortController();
    return pages.list(path, { limit: 10, cursor: null, signal });
  }
}

/** jsdom's blobs have no `text()`. */
function textOf(blob: Blob): Promise<string> {
  return new Promise(resolve => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result as string);
    reader.readAsText(blob);
  });
}

function notFound(path: string): ApiError {
  return new ApiError(404, { code: 'NotFound', message: '', path, hint: '' });
}

let storage: Storage;
let drive: StorageDrive;

beforeEach(() => {
  storage = new Storage();
  drive = new StorageDrive(storage, nullTranslator.load(''), () =>
    Promise.resolve(true)
  );
});

test('the ETag is the hash, by which JupyterLab notices changes made elsewhere', async () => {
  storage.files.set('/d/a.txt', { body: 'one', etag: '"1"' });
  const model = await drive.get('d/a.txt', { type: 'file', format: 'text' });
  expect(model).toMatchObject({ content: 'one', hash: '"1"', writable: true });
  storage.files.set('/d/a.txt', { body: 'two', etag: '"2"' });
  const later = await drive.get('d/a.txt', { content: false });
  expect(later.hash).toBe('"2"');
  expect(later.content).toBeNull();
});

test('a save replaces the version that was seen, and no other', async () => {
  storage.files.set('/d/a.txt', { body: 'one', etag: '"1"' });
  await drive.get('d/a.txt', { type: 'file', format: 'text' });
  storage.files.set('/d/a.txt', { body: 'theirs', etag: '"2"' });
  const mine = { type: 'file', format: 'text', content: 'mine' } as const;
  await expect(drive.save('d/a.txt', mine)).rejects.toMatchObject({
    code: 'PreconditionFailed'
  });
  expect(storage.files.get('/d/a.txt')?.body).toBe('theirs');
  // The person was asked, which takes a look, and said: overwrite.
  await drive.get('d/a.txt', { content: false });
  await drive.save('d/a.txt', mine);
  await drive.save('d/a.txt', { ...mine, content: 'again' });
  expect(storage.files.get('/d/a.txt')?.body).toBe('again');
});

test('a file that is new is created, never put over another', async () => {
  storage.files.set('/d/a.txt', { body: 'theirs', etag: '"1"' });
  await expect(
    drive.save('d/a.txt', { type: 'file', format: 'text', content: 'x' })
  ).rejects.toBeInstanceOf(ApiError);
});

test('notebooks are strings in the page and lines in the file', async () => {
  const source = ['import os\n', 'print(1)'];
  const notebook = {
    nbformat: 4,
    nbformat_minor: 5,
    metadata: {},
    cells: [
      {
        cell_type: 'code',
        source,
        outputs: [
          {
            output_type: 'display_data',
            data: {
              'text/html': ['<b>\n', '</b>'],
              'image/png': 'AAAA\n',
              'application/json': ['a', 'b']
            }
          }
        ]
      }
    ]
  };
  const file = `${JSON.stringify(notebook, null, 1)}\n`;
  storage.files.set('/d/a.ipynb', { body: file, etag: '"1"' });
  const model = await drive.get('d/a.ipynb', { type: 'notebook' });
  const content = model.content as INotebook;
  expect(content.cells?.[0]?.source).toBe('import os\nprint(1)');
  expect(content.cells?.[0]?.outputs?.[0]?.data?.['text/html']).toBe(
    '<b>\n</b>'
  );
  await drive.save('d/a.ipynb', { type: 'notebook', format: 'json', content });
  expect(storage.files.get('/d/a.ipynb')?.body).toBe(file);
});

test.each([
  ['d/a.txt', '\ufffdx', 'UTF-8'],
  ['d/a.ipynb', '{', 'notebook'],
  ['d/a.ipynb', '{"nbformat": 3}', 'old']
])('%s with %j is refused in words', async (path, body, word) => {
  storage.files.set(`/${path}`, { body, etag: '"1"' });
  const bytes = Uint8Array.from(body, char => char.charCodeAt(0));
  storage.read = () => Promise.resolve({ body: bytes.buffer, etag: '"1"' });
  const type = path.endsWith('ipynb') ? 'notebook' : 'file';
  await expect(drive.get(path, { type, format: 'text' })).rejects.toThrow(word);
});

test('folders list what JupyterLab can address', async () => {
  const model = await drive.get('d', { type: 'directory' });
  const names = (model.content as { name: string; type: string }[]).map(
    each => `${each.name}:${each.type}`
  );
  expect(names).toEqual(['a.csv:file', 'sub:directory']);
});

test.each([
  ['/d/a b.csv', true],
  ['/d//a', false],
  ['/d/../a', false],
  ['/d/a/', false]
])('%s opens in JupyterLab: %s', (path, opens) => {
  expect(opensInLab(path)).toBe(opens);
});
