/**
 * Changes that the server does in the background: copies, moves, renames, deletes. They go on when the page is closed, and
 * every tab of the browser shows all of them.
 */
import { PromiseDelegate } from '@lumino/coreutils';
import { Poll } from '@lumino/polling';
import type { ISignal } from '@lumino/signaling';
import { Signal } from '@lumino/signaling';
import type { Conflict, IItem, IJob, JobRequest } from '../rest/shapes';
import type { TranslationBundle } from '@jupyterlab/translation';
import { asApiError } from '../rest/errors';
import { nameOf } from './paths';

/** The calls of the API needed here. */
export interface IJobSource {
  jobs(): Promise<{ jobs: IJob[] }>;
  createJob(request: JobRequest): Promise<IJob>;
  cancelJob(id: string): Promise<IJob>;
}

const INTERVAL_MS = 500;

export function isOver(job: IJob): boolean {
  return job.state !== 'waiting' && job.state !== 'running';
}

/** Whether a change failed at the first thing, and nothing was changed. */
export function isRefused(job: IJob): boolean {
  return job.state === 'failed' && job.errorCount === 1 && job.objects === 0;
}

export class JobList {
  constructor(
    private readonly source: IJobSource,
    private readonly trans: TranslationBundle,
    private readonly hidden: () => boolean = () => document.hidden
  ) {
    this._poll = new Poll({
      name: 'jupyter-wherobots:jobs',
      factory: () => this.look(),
      frequency: { interval: INTERVAL_MS, backoff: true, max: 30_000 },
      standby: () => this.hidden() || !this.busy
    });
  }

  /** Emitted when a job moved, began or ended. */
  get changed(): ISignal<this, void> {
    return this._changed;
  }

  /** Emitted once for each job that this page saw end. */
  get ended(): ISignal<this, IJob> {
    return this._ended;
  }

  /** Newest first. */
  get items(): readonly IJob[] {
    return this._items;
  }

  get busy(): boolean {
    return this._items.some(job => !isOver(job));
  }

  /** What was asked for, if it was asked for from this page. */
  requestOf(job: IJob): JobRequest | null {
    return this._requests.get(job.id) ?? null;
  }

  /** Begin a change. Rejects with what the server refuses at once. */
  async start(request: JobRequest): Promise<IJob> {
    const job = await this.source.createJob(request);
    this._requests.set(job.id, request);
    this._take([job, ...this._items.filter(each => each.id !== job.id)]);
    return job;
  }

  /** Begin a change and wait for its end. That it was refused is for the caller to say: the list does not show it. */
  async run(request: JobRequest): Promise<IJob> {
    const over = new PromiseDelegate<IJob>();
    const slot = (_: this, job: IJob): void => {
      if (this.requestOf(job) === request) {
        over.resolve(job);
      }
    };
    this._awaited.add(request);
    this._ended.connect(slot);
    try {
      await this.start(request);
      return await over.promise;
    } finally {
      this._ended.disconnect(slot);
      this._awaited.delete(request);
    }
  }

  /** Do what failed again, with another rule for names that are taken. */
  async retry(job: IJob, conflict: Conflict): Promise<void> {
    const request = this.requestOf(job);
    if (request === null || request.kind === 'delete') {
      return;
    }
    const names = takenNames(job, request);
    const items = (request.items as IItem[]).filter(
      item => request.kind === 'rename' || names.has(nameOf(item.path))
    );
    await this.start({ ...request, items, conflict });
    await this.cancel(job);
  }

  /** Stop a running job, or take a finished one off the list. */
  async cancel(job: IJob): Promise<void> {
    const now = await this._end(job);
    const rest = this._items.filter(each => each.id !== job.id);
    this._take(isOver(job) ? rest : [now, ...rest]);
  }

  /** Take the finished ones off the list. */
  async clear(): Promise<void> {
    await Promise.all(this._items.filter(isOver).map(job => this._end(job)));
    this._take(this._items.filter(job => !isOver(job)));
  }

  /** Ask how far they are. */
  async look(): Promise<void> {
    const before = new Set(this._items.map(job => job.id));
    const { jobs } = await this.source.jobs();
    const known = new Set(jobs.map(job => job.id));
    const absent = this._items.filter(job => !known.has(job.id));
    // One that began after the question is no part of the answer.
    const young = absent.filter(job => !before.has(job.id));
    const forgotten = absent
      .filter(job => before.has(job.id) && this._requests.has(job.id))
      .map(job => (isOver(job) ? job : this._forgotten(job)));
    this._take([...young, ...forgotten, ...jobs]);
  }

  dispose(): void {
    this._poll.dispose();
    Signal.clearData(this);
  }

  /** Have the server end a job, or forget it; one that it knows no more has ended. */
  private async _end(job: IJob): Promise<IJob> {
    try {
      return await this.source.cancelJob(job.id);
    } catch (reason) {
      if (asApiError(reason, null).code !== 'NotFound') {
        throw reason;
      }
      return isOver(job) ? job : this._forgotten(job);
    }
  }

  /** A job that the server does not know any more, though nobody here saw it end. */
  private _forgotten(job: IJob): IJob {
    const error = {
      code: 'Forgotten',
      message: this.trans.__(
        'What came of this is not known: the server was restarted, or another page took it off the list.'
      ),
      path: null,
      hint: this.trans.__('Look at the folder before you do it again.')
    };
    return {
      ...job,
      state: 'failed',
      errors: [...job.errors, error],
      errorCount: job.errorCount + 1
    };
  }

  private _take(given: readonly IJob[]): void {
    const before = new Map(this._items.map(job => [job.id, job]));
    for (const job of given) {
      // Over before this page heard of it: no news to anybody who looks at it now.
      if (isOver(job) && !before.has(job.id) && !this._requests.has(job.id)) {
        this._old.add(job.id);
      }
    }
    const jobs = given.filter(job => !this._old.has(job.id));
    const refused = jobs.filter(
      job => isRefused(job) && this._awaited.has(this.requestOf(job)!)
    );
    for (const job of refused) {
      this._old.add(job.id);
      this._end(job).catch(() => undefined); // the caller has it
    }
    this._items = jobs.filter(job => !refused.includes(job));
    for (const job of jobs) {
      const old = before.get(job.id);
      const begun = old ? !isOver(old) : this._requests.has(job.id);
      if (isOver(job) && begun) {
        this._ended.emit(job);
      }
    }
    this._changed.emit();
  }

  private _items: readonly IJob[] = [];
  private readonly _old = new Set<string>();
  /** What somebody waits for the end of. */
  private readonly _awaited = new Set<JobRequest>();
  private readonly _requests = new Map<string, JobRequest>();
  private readonly _poll: Poll;
  private readonly _changed = new Signal<this, void>(this);
  private readonly _ended = new Signal<this, IJob>(this);
}

/** The names of the request's items that failed because they are taken at the destination. */
export function takenNames(job: IJob, request: JobRequest): Set<string> {
  const names = new Set<string>();
  const destination = 'destination' in request ? request.destination : '';
  const prefix =
    destination === '' || destination.endsWith('/')
      ? destination
      : `${destination}/`;
  for (const error of job.errors) {
    if (error.code === 'AlreadyExists' && error.path?.startsWith(prefix)) {
      names.add(error.path.slice(prefix.length).split('/')[0]!);
    }
  }
  return names;
}
