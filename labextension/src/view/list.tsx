/**
 * The rows: a grid of which only the part in sight is in the page, whatever the length of the folder.
 *
 * The grid itself holds the focus and says which row is active (`aria-activedescendant`), so that rows can come and go under
 * the keyboard.
 */
import * as React from 'react';
import type { IEntry } from '../rest/shapes';
import { folded, keyOf } from '../model/paths';
import { usePanel, useSignal } from './context';
import { useDrop } from './dropping';
import { Header, NewFolderRow, Row, rowId } from './row';

/** Keys of the commands that change what is selected. */
const CHANGING = /^(Delete|F2)$/;
/** Rows drawn beyond the visible ones, on each side. */
const OVERSCAN = 8;
/** Milliseconds after which typing begins a new word. */
const TYPING_MS = 700;

/** Height of a row and of the part in sight, in pixels; followed as they change with theme and layout. */
function useHeights(
  scroller: React.RefObject<HTMLElement>,
  probe: React.RefObject<HTMLElement>
): { row: number; view: number } {
  const [heights, setHeights] = React.useState({ row: 26, view: 400 });
  React.useLayoutEffect(() => {
    const measure = (): void => {
      const row = probe.current?.offsetHeight ?? 0;
      const view = scroller.current?.clientHeight ?? 0;
      if (row > 0 && view > 0) {
        setHeights(old =>
          old.row === row && old.view === view ? old : { row, view }
        );
      }
    };
    const observer = new ResizeObserver(measure);
    observer.observe(scroller.current!);
    observer.observe(probe.current!);
    measure();
    return () => observer.disconnect();
  }, [scroller, probe]);
  return heights;
}

