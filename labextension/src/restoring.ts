/**
 * Where the panel was: kept over a reload, and named by a link.
 */
import type { IRouter } from '@jupyterlab/application';
import { PageConfig, URLExt } from '@jupyterlab/coreutils';
import type { IStateDB } from '@jupyterlab/statedb';
import type { CommandRegistry } from '@lumino/commands';
import { CommandIDs } from './commandids';
import type { BrowserModel, IPosition } from './model/browser';
import type { ISort } from './model/order';

const KEY = 'jupyter-wherobots:place';

/** The parameter of a link that opens the panel at a path: `…/lab?managed-storage=/data/shared/`. */
export const PARAMETER = 'managed-storage';

/** Go to where the panel was before the reload, and keep note of where it is. */
export async function rememberPlace(
  browser: BrowserModel,
  state: IStateDB,
  restored: Promise<void>
): Promise<void> {
  const [kept] = await Promise.all([state.fetch(KEY), restored]);
  const { path, sort } = (kept ?? {}) as { path?: unknown; sort?: unknown };
  if (isSort(sort)) {
    browser.order = sort;
  }
  if (browser.path === '/') {
    if (typeof path === 'string' && path.startsWith('/')) {
      browser.go(path);
    }
    const position = recall(browser.path);
    if (position) {
      browser.comeBack(position);
    }
  }
  let saved = '';
  const save = (): void => {
    const now = { path: browser.path, sort: { ...browser.order } };
    if (saved !== JSON.stringify(now)) {
      saved = JSON.stringify(now);
      void state.save(KEY, now);
    }
  };
  save();
  browser.changed.connect(save);
  // The row and how far the list was scrolled: for this tab alone, and without a request for every step.
  window.addEventListener('pagehide', () => {
    const { path, position } = browser;
    sessionStorage.setItem(storageKey(), JSON.stringify({ path, position }));
  });
}

function storageKey(): string {
  return `${KEY}:${PageConfig.getBaseUrl()}`;
}

/** Where in a folder this tab was before the reload, or null. */
function recall(path: string): IPosition | null {
  const kept = sessionStorage.getItem(storageKey());
  const last = kept === null ? null : (JSON.parse(kept) as Partial<IKept>);
  return last?.path === path ? (last.position ?? null) : null;
}

interface IKept {
  path: string;
  position: IPosition;
}

function isSort(given: unknown): given is ISort {
  const { key, descending } = (given ?? {}) as Partial<ISort>;
  return (
    (key === 'name' || key === 'size' || key === 'modified') &&
    typeof descending === 'boolean'
  );
}

/** Follow links that name a path. */
export function routePlace(
  router: IRouter,
  commands: CommandRegistry,
  restored: Promise<void>
): void {
  const route = 'jupyter-wherobots:route';
  commands.addCommand(route, {
    execute: args => {
      const search = new URLSearchParams(args['search'] as string);
      const path = search.get(PARAMETER);
      search.delete(PARAMETER);
      const rest = search.toString();
      const url = (args['path'] as string) + (rest && `?${rest}`);
      router.navigate(url, { skipRouting: true });
      if (path?.startsWith('/')) {
        // Restoring the layout would bring another tab to the front.
        void restored.then(() => commands.execute(CommandIDs.go, { path }));
      }
    }
  });
  router.register({
    command: route,
    pattern: new RegExp(`[?&]${PARAMETER}=`),
    rank: 30
  });
}

/** A link to a path, for whoever uses this server. */
export function linkTo(path: string): string {
  const url = URLExt.join(PageConfig.getBaseUrl(), 'lab');
  return `${url}?${PARAMETER}=${encodeURIComponent(path).replaceAll('%2F', '/')}`;
}
