/** Which model a node scores with: the newest on disk, or the one it is being taught. One lesson or change at a time. */
import { join } from 'node:path';
import { AnomalyError } from '../../lib/anomaly/errors.ts';
import type { Finding } from '../../lib/anomaly/findings.ts';
import { Lesson, type LessonOptions } from '../../lib/anomaly/lesson.ts';
import { latestModel, type AnomalyModel } from '../../lib/anomaly/model.ts';
import type { Scorer, ScorerOptions } from '../../lib/anomaly/scorer.ts';
import { unfinishedLesson, type UnfinishedSummary } from '../../lib/anomaly/teach.ts';
import type { TeachingProgress } from '../../lib/anomaly/teaching.ts';
import { prune } from '../../lib/anomaly/versions.ts';
import { asCodedError, CodedError } from '../../lib/errors.ts';
import type { Frame } from '../../lib/frame/frame.ts';
import type { Station } from '../../lib/station/types.ts';
import { alarmsOf } from '../runtime/alarms.ts';
import type { Message } from '../runtime/types.ts';
import { lessonSettings, lessonSource, type LessonConfig } from './lesson-config.ts';
import { ServedScorer } from './served-scorer.ts';
import type { SubjectContext } from './subject.ts';
import { TeachingReport } from './teaching-report.ts';
import { standDownForChanged } from '../runtime/station.ts';

export interface KeeperOptions extends ScorerOptions, LessonConfig {
  model: string;
  /** Versions that stay, beside the one in service and the one it came from. */
  keepVersions: number;
}

/** Who wants a model changed, and why. */
export interface By {
  actor: string;
  reason: string;
}

/** What puts another version into service. */
export type ChangeKind = 'learn' | 'unteach' | 'rollback' | 'serve';

export interface Work {
  /** A draft is collected and taught without any effect on what serves. */
  kind: 'teach' | 'collect' | 'draft' | ChangeKind;
  progress: TeachingProgress;
  /** Monotonic, in milliseconds. */
  startedAt: number;
}

export interface KeeperJob {
  signal: AbortSignal;
  onProgress: (progress: TeachingProgress) => void;
}

const SYSTEM: By = { actor: 'system', reason: 'told by the flow' };
const RESUMED: By = { actor: 'system', reason: 'went on after a restart' };

export class ModelKeeper {
  readonly #context: SubjectContext;
  readonly #station: Station;
  readonly #config: KeeperOptions;
  readonly #report: TeachingReport;
  readonly #served: ServedScorer;
  #lesson: Lesson | undefined;
  #lessonEnded: Promise<void> = Promise.resolve();
  #work: Work | undefined;
  #problem: unknown;
  /** Why the model on disk cannot serve; no part is scored until there is another. */
  #unusable: unknown;
  #change: AbortController | undefined;
  #changeEnded: Promise<void> = Promise.resolve();
  /** Ends when nothing that begins or gives up a lesson is under way. */
  #turn: Promise<unknown> = Promise.resolve();

  constructor(context: SubjectContext, station: Station, config: KeeperOptions) {
    this.#context = context;
    this.#station = station;
    this.#config = config;
    this.#report = new TeachingReport(context);
    this.#served = new ServedScorer(context, station, config);
  }

