/**
 * Where the panel was: kept over a reload, and named by a link.
 */
import type { IRouter } from '@jupyterlab/application';
import { PageConfig, URLExt } from '@jupyterlab/coreutils';
import type { IStateDB } from '@jupyterlab/statedb';
import type { CommandRegistry } from '@lumino/commands';
import { CommandIDs } from './commands';
import type { BrowserModel } from './model/browser';

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
  const path = (kept as { path?: unknown } | undefined)?.path;
  if (
    typeof path === 'string' &&
    path.startsWith('/') &&
    browser.path === '/'
  ) {
    browser.go(path);
  }
  browser.moved.connect((_, now) => void state.save(KEY, { path: now }));
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
