/**
 * Bundles lib/ into the prebuilt extension with JupyterLab's builder.
 *
 * The builder takes the version range of every package shared with JupyterLab from a "core package file", and the one
 * it comes with asks for today's minor version: an older JupyterLab then warns in the console about each package. Here
 * the ranges are our own: those of package.json (the oldest JupyterLab supported) and, for what is not named there,
 * any version of the same major. Arguments are passed on: --development, --watch. Without them, what is built must not
 * be larger than a page should have to load.
 */
import { spawn, spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import process from 'node:process';
import { gzipSync } from 'node:zlib';
import { fileURLToPath } from 'node:url';

const root = dirname(fileURLToPath(import.meta.url));
const require = createRequire(import.meta.url);
const { dependencies } = require('./package.json');
const core = require('@jupyterlab/core-meta/core.package.json');

const sameMajor = range => range.replace(/^[~^]?(\d+)\..*$/, '^$1.0.0');
const widened = ranges =>
  Object.fromEntries(
    Object.entries(ranges).map(([name, range]) => [
      name,
      dependencies[name] ??
        (name.startsWith('@jupyterlab/') ? sameMajor(range) : range)
    ])
  );

const corePackageFile = join(root, 'lib', 'core.package.json');
mkdirSync(dirname(corePackageFile), { recursive: true });
writeFileSync(
  corePackageFile,
  JSON.stringify({
    dependencies: widened(core.dependencies),
    resolutions: widened(core.resolutions),
    jupyterlab: { singletonPackages: core.jupyterlab.singletonPackages }
  })
);

const args = process.argv.slice(2);
const builder = join(
  dirname(require.resolve('@jupyter/builder/package.json')),
  'lib',
  'build-labextension.js'
);
if (args.includes('--watch')) {
  const tsc = require.resolve('typescript/bin/tsc');
  spawn(
    process.execPath,
    [tsc, '-p', 'tsconfig.build.json', '--watch', '--preserveWatchOutput'],
    {
      cwd: root,
      stdio: 'inherit'
    }
  );
}
const { status } = spawnSync(
  process.execPath,
  [builder, '--core-package-file', corePackageFile, ...args, root],
  { cwd: root, stdio: 'inherit' }
);
if (status !== 0) {
  process.exit(status ?? 1);
}

/** What a page may have to load of it, in bytes as they travel. */
const LIMIT = 250 * 1024;

if (!args.includes('--development') && !args.includes('--watch')) {
  const { outputDir } = require('./package.json').jupyterlab;
  const folder = join(root, outputDir, 'static');
  const size = readdirSync(folder)
    .filter(name => name.endsWith('.js'))
    .map(name => gzipSync(readFileSync(join(folder, name))).length)
    .reduce((sum, each) => sum + each, 0);
  console.log(`The bundle has ${Math.round(size / 1024)} KB gzipped.`);
  if (size > LIMIT) {
    console.error(`That is more than ${LIMIT / 1024} KB.`);
    process.exit(1);
  }
}
