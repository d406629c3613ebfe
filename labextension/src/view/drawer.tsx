/**
 * The transfers: what is on its way, what waits for an answer, what has arrived.
 */
import {
  clearIcon,
  closeIcon,
  caretDownIcon,
  caretUpIcon,
  copyIcon,
  fileUploadIcon
} from '@jupyterlab/ui-components';
import * as React from 'react';
import type { TranslationBundle } from '@jupyterlab/translation';
import type { Conflict, IJob } from '../rest/shapes';
import { isOver, takenNames } from '../model/jobs';
import type { JobList } from '../model/jobs';
import type { Answer, Transfer } from '../model/transfer';
import { parentOf } from '../model/paths';
import { usePanel, useSignal } from './context';
import { formatBytes, formatDuration, formatNumber, visible } from './format';
import { pauseIcon, resumeIcon, retryIcon } from './icons';
import { IconButton } from './toolbar';

/** More than anybody reads; the rest is counted. */
const SHOWN = 100;

const ORDER = ['asking', 'failed', 'interrupted', 'running', 'paused'];

function isPaused(item: Transfer): boolean {
  return item.state === 'paused';
}

function rank(item: Transfer): number {
  const at = ORDER.indexOf(item.state);
  return at === -1 ? (item.state === 'waiting' ? ORDER.length : 99) : at;
}

/** Whether a change met names that are taken, and waits for a word about them. */
function isAsking(job: IJob, jobs: JobList): boolean {
  const request = jobs.requestOf(job);
  return isOver(job) && request !== null && takenNames(job, request).size > 0;
}

interface ISummary {
  title: string;
  /** What a screen reader says of it: nothing that changes every moment. */
  spoken: string;
  /** Bytes (or objects) done and in all, while something runs. */
  progress: { value: number; max: number } | null;
}

/** One line for everything. */
function useSummary(): ISummary {
  const { transfers, jobs, trans } = usePanel();
  const uploads = transfers.open;
  const asking = uploads.filter(item => item.state === 'asking').length;
  const failed =
    uploads.filter(item => item.state === 'failed').length +
    jobs.items.filter(job => job.state === 'failed').length;
  const running = jobs.items.filter(job => !isOver(job));
  if (asking > 0) {
    const title =
      asking === 1
        ? trans.__('1 upload needs an answer')
        : trans.__('%1 uploads need an answer', asking);
    return { title, spoken: title, progress: null };
  }
  if (transfers.busy) {
    const { files, sent, size } = transfers.progress;
    const percent = size === 0 ? 0 : Math.floor((100 * sent) / size);
    const title =
      files === 1
        ? trans.__('Uploading 1 file, %1\u00a0%%', percent)
        : trans.__('Uploading %1 files, %2\u00a0%%', files, percent);
    const spoken =
      files === 1
        ? trans.__('Uploading 1 file')
        : trans.__('Uploading %1 files', files);
    return { title, spoken, progress: { value: sent, max: size } };
  }
  if (running.length > 0) {
    const title =
      running.length === 1
        ? running[0]!.title
        : trans.__('%1 changes are being made', running.length);
    return { title, spoken: title, progress: null };
  }
  const questions = jobs.items.filter(job => isAsking(job, jobs)).length;
  if (questions > 0 && questions === failed) {
    const title =
      questions === 1
        ? trans.__('1 change needs an answer')
        : trans.__('%1 changes need an answer', questions);
    return { title, spoken: title, progress: null };
  }
  if (failed > 0) {
    const title =
      failed === 1 ? trans.__('1 failed') : trans.__('%1 failed', failed);
    return { title, spoken: title, progress: null };
  }
  if (uploads.length > 0) {
    const title =
      uploads.length === 1
        ? trans.__('1 upload is not finished')
        : trans.__('%1 uploads are not finished', uploads.length);
    return { title, spoken: title, progress: null };
  }
  const cancelled = [...transfers.items, ...jobs.items].filter(
    each => each.state === 'cancelled'
  ).length;
  const title =
    cancelled === 0
      ? trans.__('All done')
      : trans.__('Done, %1 cancelled', formatNumber(cancelled));
  return { title, spoken: title, progress: null };
}

