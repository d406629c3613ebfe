/**
 * The commands: what the palette, the keyboard and the context menu can do with the panel.
 */
import type { JupyterFrontEnd } from '@jupyterlab/application';
import type { ICommandPalette } from '@jupyterlab/apputils';
import type { TranslationBundle } from '@jupyterlab/translation';
import {
  codeIcon,
  copyIcon,
  cutIcon,
  deleteIcon,
  downloadIcon,
  editIcon,
  fileUploadIcon,
  homeIcon,
  linkIcon,
  newFolderIcon,
  pasteIcon,
  refreshIcon,
  shareIcon
} from '@jupyterlab/ui-components';
import type { CommandRegistry } from '@lumino/commands';
import type { Actions } from './actions';
import { CommandIDs } from './commandids';
import type { IEntry } from './rest/shapes';
import type { Changes } from './changes';
import type { BrowserModel } from './model/browser';
import type { SortKey } from './model/order';
import { isFolder, nameOf } from './model/paths';
import type { StatusModel } from './model/status';
import type { Uploads } from './uploads';

export interface ICommandOptions {
  app: JupyterFrontEnd;
  palette: ICommandPalette | null;
  panelId: string;
  browser: BrowserModel;
  status: StatusModel;
  actions: Actions;
  changes: Changes;
  uploads: Uploads;
  trans: TranslationBundle;
  /** The folder of home that is open in the file browser, relative to home. */
  homeFolder: () => string;
}

/**
 * Each item of the menu asks several times, and the answer is about every row that is selected: of the same rows, and with the
 * same `world` otherwise, it is given again.
 */
function remembered(
  find: (rows: readonly IEntry[]) => string | null
): (rows: readonly IEntry[], world: unknown) => string | null {
  let last: { rows: unknown; world: unknown; answer: string | null } | null =
    null;
  return (rows, world) => {
    if (last === null || last.rows !== rows || last.world !== world) {
      last = { rows, world, answer: find(rows) };
    }
    return last.answer;
  };
}

