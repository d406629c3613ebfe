/**
 * The panel put together, and the Lumino widget that JupyterLab holds.
 */
import { lockIcon, ReactWidget } from '@jupyterlab/ui-components';
import { PromiseDelegate } from '@lumino/coreutils';
import type { Message } from '@lumino/messaging';
import * as React from 'react';
import { nameOf } from '../model/paths';
import type { IPanelContext } from './context';
import { PanelProvider, usePanel, useSignal } from './context';
import { Crumbs } from './crumbs';
import { Drawer } from './drawer';
import { takeFilesBeside } from './dropping';
import { Footer } from './footer';
import { keepFocusIn } from './focus';
import { storageIcon } from './icons';
import { List } from './list';
import { Empty, Failure, Loading, NotConfigured } from './states';
import { Toolbar } from './toolbar';

/** Milliseconds in which two clicks are one double click: as long, rows stay where they are. */
const DOUBLE_CLICK_MS = 500;

export const PANEL_ID = 'jupyter-wherobots-panel';

function Filter(): JSX.Element | null {
  const { browser, trans } = usePanel();
  const box = React.useRef<HTMLInputElement>(null);
  useSignal(browser.changed);
  const { asked } = browser;
  React.useEffect(() => {
    box.current?.focus();
    box.current?.select(); // what is typed now takes its place
  }, [asked]);
  if (!browser.filtering) {
    return null;
  }
  return (
    <div className="jp-Wherobots-filter">
      <input
        ref={box}
        type="search"
        className="jp-Wherobots-input"
        aria-label={trans.__('Filter by name')}
        placeholder={trans.__('Filter by name')}
        value={browser.filter}
        onChange={event => browser.setFilter(event.target.value)}
        onKeyDown={event => {
          if (event.key === 'Escape') {
            browser.openFilter(false);
            focusGrid(event);
          } else if (event.key === 'Enter') {
            browser.searchBelow();
          } else if (event.key === 'ArrowDown') {
            event.preventDefault();
            focusGrid(event);
          }
        }}
      />
      {browser.filter.trim() !== '' && !browser.search && (
        <button
          type="button"
          className="jp-Wherobots-link"
          title={trans.__('Search everything below this folder (Enter)')}
          onClick={() => browser.searchBelow()}
        >
          {trans.__('Search subfolders too')}
        </button>
      )}
    </div>
  );
}

function focusGrid(event: React.SyntheticEvent): void {
  const panel = event.currentTarget.closest('.jp-Wherobots');
  panel?.querySelector<HTMLElement>('[role="grid"]')?.focus();
}

/** Why the folder is read-only, or must be changed with care; and that what was looked for is not in it. */
function Notes(): JSX.Element {
  const { browser, trans } = usePanel();
  useSignal(browser.changed);
  const { facts } = browser.folder;
  const { missing } = browser;
  const text = facts?.uploadProtected ? facts.reason : facts?.confirmation;
  return (
    <>
      {text && (
        <p className="jp-Wherobots-note">
          {facts?.uploadProtected && <lockIcon.react tag="span" />}
          <span>{text}</span>
        </p>
      )}
      {missing !== null && facts?.exists !== false && (
        <p className="jp-Wherobots-note jp-mod-warning" role="alert">
          <span>
            {trans.__(
              '“%1” is not in this folder: it was moved, renamed or deleted.',
              nameOf(missing)
            )}
          </span>
        </p>
      )}
    </>
  );
}

function Body(): JSX.Element {
  const { browser, status, actions } = usePanel();
  useSignal(browser.changed);
  useSignal(status.changed);
  const { error, folder, rows } = browser;
  const unconfigured =
    status.status?.configured === false || error?.code === 'NotConfigured';
  if (unconfigured) {
    return <NotConfigured retry={() => actions.refresh()} />;
  }
  if (error) {
    return <Failure error={error} retry={() => actions.refresh()} />;
  }
  const state =
    folder.readAt === 0 ? (
      <Loading />
    ) : rows.length === 0 && browser.naming === null ? (
      <Empty />
    ) : null;
  return (
    <>
      <Notes />
      <div className="jp-Wherobots-listing">
        <List />
        {state}
      </div>
      {browser.search?.error ? (
        <Failure
          error={browser.search.error}
          retry={() => browser.searchBelow()}
        />
      ) : (
        folder.error && (
          <Failure error={folder.error} retry={() => browser.retry()} />
        )
      )}
    </>
  );
}

