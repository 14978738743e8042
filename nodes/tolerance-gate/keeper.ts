/**
 * A gate with everything around it that lasts: the limits of the model that scores, the settings a person
 * may change, the review band that follows the capacity, and what people found of the parts it judged.
 */
import { GateError } from '../../lib/gate/errors.ts';
import { ToleranceGate } from '../../lib/gate/gate.ts';
import { remembered, usable } from '../../lib/gate/judgement.ts';
import {
  calibratedLimits,
  expectedRejects,
  partsMissing,
  type LimitJudge,
  type Tolerance,
} from '../../lib/gate/limits.ts';
import { ReviewCapacity } from '../../lib/gate/capacity.ts';
import {
  foretoldRate,
  realisedRate,
  realisedState,
  RealisedTracker,
  type RealisedState,
} from '../../lib/gate/realised.ts';
import { GateSettings, type By, type SettingsChange } from '../../lib/gate/settings.ts';
import { isLate, type Inspection, type VerdictSection } from '../../lib/inspection/inspection.ts';
import type { CombinedJudge } from '../../lib/gate/rules/combined.ts';
import { judgedModel } from '../../lib/journal/labels.ts';
import type { Calibration, Station } from '../../lib/station/types.ts';
import type { Config } from './config.ts';
import type { GateMemory } from './memory.ts';
import { filtersOf, judgeOf, valueOf } from './rule.ts';

/** Parts shown beside the good scores. */
const RECENT = 60;

export interface RecentPart {
  sequence: number;
  score: number | null;
  decision: VerdictSection['decision'];
  reason: string;
}

export class GateKeeper {
  readonly #config: Config;
  readonly #station: Station | undefined;
  readonly #memory: GateMemory;
  readonly #gate: ToleranceGate;
  readonly limits: LimitJudge | undefined;
  readonly #combined: CombinedJudge | undefined;
  readonly settings: GateSettings;
  readonly capacity: ReviewCapacity | undefined;
  readonly tracker = new RealisedTracker();
  readonly recent: RecentPart[] = [];
  /** The calibration the limits were made from, and with which settings and band. */
  #calibration: Calibration | undefined;
  #madeWith = '';
  /** The threshold a person has moved to, and from what; undefined or null where none is kept. */
  #moved: unknown;
  #loading: Promise<void> | undefined;

  constructor(config: Config, station: Station | undefined, memory: GateMemory) {
    this.#config = config;
    this.#station = station;
    this.#memory = memory;
    const { judge, limits, combined } = judgeOf(config);
    this.limits = limits;
    this.#combined = combined;
    this.#gate = new ToleranceGate({ fallback: config.fallback, judge, filters: filtersOf(config) });
    this.settings = new GateSettings(config.settings, config.bounds);
    const { reviewsPerHour } = config.settings;
    this.capacity = reviewsPerHour === null ? undefined : new ReviewCapacity(reviewsPerHour);
  }