export function Drawer(): JSX.Element | null {
  const { changes, transfers, jobs, uploads, trans } = usePanel();
  useSignal(transfers.changed);
  useSignal(jobs.changed);
  const [open, setOpen] = React.useState(true);
  const { title, spoken, progress } = useSummary();
  const { items } = transfers;
  const any = items.length > 0 || jobs.items.length > 0;
  const asking = items.filter(item => item.state === 'asking').length;
  const listed = [...items].sort((a, b) => rank(a) - rank(b)).slice(0, SHOWN);
  const together = transfers.stoppable;
  const finished = items.some(item => item.finished) || jobs.items.some(isOver);
  return (
    <>
      <span className="jp-Wherobots-spoken" aria-live="polite">
        {any ? spoken : ''}
      </span>
      {any && (
        <section
          className="jp-Wherobots-drawer"
          aria-label={trans.__('Transfers')}
        >
          <header>
            <button
              type="button"
              className="jp-Wherobots-drawerTitle"
              aria-expanded={open}
              onClick={() => setOpen(!open)}
            >
              {open ? (
                <caretDownIcon.react tag="span" />
              ) : (
                <caretUpIcon.react tag="span" />
              )}
              <span className="jp-Wherobots-drawerText">{title}</span>
            </button>
            {together.length > 1 && (
              <>
                <IconButton
                  icon={transfers.busy ? pauseIcon : resumeIcon}
                  label={
                    transfers.busy
                      ? trans.__('Pause all uploads')
                      : trans.__('Resume all uploads')
                  }
                  disabled={!transfers.busy && !together.some(isPaused)}
                  onClick={() =>
                    transfers.busy
                      ? transfers.pause(...together)
                      : transfers.resume(...together)
                  }
                />
                <IconButton
                  icon={closeIcon}
                  label={trans.__('Stop all uploads')}
                  onClick={() => void uploads.cancelAll()}
                />
              </>
            )}
            <IconButton
              icon={clearIcon}
              label={trans.__('Remove finished transfers')}
              disabled={!finished}
              onClick={() => {
                transfers.clear();
                void changes.clearJobs();
              }}
            />
          </header>
          {progress && <Bar {...progress} />}
          {open && (
            <ul>
              {jobs.items.map(job => (
                <Job key={job.id} job={job} />
              ))}
              {listed.map(item => (
                <Item
                  key={item.id}
                  item={item}
                  several={asking > 1 || transfers.busy}
                />
              ))}
              {items.length > SHOWN && (
                <li className="jp-Wherobots-more">
                  {trans.__('and %1 more', items.length - SHOWN)}
                </li>
              )}
            </ul>
          )}
        </section>
      )}
    </>
  );
}

function Job(props: { job: IJob }): JSX.Element {
  const { changes, jobs, whereabouts, trans } = usePanel();
  const { job } = props;
  const over = isOver(job);
  const asking = isAsking(job, jobs);
  const answer = (label: string, conflict: Conflict): JSX.Element => (
    <button
      type="button"
      className="jp-Wherobots-action"
      onClick={() => void changes.retryJob(job, conflict)}
    >
      {label}
    </button>
  );
  return (
    <li className={`jp-Wherobots-transfer jp-mod-${job.state}`}>
      <div className="jp-Wherobots-transferLine">
        <span className="jp-Wherobots-transferName" title={job.title}>
          {visible(job.title)}
        </span>
        {over && whereabouts.of(job).length > 0 && (
          <IconButton
            icon={copyIcon}
            label={trans.__('Copy the new path: %1', job.title)}
            title={trans.__('Copy the new path')}
            onClick={() => whereabouts.copy(job)}
          />
        )}
        <IconButton
          icon={closeIcon}
          label={
            over
              ? trans.__('Remove “%1” from the list', job.title)
              : trans.__('Cancel “%1”', job.title)
          }
          title={over ? trans.__('Remove') : trans.__('Cancel')}
          onClick={() => void changes.cancelJob(job)}
        />
      </div>
      {!over && <Bar value={job.objects} max={job.totalObjects ?? 0} />}
      <p className="jp-Wherobots-facts">{factsOf(job, trans)}</p>
      {job.errors.slice(0, 5).map(error => (
        <p
          key={`${error.path ?? ''} ${error.message}`}
          className="jp-Wherobots-facts jp-mod-error"
          role="alert"
        >
          {error.code === 'AlreadyExists' && asking
            ? error.message
            : `${error.message} ${error.hint}`.trim()}
        </p>
      ))}
      {asking && (
        <div
          className="jp-Wherobots-question"
          role="group"
          aria-label={trans.__('What to do with names that are taken')}
        >
          <button
            type="button"
            className="jp-Wherobots-action"
            onClick={() => void changes.cancelJob(job)}
          >
            {trans.__('Skip')}
          </button>
          {answer(trans.__('Replace'), 'replace')}
          {answer(trans.__('Keep both'), 'keep-both')}
        </div>
      )}
    </li>
  );
}

function factsOf(job: IJob, trans: TranslationBundle): string {
  const done = formatNumber(job.objects);
  const all = job.totalObjects === null ? null : formatNumber(job.totalObjects);
  const size = formatBytes(job.bytes);
  const skipped = job.skipped > 0 ? trans.__(', %1 skipped', job.skipped) : '';
  switch (job.state) {
    case 'waiting':
      return trans.__('Waiting');
    case 'running':
      return all === null
        ? trans.__('Counting… %1 so far', done)
        : trans.__('%1 of %2', done, all);
    case 'done':
      return job.objects === 1
        ? trans.__('Done: 1 file, %1%2', size, skipped)
        : trans.__('Done: %1 files, %2%3', done, size, skipped);
    case 'cancelled':
      return trans.__('Cancelled after %1; what was done stays done.', done);
    case 'failed':
      return job.objects === 0
        ? trans.__('Nothing was done%1:', skipped)
        : trans.__('%1 done, %2 not%3:', done, job.errorCount, skipped);
  }
}