/** The browser's own file dialog, opened by the upload button. */
function FileInput(): JSX.Element {
  const { uploads } = usePanel();
  return (
    <input
      ref={element => uploads.setInput(element)}
      type="file"
      multiple
      hidden
      onChange={event => {
        void uploads.addFiles(event.target.files ?? []);
        event.target.value = '';
      }}
    />
  );
}

function Panel(props: { drawn: () => void }): JSX.Element {
  const { drawn } = props;
  React.useEffect(() => drawn(), [drawn]);
  return (
    <>
      <FileInput />
      <Toolbar />
      <Crumbs />
      <Filter />
      <Body />
      <Footer />
      <Drawer />
    </>
  );
}

export class StoragePanel extends ReactWidget {
  constructor(private readonly context: IPanelContext) {
    super();
    const name = context.trans.__('Managed Storage');
    this.id = PANEL_ID;
    this.addClass('jp-Wherobots');
    this.title.icon = storageIcon;
    this.title.caption = name;
    this.node.setAttribute('role', 'region');
    this.node.setAttribute('aria-label', name);
    document.addEventListener('visibilitychange', this._look);
    this.node.addEventListener('focusin', this._comeBack);
    this.node.addEventListener('pointerdown', this._stayStill, true);
    window.addEventListener('focus', this._comeBack);
    takeFilesBeside(this.node, context);
    this._release = keepFocusIn(this.node, () => this._place);
  }

  override dispose(): void {
    document.removeEventListener('visibilitychange', this._look);
    this.node.removeEventListener('focusin', this._comeBack);
    this.node.removeEventListener('pointerdown', this._stayStill, true);
    clearTimeout(this._back);
    window.removeEventListener('focus', this._comeBack);
    this._release();
    super.dispose();
  }

  /** The list, which takes the keyboard. */
  get grid(): HTMLElement | null {
    return this.node.querySelector('.jp-Wherobots-grid');
  }

  /** Where the keyboard goes on: the name being typed, the list, or the button of what is shown in its place. */
  private get _place(): HTMLElement | null {
    return (
      this.node.querySelector<HTMLElement>('.jp-Wherobots-naming input') ??
      this.grid ??
      this.node.querySelector<HTMLElement>('.jp-Wherobots-state button') ??
      this.node.querySelector<HTMLElement>('button:enabled')
    );
  }

  protected override render(): JSX.Element {
    return (
      <PanelProvider value={this.context}>
        <Panel drawn={this._markDrawn} />
      </PanelProvider>
    );
  }

  protected override onAfterShow(message: Message): void {
    super.onAfterShow(message);
    this._look();
  }

  protected override onAfterHide(message: Message): void {
    super.onAfterHide(message);
    this._look();
  }

  protected override onAfterAttach(message: Message): void {
    super.onAfterAttach(message);
    this._look();
  }

  /** The list takes the keyboard, or what there is in its place. */
  protected override onActivateRequest(): void {
    void this._drawn.promise.then(() => {
      if (!this.node.contains(document.activeElement)) {
        this._place?.focus();
      }
    });
  }

  private readonly _drawn = new PromiseDelegate<void>();
  private readonly _markDrawn = (): void => this._drawn.resolve();
  private readonly _release: () => void;
  private _met = false;

  /** In sight all the time, the panel does not know what a notebook beside it has written, or another program. */
  private readonly _comeBack = (event: FocusEvent): void => {
    const here = this.node.contains(event.relatedTarget as Node | null);
    if (!here) {
      this._catchUp();
    }
  };

  /** The focus comes with the first click of two, and the second one must meet the same row. */
  private readonly _stayStill = (): void => {
    if (this._back !== undefined) {
      this._catchUp();
    }
  };

  private _catchUp(): void {
    const { browser } = this.context;
    clearTimeout(this._back);
    this._back = setTimeout(() => {
      this._back = undefined;
      // What failed has a button of its own, which must not go from under the pointer.
      if (browser.folder.error === null) {
        browser.catchUp();
      }
    }, DOUBLE_CLICK_MS);
  }

  private _back: ReturnType<typeof setTimeout> | undefined;

  /** Ask for nothing unless somebody can see it. */
  private readonly _look = (): void => {
    const visible = this.isVisible && !document.hidden;
    const { browser, status, uploads, jobs } = this.context;
    status.watched = visible;
    if (visible && !browser.visible) {
      if (status.status === null) {
        void status.refresh();
      } else {
        status.catchUp();
      }
      if (!this._met) {
        this._met = true;
        // What an earlier page, or another one, has begun.
        void uploads.recall();
        void jobs.look().catch(reason => console.warn('No jobs', reason));
      }
    }
    browser.visible = visible;
  };
}