export function List(): JSX.Element {
  const panel = usePanel();
  const { browser, actions, trans } = panel;
  const { selection } = browser;
  useSignal(browser.changed);
  useSignal(selection.changed);
  useSignal(panel.notice.changed);
  useSignal(panel.status.changed);
  const scroller = React.useRef<HTMLDivElement>(null);
  const probe = React.useRef<HTMLDivElement>(null);
  const { row: rowHeight, view } = useHeights(scroller, probe);
  const [first, setFirst] = React.useState(0);
  const typed = React.useRef({ text: '', at: 0 });

  const { rows, path } = browser;
  const visible = Math.ceil(view / rowHeight);
  const from = Math.max(0, Math.min(first, rows.length - 1) - OVERSCAN);
  const to = Math.min(rows.length, first + visible + OVERSCAN);

  React.useEffect(
    () => browser.inSight(first, first + visible),
    [browser, first, visible, rows]
  );

  // Another folder begins at its top; whatever row is active comes into sight, below the header.
  React.useLayoutEffect(() => {
    scroller.current!.scrollTop = 0;
    setFirst(0);
  }, [path]);
  const active = selection.index;
  React.useLayoutEffect(() => {
    const element = scroller.current!;
    if (active === -1) {
      return;
    }
    const top = active * rowHeight;
    const room = element.clientHeight - 2 * rowHeight;
    if (top < element.scrollTop) {
      element.scrollTop = top;
    } else if (top > element.scrollTop + room) {
      element.scrollTop = top - room;
    }
    setFirst(Math.floor(element.scrollTop / rowHeight));
    // Only when the active row changes or comes up: scrolling away from it is allowed.
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [selection.active, path, rowHeight, active === -1]);
  const { start } = browser;
  React.useLayoutEffect(() => {
    const element = scroller.current!;
    if (start !== null && start.first < browser.rows.length) {
      element.scrollTop = start.first * rowHeight;
      setFirst(Math.floor(element.scrollTop / rowHeight));
    }
    // Once, when the rows come.
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [start]);

  const inWindow = active >= from && active < to;
  const entryAt = (event: React.SyntheticEvent): IEntry | null => {
    const target = event.target as HTMLElement;
    const index = target.closest<HTMLElement>('[data-index]')?.dataset['index'];
    return index === undefined ? null : (rows[Number(index)] ?? null);
  };
  const onButton = (event: React.SyntheticEvent): boolean =>
    (event.target as HTMLElement).closest('button, input') !== null;

  const onHeader = (event: React.SyntheticEvent): boolean =>
    (event.target as HTMLElement).closest('.jp-Wherobots-header') !== null;

  const onClick = (event: React.MouseEvent): void => {
    const entry = entryAt(event);
    if (onButton(event) || onHeader(event)) {
      return;
    }
    if (!entry) {
      selection.clear();
    } else if (event.shiftKey) {
      selection.extend(keyOf(entry));
    } else if (event.ctrlKey || event.metaKey) {
      selection.toggle(keyOf(entry));
    } else {
      selection.only(keyOf(entry));
    }
  };
  const onDoubleClick = (event: React.MouseEvent): void => {
    const entry = entryAt(event);
    if (entry && !onButton(event)) {
      void actions.open(entry);
    }
  };
  // Before JupyterLab builds its menu: the menu is about what is under the pointer.
  const onContextMenu = (event: React.MouseEvent): void => {
    const row = inWindow && document.getElementById(rowId(active));
    if (row && event.button !== 2 && event.target === event.currentTarget) {
      // From the keyboard: about the active row, and beside it.
      event.preventDefault();
      event.stopPropagation();
      const { left, bottom } = row.getBoundingClientRect();
      row.dispatchEvent(
        new MouseEvent('contextmenu', {
          bubbles: true,
          cancelable: true,
          button: 2,
          clientX: left + 40,
          clientY: bottom
        })
      );
      return;
    }
    const entry = entryAt(event);
    if (entry && !selection.has(keyOf(entry))) {
      selection.only(keyOf(entry));
    } else if (!entry && !onHeader(event)) {
      selection.clear();
    }
  };

  const moveTo = (index: number, event: React.KeyboardEvent): void => {
    const entry = rows[Math.max(0, Math.min(rows.length - 1, index))];
    if (!entry) {
      return;
    }
    if (event.shiftKey) {
      selection.extend(keyOf(entry));
    } else if (event.ctrlKey || event.metaKey) {
      selection.focus(keyOf(entry));
    } else {
      selection.only(keyOf(entry));
    }
  };
  const typeAhead = (key: string): void => {
    const now = performance.now();
    const fresh = now - typed.current.at > TYPING_MS;
    const text = folded((fresh ? '' : typed.current.text) + key);
    typed.current = { text, at: now };
    // The first letter moves on; more of them stay with what they match already.
    const start = Math.max(0, active) + (text.length === 1 ? 1 : 0);
    for (let i = 0; i < rows.length; i++) {
      const entry = rows[(start + i) % rows.length]!;
      if (folded(entry.name).startsWith(text)) {
        selection.only(keyOf(entry));
        return;
      }
    }
  };
  const onKeyDown = (event: React.KeyboardEvent): void => {
    if (onButton(event)) {
      return;
    }
    const word = typed.current;
    if (event.key.length > 1 && event.key !== 'Shift') {
      typed.current = { text: '', at: 0 }; // any other key ends the word
    }
    const page = Math.max(1, Math.floor(view / rowHeight) - 2);
    const plain = !event.ctrlKey && !event.metaKey && !event.altKey;
    const steps: Record<string, number> = {
      ArrowDown: active + 1,
      ArrowUp: active === -1 ? rows.length - 1 : active - 1,
      PageDown: active + page,
      PageUp: active - page,
      Home: 0,
      End: rows.length - 1
    };
    const step = steps[event.key];
    if (step !== undefined && !event.altKey) {
      moveTo(step, event);
    } else if (event.key === 'ArrowUp' && event.altKey) {
      browser.up();
    } else if (event.key === 'Backspace' && plain) {
      browser.up();
    } else if (event.key === 'Enter' && plain) {
      const entry = rows[active];
      if (entry) {
        void actions.open(entry);
      }
    } else if (CHANGING.test(event.key)) {
      // It came this far because its command is disabled: say why.
      const why = panel.changes.whyNotChangeable(browser.selectedEntries);
      if (why === null) {
        return;
      }
      panel.notice.show(why);
    } else if (event.key === 'Escape' && plain) {
      selection.clear();
    } else if (
      event.key === ' ' &&
      (event.ctrlKey || performance.now() - word.at > TYPING_MS)
    ) {
      const entry = rows[active];
      if (entry) {
        selection.toggle(keyOf(entry));
      }
    } else if (event.key.length === 1 && plain) {
      typeAhead(event.key);
    } else {
      return;
    }
    event.preventDefault();
    event.stopPropagation();
  };

  const drop = useDrop(entryAt);
  const shown = rows.slice(from, to);
  // Rows that leave lend their nodes to those that come: much cheaper than making new ones.
  const slots = visible + 2 * OVERSCAN + 1;
  const { complete } = browser.folder;
  const { naming } = browser;
  const named = naming?.entry ? keyOf(naming.entry) : null;
  return (
    <div
      ref={scroller}
      className={
        `jp-Wherobots-grid jp-mod-by-${browser.sort.key}` +
        (browser.search ? ' jp-mod-found' : '')
      }
      role="grid"
      tabIndex={0}
      aria-label={trans.__('Files in %1', path)}
      aria-multiselectable
      aria-colcount={4}
      aria-rowcount={complete ? rows.length + 1 : -1}
      aria-busy={browser.folder.busy}
      aria-activedescendant={inWindow ? rowId(active) : undefined}
      onScroll={event =>
        setFirst(Math.floor(event.currentTarget.scrollTop / rowHeight))
      }
      onClick={onClick}
      onDoubleClick={onDoubleClick}
      onContextMenu={onContextMenu}
      onKeyDown={onKeyDown}
      onPaste={event => {
        const { files } = event.clipboardData;
        if (event.target !== event.currentTarget) {
          return; // into a name that is being typed
        }
        if (files.length > 0) {
          event.preventDefault();
          void panel.uploads.addDropped(event.clipboardData);
        } else if (
          event.clipboardData.getData('text/plain') === panel.changes.held?.text
        ) {
          void panel.changes.paste();
        } else {
          panel.notice.show(trans.__('Copy or cut files here to paste them.'));
        }
      }}
      {...drop}
      onFocus={event => {
        if (event.target === event.currentTarget && active === -1 && rows[0]) {
          selection.focus(keyOf(rows[0]));
        }
      }}
    >
      <Header />
      <div ref={probe} className="jp-Wherobots-probe" aria-hidden />
      {browser.naming?.entry === null && <NewFolderRow />}
      <div
        className="jp-Wherobots-rows"
        role="rowgroup"
        style={{ height: rows.length * rowHeight }}
      >
        {shown.map((entry, i) => {
          const key = keyOf(entry);
          return (
            <Row
              // A name that is being typed stays with its row when others come above it.
              key={key === named ? 'named' : (from + i) % slots}
              entry={entry}
              index={from + i}
              top={(from + i) * rowHeight}
              selected={selection.has(key)}
              active={from + i === active}
              renaming={key === named}
              cut={panel.changes.isCut(key)}
              copied={panel.notice.isAbout(key)}
              below={browser.search && path}
            />
          );
        })}
      </div>
    </div>
  );
}
