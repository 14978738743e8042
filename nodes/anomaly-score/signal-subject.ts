/** Features of signals, scored against normal operation. */
import { join, resolve } from 'node:path';
import { conformalPValue, conformalThreshold } from '../../lib/anomaly/p-value.ts';
import { asCodedError } from '../../lib/errors.ts';
import type { AnomalySection, Inspection, ModelReference } from '../../lib/inspection/inspection.ts';
import { SeriesError } from '../../lib/series/errors.ts';
import { HealthTrend } from '../../lib/series/health-trend.ts';
import { latestModel, type SeriesModel } from '../../lib/series/model.ts';
import { rowOf, Watch, type Judgement } from '../../lib/series/normal.ts';
import { hasRows, removeRows, RowLog } from '../../lib/series/row-log.ts';
import type { Source } from '../../lib/series/teach-protocol.ts';
import { teach } from '../../lib/series/teach.ts';
import type { Station } from '../../lib/station/types.ts';
import { alarmsOf } from '../runtime/alarms.ts';
import type { Message, Outputs } from '../runtime/types.ts';
import type { SignalConfig, TrendConfig } from './signal-config.ts';
import type { Subject, SubjectContext } from './subject.ts';
import { TeachingReport } from './teaching-report.ts';

/** Sensors that are named as the reason for a score. */
const NAMED = 5;
/** Share of the windows it was taught with that exceed the limit of a trend, unless a person says where it is. */
const LIMIT_SHARE = 0.05;

interface Service {
  model: SeriesModel;
  reference: ModelReference;
  watch: Watch;
  trend: HealthTrend | undefined;
  withdraw: () => void;
  /** Of the window judged last, where windows say when they were. */
  newest?: Span | undefined;
}

interface Span {
  fromMs: number;
  toMs: number;
  sampleMs: number;
}

/** Rows being collected from the machine, or what was collected being taught. */
interface Lesson {
  /** Of a lesson from the machine. */
  log: RowLog | undefined;
  cancel: AbortController;
  /** Ends when nothing of it is under way. */
  ended: Promise<void>;
}

export class SignalSubject implements Subject {
  readonly #context: SubjectContext;
  readonly #station: Station;
  readonly #config: SignalConfig;
  readonly #report: TeachingReport;
  #service: Service | undefined;
  #lesson: Lesson | undefined;

  constructor(context: SubjectContext, station: Station, config: SignalConfig) {
    this.#context = context;
    this.#station = station;
    this.#config = config;
    this.#report = new TeachingReport(context);
  }