  /**
   * Loads the newest model; where there is none, teaching begins as configured, unless a person is at it (`hasDraft`).
   * What goes wrong is reported: people can teach another model all the same. What they ask for meanwhile waits.
   */
  start(hasDraft: () => Promise<boolean> = () => Promise.resolve(false)): Promise<void> {
    return this.#inTurn(async () => {
      try {
        const isDrafted = await hasDraft();
        await this.#load();
        await this.#teachAsConfigured(isDrafted);
      } catch (error) {
        this.#problem = error;
        if (this.#context.signal.aborted) return;
        this.#context.fail(error);
        this.#fail(error);
      }
    });
  }

  /** Begins a lesson. Throws `TEACH_BUSY` while a model is being taught or changed. */
  teach(by: By = SYSTEM): Promise<Message> {
    return this.#inTurn(() => this.#begin(by));
  }

  /** Gives up what is under way; the model that serves goes on. */
  cancel(): Promise<void> {
    return this.#inTurn(async () => {
      await this.#cancel();
      this.#showService();
    });
  }

  /**
   * Makes a new version of the model that serves, which goes on until then, and puts it into service.
   * Throws `TEACH_BUSY` while another one is being made.
   */
  async change(
    kind: ChangeKind,
    by: By,
    run: (job: KeeperJob) => Promise<AnomalyModel>,
  ): Promise<AnomalyModel> {
    const model = await this.occupy(kind, async (job) => {
      const made = await run(job);
      await this.#record(kind, made, by);
      await this.#served.use(made);
      return made;
    });
    await this.#prune();
    return model;
  }

  /**
   * Does what takes the model for itself. Throws `TEACH_BUSY` while something else does; `suspend`ed by a close with
   * `TEACH_SUSPENDED` as the reason of its signal.
   */
  async occupy<Result>(kind: Work['kind'], run: (job: KeeperJob) => Promise<Result>): Promise<Result> {
    await this.#turn;
    const done = this.#occupied(kind, run);
    this.#changeEnded = done.then(
      () => undefined,
      () => undefined,
    );
    return done;
  }

  /** Ends when no lesson and no change is under way. */
  async idle(): Promise<void> {
    await this.#lessonEnded;
    await this.#changeEnded;
  }

  async #load(): Promise<void> {
    try {
      const model = await latestModel(this.folder, this.#config.model);
      if (model !== undefined) await this.#served.use(model);
    } catch (error) {
      this.#unusable = error;
      standDownForChanged(this.#station, error);
      throw error;
    }
  }

  async #teachAsConfigured(hasDraft: boolean): Promise<void> {
    const { model: name, teaching } = this.#config;
    const unfinished = await unfinishedLesson(this.folder, name);
    if (unfinished !== undefined) this.#resume(unfinished);
    else if (this.model !== undefined) return;
    else if (teaching !== 'none' && !hasDraft) await this.#begin(SYSTEM);
    else this.#showService();
  }

  #fail(error: unknown): void {
    const { code, message } = asCodedError(error);
    if (this.model === undefined) this.#miss(message);
    this.#context.status.fail(code);
  }

  #miss(message: string): void {
    alarmsOf(this.#context.node, this.#station).raise('MODEL_MISSING', message);
    this.#context.status.fail('MODEL_MISSING');
  }

  #showService(): void {
    if (this.model === undefined) this.#miss(`there is no model “${this.#config.model}”`);
    else this.#context.status.show('ready', 'ready');
  }

  async #occupied<Result>(kind: Work['kind'], run: (job: KeeperJob) => Promise<Result>): Promise<Result> {
    this.#assertFree();
    const change = new AbortController();
    this.#change = change;
    this.#begun(kind);
    try {
      const onProgress = (progress: TeachingProgress): void => this.#progress(progress);
      const result = await run({ signal: change.signal, onProgress });
      if (kind === 'collect' || kind === 'draft') this.#report.pause();
      return result;
    } catch (error) {
      const wasCancelled = change.signal.aborted;
      if (!wasCancelled) this.#problem = error;
      this.#report.end(wasCancelled ? undefined : error);
      throw error;
    } finally {
      this.#work = undefined;
      this.#change = undefined;
      if (!this.#context.signal.aborted) this.#showService();
    }
  }

  /**
   * The scorer for a frame. Undefined where a lesson takes the frame, and during any lesson while there is no
   * model before, which scores what a lesson does not take.
   */
  scorerFor(frame: Frame): Scorer | undefined {
    const { scorer } = this.#served;
    if (this.#lesson?.offer(frame) === true) return undefined;
    if (scorer !== undefined) return scorer;
    if (this.#lesson !== undefined) return undefined;
    if (this.#unusable !== undefined) throw asCodedError(this.#unusable);
    throw new CodedError('MODEL_MISSING', `there is no model “${this.#config.model}” to score with`, {
      hint: 'Send a message with topic jidoka/teach to teach one from the next parts.',
    });
  }

  /** What was collected for a lesson stays: the next start goes on with it. */
  async close(): Promise<void> {
    await this.#inTurn(() => this.#cancel('suspend'));
    await this.#served.close();
  }

  /** Of all models of the station. */
  get folder(): string {
    return join(this.#station.folder, 'models');
  }

  /** The model that serves. */
  get model(): AnomalyModel | undefined {
    return this.#served.scorer?.model;
  }

  /** What is under way. */
  get work(): Work | undefined {
    return this.#work;
  }

  /** What was pointed out about the pictures of the lesson under way. */
  get findings(): readonly Finding[] {
    return this.#lesson?.findings ?? [];
  }

  /** Why the last that was under way came to nothing. */
  get problem(): unknown {
    return this.#problem;
  }

  /** One after the other: two lessons begun at once would leave one that nobody can give up. */
  #inTurn<Result>(action: () => Promise<Result>): Promise<Result> {
    const result = this.#turn.then(action);
    this.#turn = result.catch(() => undefined);
    return result;
  }

  async #begin(by: By): Promise<Message> {
    this.#assertFree();
    this.#begun('teach');
    try {
      const settings = await lessonSettings(this.#config, this.#context.RED);
      const source = await lessonSource(this.#config, this.#station.folder);
      return this.#run({ ...settings, ...source, ...by }, by);
    } catch (error) {
      this.#work = undefined;
      this.#problem = error;
      throw error;
    }
  }

  #assertFree(): void {
    this.#context.signal.throwIfAborted();
    if (this.#work === undefined) return;
    throw new CodedError('TEACH_BUSY', 'this model is being taught', {
      hint: 'Wait until it is done, or cancel it.',
    });
  }

  /** Goes on with a lesson that was cut off. */
  #resume({ collected, wanted = collected, fromPictures }: UnfinishedSummary): void {
    this.#begun('teach');
    this.#run({ parts: wanted, collected, fromPictures, resume: true }, RESUMED);
  }

  #run(options: Omit<LessonOptions, 'folder' | 'name'>, by: By): Message {
    const { folder } = this;
    const { model: name } = this.#config;
    const onProgress = (progress: TeachingProgress): void => this.#progress(progress);
    const lesson = new Lesson({ ...options, folder, name, onProgress });
    this.#lesson = lesson;
    this.#lessonEnded = this.#finish(lesson, by);
    return this.#report.begin(lesson.parts);
  }

  #begun(kind: Work['kind']): void {
    this.#problem = undefined;
    const progress: TeachingProgress = { stage: 'features', done: 0, total: 0 };
    this.#work = { kind, progress, startedAt: performance.now() };
  }

  #progress(progress: TeachingProgress): void {
    if (this.#work !== undefined) this.#work.progress = progress;
    this.#report.progress(progress);
  }

  async #cancel(how: 'cancel' | 'suspend' = 'cancel'): Promise<void> {
    const lesson = this.#lesson;
    this.#lesson = undefined;
    this.#change?.abort(how === 'suspend' ? suspended() : undefined);
    await lesson?.[how]();
    await this.#lessonEnded;
    await this.#changeEnded;
    if (lesson === undefined) return;
    this.#work = undefined;
    if (how === 'cancel') this.#report.end();
  }

  async #finish(lesson: Lesson, by: By): Promise<void> {
    try {
      const model = await lesson.model;
      if (this.#lesson !== lesson) return;
      await this.#record('teach', model, by);
      await this.#served.use(model);
      await this.#prune();
    } catch (error) {
      if (this.#lesson !== lesson) return;
      this.#problem = error;
      this.#context.fail(error);
      this.#fail(error);
      this.#report.end(error);
    }
    if (this.#lesson !== lesson) return;
    this.#lesson = undefined;
    this.#work = undefined;
  }

  /** Old versions go; what cannot be removed now is the next time. */
  async #prune(): Promise<void> {
    const { model: object, keepVersions } = this.#config;
    try {
      const removed = await prune(this.folder, object, keepVersions);
      if (removed.length === 0) return;
      const journal = await this.#station.journal();
      const detail = { removed, kept: keepVersions };
      const why = { actor: 'system', reason: 'more versions than are to be kept' };
      await journal.appendLedger({ type: 'model.prune', object, detail, ...why });
    } catch (error) {
      if (asCodedError(error).code !== 'TEACH_BUSY') this.#context.fail(error);
    }
  }

  /** A journal that fails is reported; the model is good without it. */
  async #record(kind: Work['kind'], model: AnomalyModel, { actor, reason }: By): Promise<void> {
    const { name, version, digest, goodScores, learned, seed } = model;
    try {
      const journal = await this.#station.journal();
      const detail = { version, digest, parts: goodScores.length + learned.length, seed };
      await journal.appendLedger({ type: `model.${kind}`, actor, object: name, reason, detail });
    } catch (error) {
      this.#context.fail(error);
    }
  }
}

function suspended(): AnomalyError {
  return new AnomalyError('TEACH_SUSPENDED', 'Node-RED stops, or the flow is deployed anew');
}
