/**
 * What is shown in place of rows: nothing there, nothing found, not set up, or failed. Each says what, where and what next.
 */
import * as React from 'react';
import type { ApiError } from '../rest/errors';
import { usePanel } from './context';

export function Failure(props: {
  error: ApiError;
  retry: () => void;
}): JSX.Element {
  const { trans } = usePanel();
  const { error } = props;
  return (
    <div className="jp-Wherobots-state jp-mod-error" role="alert">
      <p className="jp-Wherobots-what">{error.message}</p>
      {error.hint && <p>{error.hint}</p>}
      <button
        type="button"
        className="jp-Wherobots-action"
        onClick={props.retry}
      >
        {trans.__('Retry')}
      </button>
    </div>
  );
}

/** Bucket, organization or user is missing: says which, and how to set it. */
export function NotConfigured(props: { retry: () => void }): JSX.Element {
  const { status, trans } = usePanel();
  const problems = status.status?.problems ?? [];
  return (
    <div className="jp-Wherobots-state" role="alert">
      <p className="jp-Wherobots-what">
        {trans.__('Managed storage is not set up on this server.')}
      </p>
      {problems.length > 0 && (
        <ul>
          {problems.map(problem => (
            <li key={problem.setting}>
              {problem.message}
              <code>{`WHEROBOTS_${problem.setting.toUpperCase()}`}</code>
            </li>
          ))}
        </ul>
      )}
      <p>
        {trans.__(
          'Whoever runs this server sets the variables above (or the traits of WherobotsApp) and restarts it. In a terminal, this checks everything:'
        )}
        <code>jupyter wherobots doctor</code>
      </p>
      <button
        type="button"
        className="jp-Wherobots-action"
        onClick={props.retry}
      >
        {trans.__('Check again')}
      </button>
    </div>
  );
}

export function Empty(): JSX.Element {
  const { browser, actions, trans } = usePanel();
  const why = actions.whyNotWritable();
  const { filter } = browser;
  if (filter !== '') {
    const { search } = browser;
    const looking = browser.gathering || search?.running;
    return (
      <div className="jp-Wherobots-state">
        <p className="jp-Wherobots-what">
          {looking
            ? trans.__('Nothing yet with “%1” in its name…', filter)
            : search
              ? trans.__('Nothing below %1 matches “%2”.', browser.path, filter)
              : trans.__('Nothing here has “%1” in its name.', filter)}
        </p>
        <button
          type="button"
          className="jp-Wherobots-action"
          onClick={() => browser.openFilter(false)}
        >
          {trans.__('Show all')}
        </button>
      </div>
    );
  }
  if (browser.folder.facts?.exists === false) {
    return (
      <div className="jp-Wherobots-state">
        <p className="jp-Wherobots-what">
          {trans.__('There is no folder %1.', browser.path)}
        </p>
        <p>
          {trans.__(
            'It was never made, or it was moved, renamed or deleted with all that was in it. Whatever is put into it makes it anew.'
          )}
        </p>
        <button
          type="button"
          className="jp-Wherobots-action"
          onClick={() => browser.up()}
        >
          {trans.__('Go to the folder above')}
        </button>
      </div>
    );
  }
  return (
    <div className="jp-Wherobots-state">
      <p className="jp-Wherobots-what">{trans.__('This folder is empty.')}</p>
      {why === null ? (
        <p>{trans.__('Drop files here, or use the upload button above.')}</p>
      ) : (
        <p>{why}</p>
      )}
    </div>
  );
}

export function Loading(): JSX.Element {
  const { browser, trans } = usePanel();
  return (
    <div className="jp-Wherobots-state jp-mod-loading" role="status">
      <p>{trans.__('Reading %1…', browser.path)}</p>
    </div>
  );
}
