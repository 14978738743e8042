/**
 * Teaching as a person does it, step by step: collect parts, look through them, teach, see what can be promised, let
 * the new version run in the shadow, put it into service or drop it. All of it is on disk or in the journal, so
 * that it goes on after a restart, whoever looks.
 */
import { resolve } from 'node:path';
import { dropCandidate, publishCandidate, readCandidate } from '../../lib/anomaly/candidate.ts';
import { DraftLesson, type DraftPlace } from '../../lib/anomaly/draft-lesson.ts';
import { AnomalyError } from '../../lib/anomaly/errors.ts';
import { explanationPicture } from '../../lib/anomaly/explanation.ts';
import { picturesIn } from '../../lib/anomaly/folder-frames.ts';
import type { AnomalyModel } from '../../lib/anomaly/model.ts';
import { settingsOf } from '../../lib/anomaly/teach.ts';
import { teachDraft } from '../../lib/anomaly/teach-draft.ts';
import { CodedError } from '../../lib/errors.ts';
import type { Frame } from '../../lib/frame/frame.ts';
import type { StationControl } from '../../lib/station/station.ts';
import type { GoodParts } from './good-parts.ts';
import type { Learner } from './learner.ts';
import { lessonSettings } from './lesson-config.ts';
import { cardOf } from './model-card.ts';
import type { By, ModelKeeper } from './model-keeper.ts';
import type { PictureConfig } from './picture-config.ts';
import { promisesOf } from './promises.ts';
import { Shadow, type ServedPart, type ShadowOptions } from './shadow.ts';
import type { SubjectContext } from './subject.ts';

export interface WizardParts {
  context: SubjectContext;
  station: StationControl;
  config: PictureConfig;
  keeper: ModelKeeper;
  learner: Learner;
  goodParts: GoodParts;
}

/** Parts in one answer; a person pages through more. */
const PAGE = 60;
const NOBODY: By = { actor: 'system', reason: 'went on after a restart' };

export class TeachWizard {
  readonly #parts: WizardParts;
  readonly #shadow: Shadow;
  #draft: DraftLesson | undefined;
  #candidate: AnomalyModel | undefined;
  /** Resolves when what was on disk has been found and gone on with. */
  readonly #ready: Promise<void>;
  #isReady: () => void = () => undefined;
  /** What goes on after the answer to who asked for it. */
  #going: Promise<void> = Promise.resolve();

  constructor(parts: WizardParts) {
    this.#parts = parts;
    this.#ready = new Promise((resolve) => (this.#isReady = resolve));
    const { context, station, config, learner } = parts;
    this.#shadow = new Shadow(context, station, learner.recent, config);
    learner.isNeededElsewhere = (partId) => this.#shadow.isDiffering(partId);
  }

  /** True where a person has begun a lesson. */
  get hasDraft(): boolean {
    return this.#draft !== undefined;
  }

  /** Finds what is on disk. What cannot be read is reported, and a person begins anew. */
  async open(): Promise<void> {
    try {
      this.#draft = await DraftLesson.open(this.#place);
      this.#candidate = await readCandidate(this.#place);
    } catch (error) {
      this.#fail(error);
    }
  }

  /** Goes on with what a restart cut off; call once the keeper has started. */
  async resume(): Promise<void> {
    await this.#shadow.open(this.#candidate).catch((error: unknown) => this.#fail(error));
    const draft = this.#draft;
    if (draft?.phase === 'collecting') this.#collect(draft);
    if (draft?.phase === 'teaching') this.#teach(draft, draft.by ?? NOBODY);
    this.#isReady();
  }

  async close(): Promise<void> {
    await this.#going;
    await this.#shadow.close().catch((error: unknown) => this.#fail(error));
  }