  /** Reads what was known before a restart, once; rejects with the journal's error, and is asked again then. */
  load(): Promise<void> {
    this.#loading ??= this.#load().catch((error: unknown) => {
      this.#loading = undefined;
      throw error;
    });
    return this.#loading;
  }

  /** The verdict of a part. Nothing is awaited in it, so that two models cannot get into each other's way. */
  decide(inspection: Inspection, read: (property: string) => unknown): VerdictSection {
    const digest = judgedModel(inspection);
    const isBudget = this.#config.rule.kind === 'budget';
    const uncalibrated = isBudget ? this.#calibrate(inspection.anomaly?.model.digest) : undefined;
    const doubt = uncalibrated ?? (isMisplaced(inspection) ? 'not-aligned' : undefined);
    const limits = this.limits?.limits;
    if (limits !== undefined && limits.advise !== true && doubt === undefined) {
      this.tracker.begin({
        modelDigest: digest,
        threshold: limits.reject,
        sinceSequence: inspection.part.sequence,
      });
    }
    const verdict: VerdictSection = {
      ...this.#gate.decide({
        score: valueOf(this.#config, inspection, read),
        pValue: isBudget ? inspection.anomaly?.pValue : undefined,
        late: isLate(inspection),
        doubt,
        mode: this.#station?.mode ?? 'NORMAL',
      }),
      settings: this.settings.version,
    };
    this.#remember(inspection, verdict);
    return verdict;
  }

  /** Good parts of the model that scores: how many there are, and how many are missing. */
  get goodParts(): { scores: readonly number[]; missing: number } {
    const scores = this.#calibration?.goodScores ?? [];
    return { scores, missing: partsMissing(scores.length, this.settings.settings) };
  }

  /** Why the station trusts itself less than fully. */
  get concerns(): readonly { code: string; message: string }[] {
    return this.#station?.concerns() ?? [];
  }

  tolerance(): Tolerance {
    return this.limits?.tolerance() ?? { threshold: null, min: null, max: null, calibration: 'none' };
  }

  /** @throws GateError `NOT_CALIBRATED`, `TOLERANCE_OUT_OF_BOUNDS`: nothing has changed then */
  async moveThreshold(threshold: number, by: By): Promise<void> {
    if (this.limits === undefined) {
      throw new GateError('NOT_CALIBRATED', 'a gate of this kind has no threshold to move');
    }
    this.limits.moveThreshold(threshold);
    this.settings.change({}, by);
    this.#moved = { threshold, ...this.#movedFrom() };
    await this.#memory.save('tolerance', this.#moved);
    await this.#memory.save('settings', this.settings.state());
  }

  async change(change: SettingsChange, by: By): Promise<void> {
    this.settings.change(change, by);
    const { reviewsPerHour } = this.settings.settings;
    if (change.reviewsPerHour !== undefined && reviewsPerHour !== null) {
      this.capacity?.setReviewsPerHour(reviewsPerHour);
    }
    this.#combined?.setAlpha(this.settings.settings.alpha);
    const isBudget = this.#config.rule.kind === 'budget';
    if (isBudget && (change.alpha !== undefined || change.delta !== undefined)) {
      // The last word counts: a threshold that was moved under another budget is not kept.
      this.#moved = null;
      this.#madeWith = '';
      this.#calibrate(this.#calibration?.model.digest);
      await this.#memory.save('tolerance', null);
    }
    await this.#memory.save('settings', this.settings.state());
  }

  /** What is known of the rate at which good parts are rejected; undefined before the first limits. */
  realised() {
    const { threshold } = this.tolerance();
    if (threshold === null || this.tracker.sinceSequence === undefined) return undefined;
    const { alpha, delta } = this.settings.settings;
    const { counts } = this.tracker;
    const rate = realisedRate(counts, 1 - delta);
    const { length } = this.goodParts.scores;
    const isBudget =
      this.#config.rule.kind === 'budget' &&
      this.limits?.limits?.calibration === this.tolerance().calibration;
    const expected = isBudget ? expectedRejects(length, { alpha, delta }) : undefined;
    const least = expected === undefined ? 0 : foretoldRate(expected.above, length, 1 - delta).least;
    const isVoid =
      this.#station !== undefined && (this.#station.mode !== 'NORMAL' || this.concerns.length > 0);
    const state: RealisedState = realisedState(rate, { alpha, least, isVoid });
    return {
      ...rate,
      state,
      counts,
      expected: expected?.mean ?? null,
      missed: this.tracker.missed(delta) ?? null,
    };
  }

  async #load(): Promise<void> {
    this.settings.restore(await this.#memory.load('settings'));
    const { reviewsPerHour } = this.settings.settings;
    if (reviewsPerHour !== null) this.capacity?.setReviewsPerHour(reviewsPerHour);
    this.#combined?.setAlpha(this.settings.settings.alpha);
    this.#moved = await this.#memory.load('tolerance');
    if (this.#config.rule.kind === 'fixed') await this.#resumeFixed();
    const state = (await this.#memory.load('state')) as Record<string, unknown> | undefined;
    this.#gate.restore(state?.['gate']);
    this.capacity?.restore(state?.['band']);
    this.tracker.restore(state?.['realised']);
    const { sinceSequence } = this.tracker;
    if (sinceSequence !== undefined) {
      await this.#memory.labels(sinceSequence, (label) => this.tracker.label(label));
    }
  }

  /** Makes the limits of the model that scored; says why when it is not the one they could be made for. */
  #calibrate(digest: string | undefined): string | undefined {
    const calibration = digest === undefined ? undefined : this.#station?.calibrationFor(digest);
    if (calibration === undefined) {
      const isOther = this.#calibration !== undefined && this.limits?.limits !== undefined;
      return isOther ? 'wrong-model' : 'not-calibrated';
    }
    const { alpha, delta } = this.settings.settings;
    const share = this.capacity?.band.share ?? this.#reviewShare;
    const madeWith = [alpha, delta, share].join(' ');
    // A model that has learned may give other good scores under the same digest.
    if (madeWith === this.#madeWith && calibration === this.#calibration) return undefined;
    this.#calibration = calibration;
    const { model, goodScores } = calibration;
    const name = `${model.name}@${model.version}`;
    this.limits?.setLimits(calibratedLimits(goodScores, { alpha, delta }, share, name));
    this.#madeWith = madeWith;
    this.#restoreTolerance();
    return undefined;
  }

  get #reviewShare(): number {
    const { rule } = this.#config;
    return rule.kind === 'budget' ? rule.reviewShare : 0;
  }

  /** What the limits are before anybody moves them: a threshold moved from elsewhere means nothing here. */
  #movedFrom(): Record<string, unknown> {
    const { calibration, reject: from } = this.limits?.base ?? {};
    const { alpha, delta } = this.settings.settings;
    return this.#config.rule.kind === 'budget' ? { calibration, from, alpha, delta } : { calibration, from };
  }

  /**
   * A person's tolerance outlives a restart, but neither the calibration, the budget and the limit it was
   * moved from nor the bounds of today. True when it is in force again.
   */
  #restoreTolerance(): boolean {
    const threshold = usable(remembered(this.#moved, 'threshold'));
    const { min, max } = this.tolerance();
    if (threshold === undefined || min === null || max === null) return false;
    const isFromHere = Object.entries(this.#movedFrom()).every(
      ([name, value]) => remembered(this.#moved, name) === value,
    );
    if (!isFromHere || threshold < min || threshold > max) return false;
    this.limits?.moveThreshold(threshold);
    return true;
  }

  /** Where another limit was deployed than the one that was moved, the record says that this one judges. */
  async #resumeFixed(): Promise<void> {
    if (this.#restoreTolerance() || remembered(this.#moved, 'threshold') === undefined) return;
    this.settings.deploy();
    this.#moved = null;
    await this.#memory.save('settings', this.settings.state());
    await this.#memory.save('tolerance', null);
  }

  #remember({ part }: Inspection, verdict: VerdictSection): void {
    const { score, decision, reason } = verdict;
    this.recent.push({ sequence: part.sequence, score, decision, reason });
    if (this.recent.length > RECENT) this.recent.shift();
    this.tracker.part(verdict);
    const band = this.capacity?.part(decision === 'review');
    if (band !== undefined) this.#recordBand(band);
    this.#memory.keepState(() => ({
      gate: this.#gate.state(),
      band: this.capacity?.state(),
      realised: this.tracker.state(),
    }));
  }

  #recordBand(band: ReviewCapacity['band']): void {
    const object = this.#station?.name ?? '';
    const reason = `sized for ${band.partsPerHour ?? 0} parts an hour`;
    this.#memory.note({ type: 'gate.review-band', actor: 'system', object, reason, detail: { ...band } });
  }
}

/** True when the part was not found where the model expects it: what was scored is not what was taught. */
function isMisplaced({ anomaly, inference = [] }: Inspection): boolean {
  return [anomaly, ...inference].some((section) => section?.alignment?.lost === true);
}
