/** Features of signals, scored against normal operation. */
import { join, resolve } from 'node:path';
import { conformalPValue } from '../../lib/anomaly/p-value.ts';
import { asCodedError } from '../../lib/errors.ts';
import type { AnomalySection, Inspection, ModelReference } from '../../lib/inspection/inspection.ts';
import { SeriesError } from '../../lib/series/errors.ts';
import { latestModel, type SeriesModel } from '../../lib/series/model.ts';
import { rowOf, Watch, type Judgement } from '../../lib/series/normal.ts';
import { readTable, type Table } from '../../lib/series/table.ts';
import { teach } from '../../lib/series/teach.ts';
import type { Station } from '../../lib/station/types.ts';
import type { Message, Outputs } from '../runtime/types.ts';
import type { SignalConfig } from './signal-config.ts';
import type { Subject, SubjectContext } from './subject.ts';
import { TeachingReport } from './teaching-report.ts';

/** Sensors that are named as the reason for a score. */
const NAMED = 5;

interface Service {
  model: SeriesModel;
  reference: ModelReference;
  watch: Watch;
  withdraw: () => void;
}

/** Rows being collected from the machine, or what was collected being taught. */
interface Lesson {
  table: Table;
  needed: number;
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
    else if (this.#config.teaching !== 'none') await this.teach();
    else status.fail('MODEL_MISSING');
  }

  async teach(): Promise<Message> {
    await this.#cancel();
    const { teaching, file, windows } = this.#config;
    const table =
      teaching === 'file' ? await readTable(resolve(this.#station.folder, file)) : { columns: [], rows: [] };
    const needed = teaching === 'file' ? table.rows.length : windows;
    const lesson: Lesson = { table, needed, cancel: new AbortController(), ended: Promise.resolve() };
    this.#lesson = lesson;
    const begun = this.#report.begin(needed);
    if (teaching === 'file') lesson.ended = this.#learn(lesson);
    return begun;
  }

  check(message: Message): void {
    this.#rowIn(message);
  }

  score(message: Message, inspection: Inspection): Promise<Outputs> {
    const row = this.#rowIn(message);
    // A model that serves goes on while a file is taught; windows of a lesson teach the next one.
    const service = this.#service;
    const collecting =
      this.#lesson !== undefined && (service === undefined || this.#config.teaching !== 'file');
    if (collecting) this.#collect(message, row);
    else if (service === undefined) throw missing(this.#config.model);
    else this.#judge(service, message, inspection, row);
    return Promise.resolve([message, null]);
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
    const serves =
      this.#service !== undefined && (this.#lesson === undefined || this.#config.teaching === 'file');
    return (serves ? this.#service?.model.normal.columns : this.#lesson?.table.columns) ?? [];
  }

  #collect({ payload }: Message, row: number[]): void {
    const lesson = this.#lesson;
    if (lesson === undefined || lesson.table.rows.length >= lesson.needed) return;
    const { table, needed } = lesson;
    if (table.columns.length === 0) table.columns = Object.keys(featuresIn(payload) as object);
    table.rows.push(row);
    this.#report.progress({ stage: 'features', done: table.rows.length, total: needed });
    if (table.rows.length === needed) lesson.ended = this.#learn(lesson);
  }

  #judge(service: Service, message: Message, inspection: Inspection, row: number[]): void {
    const startedAt = performance.now();
    if (isAfterGap(message.payload)) service.watch.reset();
    inspection.anomaly = sectionOf(service, service.watch.judge(row));
    const ms = performance.now() - startedAt;
    inspection.timings['score'] = ms;
    message.payload = inspection.anomaly.score;
    this.#context.status.show('ready', 'scored', { ms: ms.toFixed(1) });
  }

  /** Never rejects: what goes wrong is reported, and the model before goes on. */
  async #learn(lesson: Lesson): Promise<void> {
    const { model: name, methods, smoothing } = this.#config;
    try {
      const model = await teach({
        ...lesson.table,
        folder: this.#folder,
        name,
        methods,
        smoothing,
        signal: lesson.cancel.signal,
        onProgress: (done, total) => this.#report.progress({ stage: 'folds', done, total }),
      });
      if (this.#lesson !== lesson) return;
      await this.#record(model);
      this.#use(model);
      this.#announce(model);
    } catch (error) {
      if (this.#lesson !== lesson) return;
      this.#context.fail(error);
      this.#context.status.fail(asCodedError(error).code);
    }
    this.#lesson = undefined;
  }

  async #cancel(): Promise<void> {
    const lesson = this.#lesson;
    this.#lesson = undefined;
    lesson?.cancel.abort();
    await lesson?.ended;
  }

  #use(model: SeriesModel): void {
    const before = this.#service;
    const { name, version, digest, normal } = model;
    const reference = { name, version: String(version), digest };
    const withdraw = this.#station.offerCalibration({ model: reference, goodScores: normal.goodScores });
    this.#service = { model, reference, watch: new Watch(normal), withdraw };
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

/** Windows before and after a gap are no neighbours. */
function isAfterGap(payload: unknown): boolean {
  return (
    typeof payload === 'object' && payload !== null && 'afterGap' in payload && payload.afterGap === true
  );
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

function missing(name: string): SeriesError {
  return new SeriesError('MODEL_MISSING', `there is no model “${name}” to score with`, {
    hint: 'Send a message with topic jidoka/teach to teach one from the next windows.',
  });
}