function Bar(props: { value: number; max: number }): JSX.Element {
  return (
    <progress
      className="jp-Wherobots-bar"
      aria-label={usePanel().trans.__('Progress')}
      value={props.max ? props.value : 0}
      max={props.max || 1}
    />
  );
}

function Item(props: { item: Transfer; several: boolean }): JSX.Element {
  const { transfers, uploads, browser, trans } = usePanel();
  const { item } = props;
  const { state } = item;
  const resumable = state === 'paused' || state === 'failed';
  return (
    <li className={`jp-Wherobots-transfer jp-mod-${state}`}>
      <div className="jp-Wherobots-transferLine">
        <button
          type="button"
          className="jp-Wherobots-transferName"
          title={item.path}
          onClick={() => browser.reveal(item.path)}
        >
          {visible(item.name)}
        </button>
        {(state === 'running' || state === 'waiting') && !item.ending && (
          <IconButton
            icon={pauseIcon}
            label={trans.__('Pause the upload of %1', item.name)}
            title={trans.__('Pause')}
            onClick={() => transfers.pause(item)}
          />
        )}
        {resumable && (
          <IconButton
            icon={state === 'failed' ? retryIcon : resumeIcon}
            label={
              state === 'failed'
                ? trans.__('Retry the upload of %1', item.name)
                : trans.__('Resume the upload of %1', item.name)
            }
            title={state === 'failed' ? trans.__('Retry') : trans.__('Resume')}
            onClick={() => transfers.resume(item)}
          />
        )}
        {state === 'interrupted' && (
          <IconButton
            icon={fileUploadIcon}
            label={trans.__('Choose %1 again to go on', item.name)}
            onClick={() => uploads.chooseAgain(item)}
          />
        )}
        {!item.finished && !item.ending && (
          <IconButton
            icon={closeIcon}
            label={trans.__('Cancel the upload of %1', item.name)}
            title={trans.__('Cancel')}
            onClick={() => transfers.cancel(item)}
          />
        )}
      </div>
      {(state === 'running' || state === 'paused') && (
        <Bar value={item.sent} max={item.size} />
      )}
      <Facts item={item} />
      {state === 'asking' && <Question item={item} several={props.several} />}
    </li>
  );
}

function Facts(props: { item: Transfer }): JSX.Element {
  const { trans } = usePanel();
  const { item } = props;
  const size = formatBytes(item.size);
  const { rate } = item;
  const words = (): string => {
    switch (item.state) {
      case 'waiting':
        return trans.__('%1, waiting', size);
      case 'running':
        return item.ending
          ? trans.__('%1 sent, being saved…', size)
          : rate > 0 && item.sent < item.size
            ? trans.__(
                '%1 of %2, %3/s, %4 left',
                formatBytes(item.sent),
                size,
                formatBytes(rate),
                formatDuration((item.size - item.sent) / rate, trans)
              )
            : trans.__('%1 of %2', formatBytes(item.sent), size);
      case 'paused':
        return trans.__('%1 of %2, paused', formatBytes(item.sent), size);
      case 'interrupted':
        return trans.__(
          '%1 of %2 arrived before the page was left. Choose the file again to go on.',
          formatBytes(item.sent),
          size
        );
      case 'asking':
        return trans.__('%1 has a file of this name.', parentOf(item.path));
      case 'done':
        return item.entry && item.entry.name !== item.name
          ? trans.__('%1, uploaded as %2', size, item.entry.name)
          : trans.__('%1, uploaded', size);
      case 'skipped':
        return trans.__('Skipped: the file there stays as it is');
      case 'cancelled':
        return trans.__('Cancelled');
      case 'failed':
        return [item.error?.message, item.error?.hint].join(' ');
    }
  };
  return (
    <p
      className="jp-Wherobots-facts"
      role={item.state === 'failed' ? 'alert' : undefined}
    >
      {words()}
    </p>
  );
}

function Question(props: { item: Transfer; several: boolean }): JSX.Element {
  const { transfers, trans } = usePanel();
  const [all, setAll] = React.useState(false);
  const answer = (label: string, value: Answer): JSX.Element => (
    <button
      type="button"
      className="jp-Wherobots-action"
      onClick={() => transfers.answer(props.item, value, all)}
    >
      {label}
    </button>
  );
  return (
    <div
      className="jp-Wherobots-question"
      role="group"
      aria-label={trans.__('What to do with %1', props.item.name)}
    >
      {answer(trans.__('Skip'), 'skip')}
      {answer(trans.__('Replace'), 'replace')}
      {answer(trans.__('Keep both'), 'keep-both')}
      {props.several && (
        <label>
          <input
            type="checkbox"
            checked={all}
            onChange={event => setAll(event.target.checked)}
          />
          {trans.__('for all')}
        </label>
      )}
    </div>
  );
}
