/**
 * Paths of home as JupyterLab has them. Pure.
 *
 * Home is a directory of the server's machine; JupyterLab's paths begin at the server's root directory, which may be home,
 * a folder in it, or one above it.
 */

/** Translates between the two. `root` is the server's root directory as the page is told it, with `~` for $HOME. */
export class HomePaths {
  constructor(root: string, home: string | null) {
    const strip = (path: string): string => path.replace(/\/+$/, '');
    const at = strip(root);
    if (home === null) {
      this._home = null;
      this._root = at;
      return;
    }
    this._home = strip(home);
    // The page knows the root with ~ for the $HOME of the server, which is home unless it was set to something else.
    this._root =
      at === '~' || at.startsWith('~/') ? this._home + at.slice(1) : at;
  }

  /** The path of JupyterLab for a path relative to home; null if it cannot be reached. */
  toLab(path: string): string | null {
    return relative(
      this._root,
      this._home === null ? null : `${this._home}/${path}`
    );
  }

  /** The path relative to home for a path of JupyterLab; null if it lies outside home. */
  toHome(path: string): string | null {
    return this._home === null
      ? null
      : relative(
          this._home,
          path === '' ? this._root : `${this._root}/${path}`
        );
  }

  private readonly _root: string;
  private readonly _home: string | null;
}

function relative(folder: string, path: string | null): string | null {
  if (path === null) {
    return null;
  }
  const bare = path.replace(/\/+$/, '');
  if (bare === folder) {
    return '';
  }
  return path.startsWith(`${folder}/`) ? path.slice(folder.length + 1) : null;
}
