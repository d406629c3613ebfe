/**
 * Where things lie that were copied or moved: in the clipboard before they are there, and for each job after it.
 */
import { Clipboard } from '@jupyterlab/apputils';
import type { TranslationBundle } from '@jupyterlab/translation';
import type { JobList } from './model/jobs';
import type { Notice } from './model/notice';
import type { StatusModel } from './model/status';
import type { IJob } from './rest/shapes';

/** A job names so many of its results at most. */
const NAMED = 100;

export interface IWhereaboutsOptions {
  jobs: JobList;
  status: StatusModel;
  notice: Notice;
  trans: TranslationBundle;
}

export class Whereabouts {
  constructor(private readonly options: IWhereaboutsOptions) {
    options.jobs.ended.connect((_, job) => this._correct(job));
  }

  /** Put into the clipboard where things are going to lie. At once, while the click still allows it. */
  tell(kind: IJob['kind'], places: readonly string[]): void {
    const { notice, trans } = this.options;
    const [place, ...others] = places;
    this._told = null;
    if (place !== undefined) {
      Clipboard.copyToSystem(places.join('\n'));
      notice.show(trans.__('Copied'), place);
      this._told = others.length === 0 ? { kind, place } : null;
    }
  }

  /** Where what a job put somewhere lies now: URIs, or paths in home; empty if it put nothing anywhere, or more than it names. */
  of(job: IJob): string[] {
    const { status } = this.options;
    if (job.kind === 'delete' || job.results.length >= NAMED) {
      return [];
    }
    const home = job.kind === 'storage-to-home';
    return job.results
      .map(path => (home ? status.homeFile(path) : status.uriOf(path)))
      .filter(place => place !== null);
  }

  /** Put the paths of what a job made into the clipboard. */
  copy(job: IJob): void {
    const { notice, trans } = this.options;
    const places = this.of(job);
    Clipboard.copyToSystem(places.join('\n'));
    if (places.length === 1) {
      notice.show(trans.__('Copied'), places[0]);
    } else {
      notice.show(trans.__('Copied %1 paths', places.length));
    }
  }

  /** What was copied got another name than the clipboard says, for that was taken: try to put the true one there. */
  private _correct(job: IJob): void {
    const { jobs, notice, trans } = this.options;
    const [place, ...others] = this.of(job);
    const told = this._told;
    if (!told || !place || job.kind !== told.kind || !jobs.requestOf(job)) {
      return;
    }
    this._told = null;
    if (told.place !== place && others.length === 0) {
      // Some browsers let no page write there so long after a click: the list of transfers has a button for that.
      void (navigator as { clipboard?: globalThis.Clipboard }).clipboard
        ?.writeText(place)
        .then(() => notice.show(trans.__('Copied'), place))
        .catch(() => undefined);
    }
  }

  /** What the clipboard got as the place of something that is being copied there. */
  private _told: { kind: IJob['kind']; place: string } | null = null;
}