  async start(): Promise<void> {
    const { status } = this.#context;
    status.show('connecting', 'loading');
    const model = await latestModel(this.#folder, this.#config.model);
    if (model !== undefined) this.#use(model);
    const { teaching, model: name } = this.#config;
    // A lesson from the machine that was cut off goes on, with all that was collected.
    if (teaching !== 'file' && (await hasRows(this.#folder, name))) await this.#begin();
    else if (model === undefined && teaching !== 'none') await this.teach();
    else if (model === undefined) {
      alarmsOf(this.#context.node, this.#station).raise('MODEL_MISSING', missing(name).message);
      status.fail('MODEL_MISSING');
    }
  }

  async teach(): Promise<Message> {
    await this.#cancel();
    await removeRows(this.#folder, this.#config.model);
    return this.#begin();
  }

  async #begin(): Promise<Message> {
    const { teaching, file, windows, model } = this.#config;
    const log = teaching === 'file' ? undefined : await RowLog.open(this.#folder, model);
    const lesson: Lesson = { log, cancel: new AbortController(), ended: Promise.resolve() };
    this.#lesson = lesson;
    const begun = this.#report.begin(log === undefined ? 0 : windows);
    if (log === undefined) lesson.ended = this.#learn(lesson, { table: resolve(this.#station.folder, file) });
    else if (log.count >= windows) lesson.ended = this.#learn(lesson, { collected: log.file });
    return begun;
  }

  check(message: Message): void {
    this.#rowIn(message);
  }

  async score(message: Message, inspection: Inspection): Promise<Outputs> {
    const row = this.#rowIn(message);
    const [service, lesson] = [this.#service, this.#lesson];
    // A model that serves goes on while a file is taught; windows of a lesson teach the next one.
    if (lesson !== undefined && (lesson.log !== undefined || service === undefined)) {
      await this.#collect(lesson, message, row);
    } else if (service === undefined) throw missing(this.#config.model);
    else this.#judge(service, message, inspection, row);
    return [message, null];
  }

  async close(): Promise<void> {
    await this.#cancel();
    this.#service?.withdraw();
  }

  get #folder(): string {
    return join(this.#station.folder, 'models');
  }

  /** The features in the order of what is served or collected; the first row of a lesson sets that order. */
  #rowIn({ payload }: Message): number[] {
    const features = featuresIn(payload);
    const columns = this.#columns();
    return rowOf(columns.length > 0 ? columns : Object.keys(Object(features) as object), features);
  }

  #columns(): readonly string[] {
    const log = this.#lesson?.log;
    return (log === undefined ? this.#service?.model.normal.columns : log.columns) ?? [];
  }

  async #collect(lesson: Lesson, { payload }: Message, row: number[]): Promise<void> {
    const { windows: needed } = this.#config;
    const { log } = lesson;
    if (log === undefined || log.count >= needed) return;
    const taken = await log.add(Object.keys(featuresIn(payload) as object), row);
    if (this.#lesson !== lesson) return;
    this.#report.progress({ stage: 'features', done: taken, total: needed });
    if (taken === needed) lesson.ended = this.#learn(lesson, { collected: log.file });
  }

  #judge(service: Service, message: Message, inspection: Inspection, row: number[]): void {
    const startedAt = performance.now();
    const span = spanOf(message.payload);
    if (!follows(service.newest, span)) service.watch.reset();
    service.newest = span;
    inspection.anomaly = sectionOf(service, service.watch.judge(row));
    const trend = service.trend?.add(
      span?.toMs ?? Date.parse(inspection.part.capturedAt),
      inspection.anomaly.score,
    );
    if (trend !== undefined) inspection.anomaly.trend = trend;
    const ms = performance.now() - startedAt;
    inspection.timings['score'] = ms;
    message.payload = inspection.anomaly.score;
    this.#context.status.show('ready', 'scored', { ms: ms.toFixed(1) });
  }

  /** Never rejects: what goes wrong is reported, and the model before goes on. */
  async #learn(lesson: Lesson, source: Source): Promise<void> {
    const { model: name, methods, smoothing } = this.#config;
    try {
      await lesson.log?.close();
      const model = await teach({
        ...source,
        folder: this.#folder,
        name,
        methods,
        smoothing,
        signal: lesson.cancel.signal,
        onProgress: (done, total) => this.#report.progress({ stage: 'folds', done, total }),
      });
      if (this.#lesson !== lesson) return;
      await this.#record(model);
      await this.#forget(lesson);
      this.#use(model);
      this.#announce(model);
    } catch (error) {
      if (this.#lesson !== lesson) return;
      await this.#forget(lesson);
      this.#context.fail(error);
      this.#context.status.fail(asCodedError(error).code);
    }
    this.#lesson = undefined;
  }

  /** A lesson that has ended is not gone on with. */
  async #forget({ log }: Lesson): Promise<void> {
    if (log === undefined) return;
    await removeRows(this.#folder, this.#config.model).catch((error: unknown) => this.#context.fail(error));
  }

  async #cancel(): Promise<void> {
    const lesson = this.#lesson;
    this.#lesson = undefined;
    lesson?.cancel.abort();
    await lesson?.ended;
    await lesson?.log?.close();
  }

  #use(model: SeriesModel): void {
    const before = this.#service;
    const { name, version, digest, normal } = model;
    const alarms = alarmsOf(this.#context.node, this.#station);
    alarms.clear('MODEL_MISSING');
    if (before !== undefined) alarms.raise('MODEL_CHANGED', `${name} ${version}`);
    const reference = { name, version: String(version), digest };
    const withdraw = this.#station.offerCalibration({ model: reference, goodScores: normal.goodScores });
    const trend = trendOf(this.#config.trend, normal.goodScores);
    this.#service = { model, reference, watch: new Watch(normal), trend, withdraw };
    before?.withdraw();
    this.#context.status.show('ready', 'ready');
  }

  #announce({ name, version, digest, rows, normal }: SeriesModel): void {
    const method = normal.members.map((member) => member.method).join('+');
    const payload = { name, version: String(version), digest, parts: rows, method };
    this.#context.emit([null, { topic: 'jidoka/model', payload }]);
  }

  /** A journal that fails is reported; the model is good without it. */
  async #record({ name, version, digest, rows }: SeriesModel): Promise<void> {
    try {
      const journal = await this.#station.journal();
      const detail = { version, digest, parts: rows };
      await journal.appendLedger({ type: 'model.teach', actor: 'system', object: name, detail });
    } catch (error) {
      this.#context.fail(error);
    }
  }
}

/** `{features: {…}}` as sensor-window sends it, or the features themselves. */
function featuresIn(payload: unknown): unknown {
  if (typeof payload !== 'object' || payload === null || !('features' in payload)) return payload;
  return payload.features;
}

/**
 * When a window began and ended, in milliseconds, as sensor-window says it. One that does not follow
 * on the one before is no neighbour of it: a hop is never longer than a window.
 */
function spanOf(payload: unknown): Span | undefined {
  const { window } = Object(payload) as {
    window?: { startedAtMs?: unknown; rateHz?: unknown; samples?: unknown };
  };
  const { startedAtMs, rateHz, samples } = window ?? {};
  if (typeof startedAtMs !== 'number' || typeof rateHz !== 'number' || typeof samples !== 'number')
    return undefined;
  return { fromMs: startedAtMs, toMs: startedAtMs + (1000 * samples) / rateHz, sampleMs: 1000 / rateHz };
}

function follows(before: Span | undefined, span: Span | undefined): boolean {
  if (before === undefined || span === undefined) return true;
  return span.fromMs > before.fromMs && span.fromMs <= before.toMs + span.sampleMs / 2;
}

function sectionOf({ model, reference }: Service, { score, method, shares }: Judgement): AnomalySection {
  const { columns, goodScores } = model.normal;
  const contributions = columns
    .map((name, column) => ({ name, share: shares[column] ?? 0 }))
    .sort((one, other) => other.share - one.share)
    .slice(0, NAMED)
    .filter(({ share }) => share > 0);
  return {
    score,
    pValue: conformalPValue(goodScores, score),
    method,
    model: reference,
    provider: 'cpu',
    boxes: [],
    contributions,
  };
}

function trendOf(config: TrendConfig | undefined, goodScores: readonly number[]): HealthTrend | undefined {
  if (config === undefined) return undefined;
  const taught = conformalThreshold(goodScores, LIMIT_SHARE) ?? goodScores.at(-1) ?? Infinity;
  const limit = config.limit > 0 ? config.limit : taught;
  return new HealthTrend({ limit, hours: config.hours });
}

function missing(name: string): SeriesError {
  return new SeriesError('MODEL_MISSING', `there is no model “${name}” to score with`, {
    hint: 'Send a message with topic jidoka/teach to teach one from the next windows.',
  });
}
