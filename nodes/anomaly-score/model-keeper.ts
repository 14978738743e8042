/** Which model a node scores with: the newest on disk, or the one it is being taught. */
import { join, resolve } from 'node:path';
import { framesOf, picturesIn } from '../../lib/anomaly/folder-frames.ts';
import type { Resolution } from '../../lib/anomaly/head.ts';
import { Lesson } from '../../lib/anomaly/lesson.ts';
import { latestModel, referenceOf, type AnomalyModel } from '../../lib/anomaly/model.ts';
import { Scorer, type ScorerOptions } from '../../lib/anomaly/scorer.ts';
import { teachingFraction } from '../../lib/anomaly/teach.ts';
import type { TeachingProgress } from '../../lib/anomaly/teaching.ts';
import { asCodedError, CodedError } from '../../lib/errors.ts';
import type { Frame } from '../../lib/frame/frame.ts';
import type { Station } from '../../lib/station/types.ts';
import type { NodeContext } from '../runtime/register.ts';
import type { Message } from '../runtime/types.ts';

export interface KeeperOptions extends ScorerOptions {
  model: string;
  teaching: 'first-parts' | 'folder' | 'none';
  /** Side of the square that pictures are scaled to, in pixels; counts for the next lesson. */
  resolution: Resolution;
  /** Parts of a lesson from the running line. */
  parts: number;
  /** Of the pictures; absolute, or below the station's folder. */
  folder: string;
}

/** Progress is for people: four times a second at most. */
const PROGRESS_INTERVAL_MS = 250;

export class ModelKeeper {
  readonly #context: NodeContext<KeeperOptions>;
  readonly #station: Station;
  #scorer: Scorer | undefined;
  #withdraw: (() => void) | undefined;
  #lesson: Lesson | undefined;
  #lessonEnded: Promise<void> = Promise.resolve();
  #reportedAt = -Infinity;

  constructor(context: NodeContext<KeeperOptions>, station: Station) {
    this.#context = context;
    this.#station = station;
  }

  /** Loads the newest model; where there is none, teaching begins as configured. */
  async start(): Promise<void> {
    const { model: name, teaching } = this.#context.config;
    const model = await latestModel(this.#folder, name);
    if (model !== undefined) await this.#use(model);
    else if (teaching !== 'none') await this.teach();
    else this.#context.status.fail('MODEL_MISSING');
  }

  /** Begins a lesson; one that is under way is given up. */
  async teach(): Promise<Message> {
    await this.#cancel();
    const { teaching, model: name, parts, resolution, folder } = this.#context.config;
    const pictures =
      teaching === 'folder' ? await picturesIn(resolve(this.#station.folder, folder)) : undefined;
    const lesson = new Lesson({
      folder: this.#folder,
      name,
      resolution,
      parts: pictures?.length ?? parts,
      ...(pictures === undefined ? {} : { frames: framesOf(pictures) }),
      onProgress: (progress) => this.#report(progress),
    });
    this.#lesson = lesson;
    this.#lessonEnded = this.#finish(lesson);
    const progress: TeachingProgress = { stage: 'features', done: 0, total: lesson.parts };
    this.#show(progress);
    return progressMessage(progress);
  }

  /** The scorer for a frame; undefined while teaching, which takes the frame if it still needs it. */
  scorerFor(frame: Frame): Scorer | undefined {
    if (this.#lesson !== undefined) {
      this.#lesson.offer(frame);
      return undefined;
    }
    if (this.#scorer !== undefined) return this.#scorer;
    throw new CodedError('MODEL_MISSING', `there is no model “${this.#context.config.model}” to score with`, {
      hint: 'Send a message with topic jidoka/teach to teach one from the next parts.',
    });
  }

  async close(): Promise<void> {
    await this.#cancel();
    this.#withdraw?.();
    await this.#scorer?.close();
  }

  get #folder(): string {
    return join(this.#station.folder, 'models');
  }

  async #cancel(): Promise<void> {
    const lesson = this.#lesson;
    this.#lesson = undefined;
    await lesson?.cancel();
    await this.#lessonEnded;
  }

  async #finish(lesson: Lesson): Promise<void> {
    try {
      const model = await lesson.model;
      if (this.#lesson !== lesson) return;
      await this.#record(model);
      await this.#use(model);
    } catch (error) {
      if (this.#lesson !== lesson) return;
      this.#context.fail(error);
      this.#context.status.fail(asCodedError(error).code);
    }
    if (this.#lesson === lesson) this.#lesson = undefined;
  }

  /** Puts a model into service, and the one before it out of service. */
  async #use(model: AnomalyModel): Promise<void> {
    const { config, status } = this.#context;
    const scorer = await Scorer.open(model, config);
    const [before, withdraw] = [this.#scorer, this.#withdraw];
    this.#scorer = scorer;
    const reference = referenceOf(model);
    this.#withdraw = this.#station.offerCalibration({ model: reference, goodScores: model.goodScores });
    withdraw?.();
    await before?.close();
    status.show('ready', 'ready');
    const { parts, method } = model;
    this.#context.emit([null, { topic: 'jidoka/model', payload: { ...reference, parts, method } }]);
  }

  /** A journal that fails is reported; the model is good without it. */
  async #record({ name, version, digest, parts, seed }: AnomalyModel): Promise<void> {
    try {
      const journal = await this.#station.journal();
      const detail = { version, digest, parts, seed };
      await journal.appendLedger({ type: 'model.teach', actor: 'system', object: name, detail });
    } catch (error) {
      this.#context.fail(error);
    }
  }

  #report(progress: TeachingProgress): void {
    this.#show(progress);
    const now = performance.now();
    if (now - this.#reportedAt < PROGRESS_INTERVAL_MS) return;
    this.#reportedAt = now;
    this.#context.emit([null, progressMessage(progress)]);
  }

  #show(progress: TeachingProgress): void {
    const { stage, done, total } = progress;
    const { status } = this.#context;
    if (stage === 'features') status.show('working', 'collecting', { done, total });
    else status.show('working', 'teaching', { percent: Math.round(100 * teachingFraction(progress)) });
  }
}

function progressMessage(progress: TeachingProgress): Message {
  return { topic: 'jidoka/teaching', payload: { ...progress, fraction: teachingFraction(progress) } };
}