  /** Where there is no model yet, a part goes on without a score while it is collected or taught. */
  takes(frame: Frame, partId: string): boolean {
    const { model } = this.#parts.keeper;
    if (model !== undefined || this.#draft === undefined || this.#draft.phase === 'looking') return false;
    this.#draft.offer({ frame, partId });
    return true;
  }

  /** A part that was scored and has gone on. */
  saw(part: ServedPart): void {
    const { frame, partId, suspicious } = part;
    this.#draft?.offer({ frame, partId, ...(suspicious ? { unusual: true } : {}) });
    this.#shadow.take(part);
  }

  /** Where it stands; asked for again and again while somebody looks. */
  state(): Record<string, unknown> {
    const { station, keeper } = this.#parts;
    const draft = this.#draft;
    return {
      lesson: draft && lessonOf(draft),
      candidate: this.#candidate && {
        ...cardOf(this.#candidate),
        promises: promisesOf(this.#candidate.goodScores, station),
      },
      promises: keeper.model && promisesOf(keeper.model.goodScores, station),
      shadow: this.#shadow.state && { ...this.#shadow.state, running: this.#shadow.isRunning },
    };
  }

  /** What was collected: first what was pointed out, then the others, each in the order they came. */
  lessonParts(from: number): unknown {
    const parts = this.#draft?.parts ?? [];
    const isMarked = ({ findings, unusual }: (typeof parts)[number]): boolean =>
      findings.length > 0 || unusual;
    const sorted = [...parts.filter(isMarked), ...parts.filter((part) => !isMarked(part))];
    return { total: parts.length, parts: sorted.slice(from, from + PAGE) };
  }

  /** Collects that many parts more from the line. */
  async fromLine(parts: number, by: By): Promise<unknown> {
    return this.#begin({ parts }, by);
  }

  /** Collects the pictures of a folder. @throws AnomalyError `FOLDER_UNREADABLE`, `FOLDER_EMPTY` */
  async fromFolder(folder: string, by: By): Promise<unknown> {
    const path = resolve(this.#parts.station.folder, folder);
    const pictures = await picturesIn(path);
    if (pictures.length === 0) {
      throw new CodedError('FOLDER_EMPTY', `there is no picture in ${path}`, {
        hint: 'JPEG, PNG, WebP and TIFF are read.',
      });
    }
    return this.#begin({ pictures }, by);
  }

  /** Ends collecting with what there is. */
  async enough(): Promise<void> {
    await this.#ready;
    const draft = this.#needDraft();
    draft.enough();
    if (draft.phase === 'collecting') await this.#going;
  }

  async choose(ids: readonly string[], out: boolean, actor: string): Promise<unknown> {
    await this.#ready;
    const draft = this.#needDraft();
    await draft.choose(ids, out, actor);
    return lessonOf(draft);
  }

  /** Begins to teach from what was left in; the candidate there was before is replaced. */
  async teach(by: By): Promise<void> {
    await this.#ready;
    const draft = this.#needDraft();
    this.#assertFree();
    await this.#shadow.clear(by);
    await draft.enter('teaching', by);
    this.#teach(draft, by);
  }

  /** Gives up the lesson and what was taught from it. */
  async discard(by: By): Promise<void> {
    await this.#ready;
    this.#assertFree();
    await this.#shadow.clear(by);
    if (this.#draft !== undefined) await this.#draft.discard();
    else await dropCandidate(this.#place);
    this.#draft = undefined;
    this.#candidate = undefined;
    await this.#record('model.discard', by, {});
  }

  async startShadow(options: ShadowOptions, by: By): Promise<void> {
    await this.#ready;
    const candidate = this.#needCandidate();
    const { model } = this.#parts.keeper;
    if (model === undefined) {
      throw new CodedError('SHADOW_ALONE', 'no version is in service to run beside', {
        hint: 'Put the new version into service.',
      });
    }
    await this.#shadow.start(options, model, candidate, by);
  }

  async endShadow(by: By): Promise<void> {
    await this.#ready;
    await this.#shadow.stop(by);
  }

  /** Begins to put the new version into service: it gets its number, is tried and loaded. */
  async serve(by: By): Promise<void> {
    await this.#ready;
    this.#needCandidate();
    this.#assertFree();
    const served = this.#parts.keeper.change('serve', by, async () => {
      await this.#shadow.stop(by);
      const published = await publishCandidate(this.#place);
      this.#draft = undefined;
      this.#candidate = undefined;
      return published;
    });
    this.#goOn(served.then(() => this.#shadow.clear(by)));
  }

  /** The new version is gone; what it was taught from stays, so that a person can go back. */
  async drop(by: By): Promise<void> {
    await this.#ready;
    this.#assertFree();
    const { digest } = this.#needCandidate();
    await this.#shadow.clear(by);
    await dropCandidate(this.#place);
    this.#candidate = undefined;
    await this.#record('model.drop', by, { digest });
  }

  /** A part on which the two differ, as the new version sees it. @throws CodedError `NOT_FOUND` */
  async shadowPicture(partId: string): Promise<Buffer> {
    const [differing, kept] = [this.#shadow.differing(partId), await this.#parts.learner.recent.find(partId)];
    if (differing === undefined || kept === undefined) {
      throw new CodedError('NOT_FOUND', `part ${partId} is no longer kept`);
    }
    const { boxes, heat } = differing;
    const nearest = (): Promise<Frame | undefined> => this.#parts.goodParts.mostLike(kept.frame);
    return explanationPicture({
      frame: kept.frame,
      boxes,
      nearest,
      ...(heat === undefined ? {} : { heat }),
    }).read();
  }

  get #place(): DraftPlace {
    const { keeper, config } = this.#parts;
    return { folder: keeper.folder, name: config.model };
  }

  async #begin(source: Parameters<DraftLesson['ask']>[0], by: By): Promise<unknown> {
    const { config, context } = this.#parts;
    await this.#ready;
    this.#assertFree();
    const settings = await lessonSettings(config, context.RED);
    const draft = this.#draft ?? (await DraftLesson.begin(this.#place, settingsOf(settings)));
    this.#draft = draft;
    await draft.ask(source, by);
    await this.#record('model.collect', by, {
      ...(source.parts === undefined ? {} : { parts: source.parts }),
      ...(source.pictures === undefined ? {} : { pictures: source.pictures.length }),
    });
    this.#collect(draft);
    return lessonOf(draft);
  }

  #collect(draft: DraftLesson): void {
    this.#goOn(this.#parts.keeper.occupy('collect', (job) => draft.collect(job)));
  }

  #teach(draft: DraftLesson, by: By): void {
    const taught = this.#parts.keeper.occupy('draft', async (job) => {
      const model = await teachDraft({ ...this.#place, draft, ...by, ...job });
      await draft.enter('looking');
      const detail = { digest: model.digest, parts: model.parts.length, left: model.skipped };
      await this.#record('model.draft', by, detail).catch((error: unknown) => this.#fail(error));
      this.#candidate = model;
    });
    const done = taught.catch(async (error: unknown) => {
      const isSuspended = error instanceof AnomalyError && error.code === 'TEACH_SUSPENDED';
      if (!isSuspended) await draft.enter('looking');
      throw error;
    });
    this.#goOn(done);
  }