export function addCommands(options: ICommandOptions): void {
  const { app, palette, panelId, browser, status, trans } = options;
  const { actions, changes, uploads } = options;
  const { commands } = app;
  const selected = (): readonly IEntry[] => browser.selectedEntries;
  // Of what is shown: a filter may hide what was selected before.
  const some = (): boolean => selected().length > 0;
  const one = (): boolean => selected().length === 1;
  const writable = (): boolean => actions.whyNotWritable() === null;
  const reasonAgainstChange = remembered(rows =>
    changes.whyNotChangeable(rows)
  );
  const changeable = (): boolean =>
    some() && reasonAgainstChange(selected(), null) === null;
  const reasonAgainstSharing = remembered(rows => {
    const shared = status.sharedRoot?.path ?? '/';
    return rows.some(({ path }) => path.startsWith(shared))
      ? trans.__('Everybody in the organization sees it already')
      : rows.some(({ path }) => shared.startsWith(path) || status.rootAt(path))
        ? trans.__('Share what is in it: all of it at once would be too much')
        : null;
  });
  const whyNotShareable = (): string | null =>
    reasonAgainstSharing(selected(), status.status?.roots);
  const whyNotWritable = (): string => actions.whyNotWritable() ?? '';
  const whyNotChangeable = (): string =>
    reasonAgainstChange(selected(), null) ?? '';
  /** What works in the panel brings it to the front, and the keyboard into it: the palette has had it. */
  const add = (id: string, command: CommandRegistry.ICommandOptions): void => {
    commands.addCommand(id, {
      ...command,
      execute: args => {
        const panel = document.getElementById(panelId);
        if (!panel?.contains(document.activeElement)) {
          app.shell.activateById(panelId);
        }
        return command.execute(args) as unknown;
      }
    });
  };

  add(CommandIDs.show, {
    label: trans.__('Show Managed Storage'),
    execute: () => app.shell.activateById(panelId)
  });
  add(CommandIDs.go, {
    label: args =>
      typeof args['path'] === 'string'
        ? nameOf(args['path']) || trans.__('All managed storage')
        : trans.__('Go to a Folder of the Managed Storage'),
    execute: args => {
      app.shell.activateById(panelId);
      const path = args['path'] as string;
      if (isFolder(path)) {
        browser.go(path);
      } else {
        browser.reveal(path);
      }
    }
  });
  add(CommandIDs.open, {
    label: trans.__('Open'),
    isEnabled: one,
    execute: async () => {
      const [entry] = selected();
      if (entry) {
        await actions.open(entry);
      }
    }
  });
  add(CommandIDs.reveal, {
    label: trans.__('Show in Its Folder'),
    isVisible: () => browser.search !== null,
    isEnabled: one,
    execute: () => {
      const [entry] = selected();
      if (entry) {
        browser.reveal(entry.path);
      }
    }
  });
  add(CommandIDs.up, {
    label: trans.__('Go to the Parent Folder'),
    isEnabled: () => browser.path !== '/',
    execute: () => browser.up()
  });
  const orders: Record<SortKey, string> = {
    name: trans.__('Sort by Name'),
    size: trans.__('Sort by Size'),
    modified: trans.__('Sort by Date')
  };
  add(CommandIDs.sort, {
    label: args => orders[args['key'] as SortKey] ?? trans.__('Sort'),
    isToggled: args => browser.sort.key === args['key'],
    execute: args => browser.sortBy(args['key'] as SortKey)
  });
  add(CommandIDs.selectAll, {
    label: trans.__('Select All'),
    execute: () => browser.selection.all()
  });
  add(CommandIDs.filter, {
    label: trans.__('Filter by Name'),
    execute: () => browser.openFilter(true)
  });
  add(CommandIDs.refresh, {
    label: trans.__('Refresh'),
    icon: refreshIcon,
    execute: () => actions.refresh()
  });

  add(CommandIDs.copyPath, {
    label: () =>
      selected().length > 1
        ? trans.__('Copy S3 Paths')
        : trans.__('Copy S3 Path'),
    icon: copyIcon,
    isEnabled: some,
    execute: () => {
      changes.hold(selected(), false);
      actions.copy(selected());
    }
  });
  add(CommandIDs.copyCode, {
    label: trans.__('Copy Path as Code'),
    caption: trans.__('Python, relative to the variables of every kernel'),
    icon: codeIcon,
    isEnabled: some,
    execute: () => actions.copyCode(selected())
  });
  // Not `add`: the keyboard goes to the notebook.
  commands.addCommand(CommandIDs.insert, {
    label: trans.__('Insert Path into the Notebook'),
    isEnabled: some,
    execute: () => actions.insert(selected())
  });
  add(CommandIDs.copyLink, {
    label: trans.__('Copy Link to the Panel'),
    caption: trans.__('Opens JupyterLab on this server at the same place'),
    icon: linkIcon,
    isEnabled: one,
    execute: () => actions.copyLink(selected()[0]!)
  });
  add(CommandIDs.download, {
    label: () =>
      one() && selected()[0]?.type === 'FILE'
        ? trans.__('Download')
        : trans.__('Download as Zip'),
    icon: downloadIcon,
    isEnabled: some,
    execute: () => actions.download(selected())
  });

  add(CommandIDs.upload, {
    label: trans.__('Upload Files…'),
    caption: whyNotWritable,
    icon: fileUploadIcon,
    isEnabled: writable,
    execute: () => uploads.chooseFiles()
  });
  add(CommandIDs.uploadFolder, {
    label: trans.__('Upload Folder…'),
    caption: whyNotWritable,
    icon: fileUploadIcon,
    isEnabled: writable,
    execute: () => uploads.chooseFolder()
  });
  add(CommandIDs.newFolder, {
    label: trans.__('New Folder'),
    caption: whyNotWritable,
    icon: newFolderIcon,
    isEnabled: writable,
    execute: () => browser.beginNaming(null)
  });
  add(CommandIDs.rename, {
    label: trans.__('Rename'),
    caption: whyNotChangeable,
    icon: editIcon,
    isEnabled: () => one() && changeable(),
    execute: () => browser.beginNaming(selected()[0] ?? null)
  });
  add(CommandIDs.cut, {
    label: trans.__('Cut'),
    caption: whyNotChangeable,
    icon: cutIcon,
    isEnabled: changeable,
    execute: () => changes.hold(selected(), true)
  });
  add(CommandIDs.paste, {
    label: () => {
      const held = changes.held;
      const count = held?.entries.length ?? 0;
      const what =
        count === 1 ? held!.entries[0]!.name : trans.__('%1 items', count);
      return !held
        ? trans.__('Paste')
        : held.cut
          ? trans.__('Move %1 Here', what)
          : trans.__('Copy %1 Here', what);
    },
    caption: whyNotWritable,
    icon: pasteIcon,
    isEnabled: () => changes.held !== null && writable(),
    execute: () => changes.paste()
  });
  add(CommandIDs.delete, {
    label: trans.__('Delete'),
    caption: whyNotChangeable,
    icon: deleteIcon,
    isEnabled: changeable,
    execute: () => changes.delete(selected())
  });

  add(CommandIDs.share, {
    label: trans.__('Share a Copy'),
    caption: () =>
      whyNotShareable() ??
      trans.__(
        'Copies to %1 and puts the path into the clipboard',
        status.sharedRoot?.path ?? ''
      ),
    icon: shareIcon,
    isEnabled: () => some() && whyNotShareable() === null,
    execute: () => changes.share(selected())
  });
  add(CommandIDs.toHome, {
    label: trans.__('Copy to Home'),
    caption: () =>
      trans.__(
        'Copies to %1 and puts the path into the clipboard',
        `~/${options.homeFolder()}`
      ),
    icon: homeIcon,
    isEnabled: some,
    execute: () => changes.takeHome(selected(), options.homeFolder())
  });

  if (palette) {
    const category = trans.__('Managed Storage');
    for (const command of PALETTE) {
      palette.addItem({ command, category });
    }
    for (const key of Object.keys(orders)) {
      palette.addItem({ command: CommandIDs.sort, category, args: { key } });
    }
  }
}

const PALETTE = [
  CommandIDs.show,
  CommandIDs.showSync,
  CommandIDs.open,
  CommandIDs.up,
  CommandIDs.selectAll,
  CommandIDs.filter,
  CommandIDs.copyPath,
  CommandIDs.copyCode,
  CommandIDs.insert,
  CommandIDs.copyLink,
  CommandIDs.download,
  CommandIDs.upload,
  CommandIDs.uploadFolder,
  CommandIDs.newFolder,
  CommandIDs.rename,
  CommandIDs.cut,
  CommandIDs.paste,
  CommandIDs.delete,
  CommandIDs.share,
  CommandIDs.toHome,
  CommandIDs.refresh
];
