/**
 * The line below the list: how much there is, what is selected, what was just done.
 */
import * as React from 'react';
import { usePanel, useSignal } from './context';
import { formatBytes, formatNumber } from './format';

export function Footer(): JSX.Element {
  const { browser, notice, trans } = usePanel();
  useSignal(browser.changed);
  useSignal(browser.selection.changed);
  useSignal(notice.changed);
  const { rows, folder, selectedEntries: selected } = browser;
  const more = folder.complete ? '' : '+';
  const count = formatNumber(rows.length);
  let text = '';
  const { search } = browser;
  if (search) {
    const scanned = formatNumber(search.scanned);
    text = search.running
      ? trans.__('Searching… %1 found, %2 looked at', count, scanned)
      : search.complete
        ? trans.__('%1 found', count)
        : trans.__('The first %1; there may be more', count);
  } else if (browser.gathering) {
    const read = formatNumber(folder.entries.length);
    text = trans.__('Reading the whole folder… %1 so far', read);
  } else if (selected.length > 1) {
    const bytes = selected.reduce((sum, entry) => sum + (entry.size ?? 0), 0);
    text = trans.__(
      '%1 of %2 selected, %3',
      formatNumber(selected.length),
      count + more,
      formatBytes(bytes)
    );
  } else if (folder.readAt > 0 && browser.error === null) {
    text =
      rows.length === 0 && browser.filter !== ''
        ? trans.__('Nothing found')
        : rows.length === 1 && !more
          ? trans.__('1 item')
          : trans.__('%1 items', count + more);
  }
  const reading = browser.gathering || search?.running;
  return (
    <div className="jp-Wherobots-footer">
      <span
        className={
          'jp-Wherobots-count' + (notice.text ? ' jp-Wherobots-spoken' : '')
        }
        aria-live={reading ? 'off' : 'polite'}
      >
        {text}
      </span>
      <span className="jp-Wherobots-notice" role="status">
        <span>{notice.text}</span>{' '}
        <span className="jp-Wherobots-subject" title={notice.subject}>
          <bdi>{notice.subject}</bdi>
        </span>
      </span>
      {reading && (
        <button
          type="button"
          className="jp-Wherobots-link"
          onClick={() => browser.stopGathering()}
        >
          {trans.__('Stop')}
        </button>
      )}
    </div>
  );
}