  /** What goes wrong the keeper shows, and the flow hears of it, unless a person wanted it so. */
  #goOn(work: Promise<unknown>): void {
    this.#going = work.then(
      () => undefined,
      (error: unknown) => {
        const { code } = error as { code?: unknown };
        if (code !== 'TEACH_CANCELLED' && code !== 'TEACH_SUSPENDED') this.#fail(error);
      },
    );
  }

  #assertFree(): void {
    if (this.#parts.keeper.work === undefined) return;
    throw new AnomalyError('TEACH_BUSY', 'this model is being taught or changed', {
      hint: 'Wait until it is done, or cancel it.',
    });
  }

  #needDraft(): DraftLesson {
    if (this.#draft !== undefined) return this.#draft;
    throw new AnomalyError('LESSON_MISSING', 'no lesson was begun', { hint: 'Collect good parts first.' });
  }

  #needCandidate(): AnomalyModel {
    if (this.#candidate !== undefined) return this.#candidate;
    throw new AnomalyError('CANDIDATE_MISSING', 'no new version waits', {
      hint: 'Collect good parts and teach from them.',
    });
  }

  async #record(type: string, { actor, reason }: By, detail: object): Promise<void> {
    const journal = await this.#parts.station.journal();
    await journal.appendLedger({
      type,
      actor,
      object: this.#parts.config.model,
      reason,
      detail: { ...detail },
    });
  }

  #fail(error: unknown): void {
    if (!this.#parts.context.signal.aborted) this.#parts.context.fail(error);
  }
}

/** A lesson without its parts. */
function lessonOf(draft: DraftLesson): Record<string, unknown> {
  const { phase, startedAt, wanted, fromPictures, by, parts, findings } = draft;
  const kinds: Record<string, number> = {};
  for (const { kind } of findings) kinds[kind] = (kinds[kind] ?? 0) + 1;
  return {
    ...{ phase, startedAt, fromPictures, by },
    wanted: wanted ?? null,
    collected: parts.length,
    chosen: parts.filter(({ isOut }) => !isOut).length,
    unusual: parts.filter(({ unusual }) => unusual).length,
    unreadable: findings.filter(({ kind }) => kind === 'unreadable').map(({ source }) => source),
    kinds,
  };
}
