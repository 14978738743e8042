/**
 * A new version scores beside the one in service, for a stated number of parts or time, without any effect: a part
 * has gone on when it is scored here. It survives a restart.
 *
 * It takes a frame only when it is free and rests three times as long as the last one took, so that at most
 * a quarter of the host's time is its own, and a part of the line waits for one run of it at most.
 */
import type { HeatMap } from '../../lib/anomaly/heatmap.ts';
import type { AnomalyModel } from '../../lib/anomaly/model.ts';
import { Scorer, type ScorerOptions } from '../../lib/anomaly/scorer.ts';
import { beginShadow, compareShadow, type ShadowPart, type ShadowState } from '../../lib/anomaly/shadow.ts';
import { CodedError } from '../../lib/errors.ts';
import type { StationControl } from '../../lib/station/station.ts';
import type { By } from './model-keeper.ts';
import { rejectLimit } from './promises.ts';
import type { RecentPart, RecentParts } from './recent-parts.ts';
import type { SubjectContext } from './subject.ts';

export interface ShadowOptions {
  parts: number;
  /** 0: until the parts are through. */
  minutes: number;
}

/** Of the version in service, on the same part. */
export interface ServedPart extends RecentPart {
  model: AnomalyModel;
  ms: number;
}

const REST = 3;
/** A part in so many is lost when the power goes. */
const SAVE_EVERY = 20;
/** What is longer a timer of Node.js does at once. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

export class Shadow {
  readonly #context: SubjectContext;
  readonly #station: StationControl;
  readonly #options: ScorerOptions;
  readonly #recent: RecentParts;
  readonly #key: string;
  #state: ShadowState | undefined;
  #candidate: AnomalyModel | undefined;
  #scorer: Scorer | undefined;
  #timer: NodeJS.Timeout | undefined;
  #by: By = { actor: 'system', reason: '' };
  /** Of the parts that differ, while this process remembers. */
  readonly #heat = new Map<string, HeatMap>();
  #restUntil = 0;
  #running: Promise<void> = Promise.resolve();
  #isBusy = false;
  /** Ends when the new version is loaded: it is tried first, which takes seconds. */
  #opening: Promise<void> = Promise.resolve();
  /** Ends when what was counted is in the ledger. */
  #ended: Promise<void> = Promise.resolve();

  constructor(
    context: SubjectContext,
    station: StationControl,
    recent: RecentParts,
    { providers }: ScorerOptions,
  ) {
    this.#context = context;
    this.#station = station;
    this.#recent = recent;
    this.#options = { ...(providers === undefined ? {} : { providers }), queue: 'latest-wins' };
    this.#key = `anomaly:${context.node.id}:shadow`;
  }

  get state(): ShadowState | undefined {
    return this.#state;
  }

  get isRunning(): boolean {
    return this.#state?.ended === null;
  }

  /** Goes on with what was begun before a restart, for the candidate that is there. */
  async open(candidate: AnomalyModel | undefined): Promise<void> {
    const journal = await this.#station.journal();
    const saved = (await journal.getValue(this.#key)) as ShadowState | undefined | null;
    if (candidate === undefined || saved?.candidate !== candidate.digest) return;
    this.#state = saved;
    if (saved.ended === null) this.#begin(candidate);
  }

  /** Begins; what cannot run is reported and shows in the state. Throws `SHADOW_RUNNING`. */
  async start(
    { parts, minutes }: ShadowOptions,
    served: AnomalyModel,
    candidate: AnomalyModel,
    by: By,
  ): Promise<void> {
    if (this.isRunning) {
      throw new CodedError('SHADOW_RUNNING', 'the new version runs beside the one in service already', {
        hint: 'Wait until it has seen its parts, or end it.',
      });
    }
    const untilMs = minutes > 0 ? Date.now() + minutes * 60_000 : null;
    this.#heat.clear();
    this.#by = by;
    this.#state = beginShadow({ served: served.digest, candidate: candidate.digest }, { parts, untilMs });
    this.#begin(candidate);
    await this.#record('model.shadow', by, { parts, minutes, candidate: candidate.digest });
    await this.#save();
  }

  /** Ends it; what was counted stays. */
  async stop(by: By): Promise<void> {
    await this.#end('stopped', by);
  }

  /** Forgets what was counted: there is no candidate any more. */
  async clear(by: By): Promise<void> {
    await this.#end('stopped', by);
    this.#state = undefined;
    this.#heat.clear();
    await this.#save();
  }

  /** A part that has gone on. Returns at once. */
  take(part: ServedPart): void {
    const [state, scorer, candidate] = [this.#state, this.#scorer, this.#candidate];
    if (state === undefined || scorer === undefined || candidate === undefined) return;
    if (part.model.digest !== state.served) {
      // Another version was put into service: what was compared before says nothing of it.
      const { wanted: parts, untilMs } = state;
      this.#state = beginShadow(
        { served: part.model.digest, candidate: state.candidate },
        { parts, untilMs },
      );
    }
    if (this.#isBusy || performance.now() < this.#restUntil) {
      this.#state = { ...(this.#state ?? state), skipped: (this.#state ?? state).skipped + 1 };
      return;
    }
    this.#isBusy = true;
    this.#running = this.#compare(part, scorer, candidate)
      .catch((error: unknown) => {
        if (!this.#context.signal.aborted && this.isRunning) this.#context.fail(error);
      })
      .finally(() => (this.#isBusy = false));
  }

  isDiffering(partId: string): boolean {
    return this.#state?.differing.some((part) => part.partId === partId) === true;
  }

  /** What the new version makes of a part on which the two differ. */
  differing(partId: string): (ShadowPart & { heat?: HeatMap }) | undefined {
    const part = this.#state?.differing.find((each) => each.partId === partId);
    const heat = this.#heat.get(partId);
    return part && { ...part, ...(heat === undefined ? {} : { heat }) };
  }

  async close(): Promise<void> {
    await this.#release();
    if (this.#state !== undefined) await this.#save();
  }

  #begin(candidate: AnomalyModel): void {
    this.#candidate = candidate;
    this.#opening = this.#run(candidate).catch((error: unknown) => {
      if (this.#context.signal.aborted) return;
      if (this.#state !== undefined) this.#state = { ...this.#state, ended: 'failed' };
      this.#context.fail(error);
    });
  }

  async #run(candidate: AnomalyModel): Promise<void> {
    this.#scorer = await Scorer.open(candidate, this.#options, { signal: this.#context.signal });
    const { untilMs = null } = this.#state ?? {};
    if (untilMs !== null) this.#endAt(untilMs);
  }

  #endAt(untilMs: number): void {
    const leftMs = untilMs - Date.now();
    const goOn = (): void => {
      if (leftMs > LONGEST_TIMER_MS) this.#endAt(untilMs);
      else void this.#end('time', this.#by).catch((error: unknown) => this.#context.fail(error));
    };
    this.#timer = setTimeout(goOn, Math.min(Math.max(0, leftMs), LONGEST_TIMER_MS));
    this.#timer.unref();
  }

  async #compare(served: ServedPart, scorer: Scorer, candidate: AnomalyModel): Promise<void> {
    const { frame, partId, at, section, model } = served;
    const startedAt = performance.now();
    const scored = await scorer.score(frame, { signal: this.#context.signal });
    const candidateMs = performance.now() - startedAt;
    this.#restUntil = performance.now() + REST * candidateMs;
    const before = this.#state;
    if (before === undefined || before.ended !== null || before.served !== model.digest) return;
    const limits = {
      served: rejectLimit(model.goodScores, this.#station),
      candidate: rejectLimit(candidate.goodScores, this.#station),
    };
    const scores = { served: section.score, candidate: scored.section.score };
    const { boxes } = scored.section;
    const part = { partId, at, scores, limits, boxes, servedMs: served.ms, candidateMs };
    const { state, differs } = compareShadow(before, part);
    this.#state = { ...state, ended: null };
    if (differs) {
      const level = scorer.normalLevel;
      this.#heat.set(partId, { map: scored.map, columns: scored.columns, level });
      for (const known of this.#heat.keys()) if (!this.isDiffering(known)) this.#heat.delete(known);
      this.#recent.take(served, true);
    }
    if (state.ended !== null) await this.#end(state.ended, this.#by);
    else if (state.seen % SAVE_EVERY === 0) await this.#save();
  }

  #end(how: NonNullable<ShadowState['ended']>, by: By): Promise<void> {
    if (this.isRunning) this.#ended = this.#close(how, by);
    return this.#ended;
  }

  async #close(how: NonNullable<ShadowState['ended']>, by: By): Promise<void> {
    if (this.#state === undefined) return;
    this.#state = { ...this.#state, ended: how };
    const { seen, skipped, onlyServed, onlyCandidate, bothReject, candidate } = this.#state;
    await this.#release(how === 'parts');
    const counts = { seen, skipped, onlyServed, onlyCandidate, bothReject };
    await this.#record('model.shadow-end', by, { candidate, ended: how, ...counts });
    await this.#save();
  }

  /** The part at hand is waited for, unless it is the one that ended it. */
  async #release(isFromPart = false): Promise<void> {
    await this.#opening;
    clearTimeout(this.#timer);
    const scorer = this.#scorer;
    this.#scorer = undefined;
    if (!isFromPart) await this.#running;
    await scorer?.close();
  }

  async #record(type: string, { actor, reason }: By, detail: object): Promise<void> {
    const journal = await this.#station.journal();
    const object = this.#candidate?.name ?? '';
    await journal.appendLedger({ type, actor, object, reason, detail: { ...detail } });
  }

  async #save(): Promise<void> {
    await (await this.#station.journal()).setValue(this.#key, this.#state ?? null);
  }
}
