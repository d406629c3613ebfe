/**
 * The way to the folder shown. What does not fit is folded into a menu, the ends stay.
 */
import * as React from 'react';
import type { ICrumb } from '../model/paths';
import { crumbsOf } from '../model/paths';
import { usePanel, useSignal } from './context';
import { visible } from './format';
import { storageIcon } from './icons';

/**
 * How many crumbs after the first to fold away, so that the rest fits. The first and the last always stay.
 * Widths and room in pixels, separators included.
 */
export function folded(
  widths: readonly number[],
  ellipsis: number,
  room: number
): number {
  let needed = widths.reduce((sum, width) => sum + width, 0);
  if (needed <= room) {
    return 0;
  }
  let count = 0;
  needed += ellipsis;
  while (needed > room && count < widths.length - 2) {
    count += 1;
    needed -= widths[count]!;
  }
  return count;
}

const ELLIPSIS_PX = 34;

export function Crumbs(): JSX.Element {
  const panel = usePanel();
  const { browser, trans } = panel;
  useSignal(browser.moved);
  const { path } = browser;
  const crumbs = React.useMemo(() => crumbsOf(path), [path]);
  const nav = React.useRef<HTMLElement>(null);
  const measure = React.useRef<HTMLDivElement>(null);
  const [hide, setHide] = React.useState(0);

  React.useLayoutEffect(() => {
    const fit = (): void => {
      const widths = Array.from(measure.current!.children).map(
        child => child.getBoundingClientRect().width
      );
      setHide(folded(widths, ELLIPSIS_PX, nav.current!.clientWidth));
    };
    const observer = new ResizeObserver(fit);
    observer.observe(nav.current!);
    fit();
    return () => observer.disconnect();
  }, [crumbs]);

  const label = (crumb: ICrumb): React.ReactNode =>
    crumb.path === '/' ? (
      <>
        <storageIcon.react tag="span" className="jp-Wherobots-crumbIcon" />
        {path === '/' && <span>{trans.__('Managed Storage')}</span>}
      </>
    ) : (
      <span className="jp-Wherobots-crumbText">
        {visible(crumb.name) || trans.__('(empty name)')}
      </span>
    );
  const away = crumbs.slice(1, 1 + hide);
  const shown = hide ? [crumbs[0]!, ...crumbs.slice(1 + hide)] : crumbs;
  return (
    <nav
      ref={nav}
      className="jp-Wherobots-crumbs"
      aria-label={trans.__('Folders above')}
      title={path}
    >
      <div ref={measure} className="jp-Wherobots-measure" aria-hidden>
        {crumbs.map((crumb, i) => (
          <span key={crumb.path} className="jp-Wherobots-crumb">
            {i > 0 && <i>/</i>}
            <b>{label(crumb)}</b>
          </span>
        ))}
      </div>
      {shown.map((crumb, i) => {
        const last = crumb.path === path;
        return (
          <React.Fragment key={crumb.path}>
            {i > 0 && <span aria-hidden>/</span>}
            {i === 1 && away.length > 0 && (
              <>
                <button
                  type="button"
                  aria-haspopup="menu"
                  aria-label={trans.__('Hidden folders')}
                  onClick={event =>
                    panel.openFolderMenu(
                      away.map(one => one.path),
                      event.currentTarget
                    )
                  }
                >
                  …
                </button>
                <span aria-hidden>/</span>
              </>
            )}
            <button
              type="button"
              className={last ? 'jp-mod-last' : ''}
              aria-current={last ? 'location' : undefined}
              aria-label={
                crumb.path === '/' ? trans.__('All managed storage') : undefined
              }
              onClick={() =>
                last ? void browser.refresh() : browser.go(crumb.path)
              }
            >
              {label(crumb)}
            </button>
          </React.Fragment>
        );
      })}
    </nav>
  );
}
