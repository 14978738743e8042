/** Which model a node scores with: the newest on disk, or the one it is being taught. */
import { join, resolve } from 'node:path';
import { framesOf, picturesIn } from '../../lib/anomaly/folder-frames.ts';
import type { Resolution } from '../../lib/anomaly/head.ts';
import { Lesson } from '../../lib/anomaly/lesson.ts';
import { latestModel, referenceOf, type AnomalyModel } from '../../lib/anomaly/model.ts';
import { Scorer, type ScorerOptions } from '../../lib/anomaly/scorer.ts';
import { asCodedError, CodedError } from '../../lib/errors.ts';
import type { Frame } from '../../lib/frame/frame.ts';
import type { Station } from '../../lib/station/types.ts';
import type { Message } from '../runtime/types.ts';
import type { SubjectContext } from './subject.ts';
import { TeachingReport } from './teaching-report.ts';

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

export class ModelKeeper {
  readonly #context: SubjectContext;
  readonly #station: Station;
  readonly #config: KeeperOptions;
  readonly #report: TeachingReport;
  #scorer: Scorer | undefined;
  #withdraw: (() => void) | undefined;
  #lesson: Lesson | undefined;
  #lessonEnded: Promise<void> = Promise.resolve();
  /** Ends when nothing that begins or gives up a lesson is under way. */
  #turn: Promise<unknown> = Promise.resolve();

  constructor(context: SubjectContext, station: Station, config: KeeperOptions) {
    this.#context = context;
    this.#station = station;
    this.#config = config;
    this.#report = new TeachingReport(context);
  }

  /** Loads the newest model; where there is none, teaching begins as configured. */
  async start(): Promise<void> {
    const { model: name, teaching } = this.#config;
    const model = await latestModel(this.#folder, name);
    if (model !== undefined) await this.#use(model);
    else if (teaching !== 'none') await this.teach();
    else this.#context.status.fail('MODEL_MISSING');
  }

  /** Begins a lesson; one that is under way is given up. */
  teach(): Promise<Message> {
    return this.#inTurn(() => this.#begin());
  }

  /** The scorer for a frame; undefined while teaching, which takes the frame if it still needs it. */
  scorerFor(frame: Frame): Scorer | undefined {
    if (this.#lesson !== undefined) {
      this.#lesson.offer(frame);
      return undefined;
    }
    if (this.#scorer !== undefined) return this.#scorer;
    throw new CodedError('MODEL_MISSING', `there is no model “${this.#config.model}” to score with`, {
      hint: 'Send a message with topic jidoka/teach to teach one from the next parts.',
    });
  }

  async close(): Promise<void> {
    await this.#inTurn(() => this.#cancel());
    this.#withdraw?.();
    await this.#scorer?.close();
  }

  get #folder(): string {
    return join(this.#station.folder, 'models');
  }

  /** One after the other: two lessons begun at once would leave one that nobody can give up. */
  #inTurn<Result>(action: () => Promise<Result>): Promise<Result> {
    const result = this.#turn.then(action);
    this.#turn = result.catch(() => undefined);
    return result;
  }

  async #begin(): Promise<Message> {
    await this.#cancel();
    const { teaching, model: name, parts, resolution, folder } = this.#config;
    const pictures =
      teaching === 'folder' ? await picturesIn(resolve(this.#station.folder, folder)) : undefined;
    const lesson = new Lesson({
      folder: this.#folder,
      name,
      resolution,
      parts: pictures?.length ?? parts,
      ...(pictures === undefined ? {} : { frames: framesOf(pictures) }),
      onProgress: (progress) => this.#report.progress(progress),
    });
    this.#lesson = lesson;
    this.#lessonEnded = this.#finish(lesson);
    return this.#report.begin(lesson.parts);
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
    const { status, signal } = this.#context;
    const scorer = await Scorer.open(model, this.#config, { signal });
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
}
