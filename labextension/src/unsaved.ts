/**
 * Documents with changes that only the page has: until they are saved, they are not in home, and so not in S3.
 */
import type { JupyterFrontEnd } from '@jupyterlab/application';
import type { IDocumentManager } from '@jupyterlab/docmanager';
import type { DocumentRegistry } from '@jupyterlab/docregistry';
import type { ISignal } from '@lumino/signaling';
import { Signal } from '@lumino/signaling';

type Context = DocumentRegistry.Context;

export class UnsavedDocuments {
  constructor(
    private readonly shell: JupyterFrontEnd.IShell,
    private readonly manager: IDocumentManager
  ) {
    manager.activateRequested.connect(this._look);
    // Every shell has it; its interface, only since JupyterLab 4.2.
    const { currentChanged } = shell as {
      currentChanged?: ISignal<unknown, unknown>;
    };
    currentChanged?.connect(this._look);
  }

  get changed(): ISignal<this, void> {
    return this._changed;
  }

  /** The paths of the documents of home that have unsaved changes. */
  get paths(): readonly string[] {
    return this._paths;
  }

  /** Save all documents that have unsaved changes. Rejects, when all were tried, with what kept one from it. */
  async save(): Promise<void> {
    const saved = await Promise.allSettled(
      this._contexts()
        .filter(context => context.model.dirty)
        .map(context => context.save())
    );
    for (const each of saved) {
      if (each.status === 'rejected') {
        throw each.reason;
      }
    }
  }

  private _contexts(): Context[] {
    const found = new Set<Context>();
    for (const widget of this.shell.widgets('main')) {
      const context = this.manager.contextForWidget(widget);
      if (context) {
        found.add(context);
      }
    }
    return [...found];
  }

  /** Follow the documents that are open now. */
  private readonly _look = (): void => {
    for (const context of this._contexts()) {
      if (!this._followed.has(context)) {
        this._followed.add(context);
        context.model.stateChanged.connect(this._count);
        context.disposed.connect(this._count);
      }
    }
    this._count();
  };

  private readonly _count = (): void => {
    // A path with a drive is not of home.
    const paths = this._contexts()
      .filter(context => !context.isDisposed && context.model.dirty)
      .map(context => context.path)
      .filter(path => !path.split('/')[0]!.includes(':'));
    if (paths.join('\n') !== this._paths.join('\n')) {
      this._paths = paths;
      this._changed.emit();
    }
  };

  private _paths: readonly string[] = [];
  private readonly _followed = new WeakSet<Context>();
  private readonly _changed = new Signal<this, void>(this);
}
