/**
 * The questions that are asked before something happens, in words that are true.
 */
import { Dialog, showDialog, showErrorMessage } from '@jupyterlab/apputils';
import type { TranslationBundle } from '@jupyterlab/translation';
import { ReactWidget } from '@jupyterlab/ui-components';
import * as React from 'react';
import type { IEntry, IMeasure } from './rest/shapes';
import { asApiError } from './rest/errors';
import { commonFolder, keyOf } from './model/paths';
import { formatBytes, formatNumber, visible } from './view/format';

/**
 * Say in a dialog what failed, where, and what to do next. `taken` is that if a name was taken: what the API offers then is not
 * on offer everywhere.
 */
export async function showFailure(
  title: string,
  reason: unknown,
  path: string | null,
  taken = ''
): Promise<void> {
  const { code, message, hint } = asApiError(reason, path);
  const next = code === 'AlreadyExists' && taken !== '' ? taken : hint;
  await showErrorMessage(title, [message, next].join(' ').trim());
}

/** A question whose harmless answer is the default; `harmless` if the other one is too. */
export async function ask(
  title: string,
  body: string,
  yes: string,
  harmless = false
): Promise<boolean> {
  const button = harmless ? Dialog.okButton : Dialog.warnButton;
  const { button: pressed } = await showDialog({
    title,
    body,
    buttons: [Dialog.cancelButton(), button({ label: yes })],
    defaultButton: 0
  });
  return pressed.accept;
}

/** How much something is: "1,204 files, 5.3 GB". */
export function amount(measure: IMeasure, trans: TranslationBundle): string {
  const more = measure.complete ? '' : '+';
  const count = `${formatNumber(measure.objects)}${more}`;
  const size = `${formatBytes(measure.bytes)}${more}`;
  return measure.objects === 1
    ? trans.__('1 file, %1', size)
    : trans.__('%1 files, %2', count, size);
}

interface IAmountProps {
  entries: readonly IEntry[];
  measured: Promise<IMeasure>;
  trans: TranslationBundle;
}

/** How much some entries are, what comes of it, and which they are. */
function Amount(props: React.PropsWithChildren<IAmountProps>): JSX.Element {
  const { entries, measured, trans } = props;
  const folder = commonFolder(entries.map(entry => entry.path));
  const [size, setSize] = React.useState<string | null>(null);
  React.useEffect(() => {
    let gone = false;
    measured.then(
      measure => gone || setSize(amount(measure, trans)),
      reason => gone || setSize(asApiError(reason, null).message)
    );
    return () => {
      gone = true;
    };
  }, [measured, trans]);
  return (
    <>
      <p aria-live="polite">{size ?? trans.__('Counting…')}</p>
      {props.children}
      <p>{trans.__('From %1:', visible(folder))}</p>
      <ul className={entries.length > 1 ? 'jp-mod-many' : ''}>
        {entries.slice(0, 10).map(entry => (
          <li key={keyOf(entry)} title={entry.path}>
            {visible(entry.path.slice(folder.length))}
          </li>
        ))}
        {entries.length > 10 && (
          <li>{trans.__('and %1 more', formatNumber(entries.length - 10))}</li>
        )}
      </ul>
    </>
  );
}

/** Ask before deleting: what, how much, and that it is for good. */
export async function askDelete(
  props: IAmountProps & { warning: string | null }
): Promise<boolean> {
  const { entries, trans, warning } = props;
  const { button } = await showDialog({
    title:
      entries.length === 1
        ? trans.__('Delete “%1”?', visible(entries[0]!.name))
        : trans.__('Delete %1 items?', formatNumber(entries.length)),
    body: ReactWidget.create(
      <div className="jp-Wherobots-dialog">
        <Amount {...props}>
          <p>{trans.__('This is deleted for good: there is no trash.')}</p>
          {warning && <p>{warning}</p>}
        </Amount>
      </div>
    ),
    buttons: [
      Dialog.cancelButton(),
      Dialog.warnButton({ label: trans.__('Delete for good') })
    ],
    defaultButton: 0
  });
  return button.accept;
}

/** Ask before moving: what, how much, where to, and what that breaks. */
export async function askMove(
  props: IAmountProps & { destination: string }
): Promise<boolean> {
  const { entries, destination, trans } = props;
  const { button } = await showDialog({
    title:
      entries.length === 1
        ? trans.__('Move “%1”?', visible(entries[0]!.name))
        : trans.__('Move %1 items?', formatNumber(entries.length)),
    body: ReactWidget.create(
      <div className="jp-Wherobots-dialog">
        <Amount {...props}>
          <p>
            {trans.__(
              'To %1. Whoever has one of the old paths finds nothing there any more.',
              visible(destination)
            )}
          </p>
        </Amount>
      </div>
    ),
    buttons: [
      Dialog.cancelButton(),
      Dialog.okButton({ label: trans.__('Move') })
    ]
  });
  return button.accept;
}

/** What to do with a file that JupyterLab does not open. */
export async function askInstead(
  entry: IEntry,
  why: string,
  trans: TranslationBundle
): Promise<'download' | 'code' | null> {
  const code = trans.__('Copy as code');
  const download = trans.__('Download');
  const { button } = await showDialog({
    title: trans.__('“%1” is not opened here', entry.name),
    body: why,
    buttons: [
      Dialog.cancelButton(),
      Dialog.okButton({ label: code }),
      Dialog.okButton({ label: download })
    ]
  });
  if (!button.accept) {
    return null;
  }
  return button.label === code ? 'code' : 'download';
}
