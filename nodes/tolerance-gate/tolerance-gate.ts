/** tolerance-gate: one decision per part, within a stated false-reject budget. */
import type { Budget } from '../../lib/gate/budget.ts';
import {
  calibratedLimits,
  partsMissing,
  ToleranceGate,
  type GateOptions,
  type Tolerance,
} from '../../lib/gate/gate.ts';
import { ageMs, isInspection, isLate, type VerdictSection } from '../../lib/inspection/inspection.ts';
import type { Adjustable, Station } from '../../lib/station/types.ts';
import type { ConfigReader } from '../runtime/config.ts';
import { propertyOf } from '../runtime/message.ts';
import { registerNode, type Handlers, type NodeContext } from '../runtime/register.ts';
import { disarmForDeployed, partOpener, recordPart, stationOf, type OpenPart } from '../runtime/station.ts';
import type { Message, NodeAPI, Outputs } from '../runtime/types.ts';

interface Config extends GateOptions {
  name: string;
  stationId: string | undefined;
  /** Message property that holds the score. */
  scoreProperty: string;
  /** Threshold in score units, or undefined when it comes from the model's good-part scores. */
  fixed: { reject: number; review: number } | undefined;
  budget: Budget;
  reviewShare: number;
}

interface SavedTolerance {
  threshold: number;
  calibration: string;
}

function normalise(config: ConfigReader): Config {
  const fixed = config.choice('mode', ['budget', 'fixed'], 'budget') === 'fixed';
  const reject = fixed ? config.number('threshold') : 0;
  return {
    name: config.text('name', 'tolerance-gate'),
    stationId: config.text('station', '') || undefined,
    scoreProperty: config.text('scoreProperty', 'inspection.anomaly.score'),
    fixed: fixed
      ? { reject, review: config.number('reviewThreshold', { fallback: reject, max: reject }) }
      : undefined,
    budget: {
      alpha: config.number('alphaPercent', { fallback: 5, min: 0.01, max: 50 }) / 100,
      delta: 1 - config.number('confidencePercent', { fallback: 95, min: 50, max: 99.99 }) / 100,
    },
    reviewShare: config.number('reviewPercent', { fallback: 0, min: 0, max: 50 }) / 100,
    toleranceShare: config.number('tolerancePercent', { fallback: 25, min: 0, max: 90 }) / 100,
    hysteresis: config.number('hysteresisPercent', { fallback: 0, min: 0, max: 50 }) / 100,
    fallback: config.choice('fallback', ['review', 'reject'], 'review'),
  };
}

class GateHandler implements Handlers, Adjustable {
  readonly name: string;
  readonly #context: NodeContext<Config>;
  readonly #gate: ToleranceGate;
  readonly #station: Station | undefined;
  readonly #open: OpenPart;
  readonly #withdraw: (() => void) | undefined;
  readonly #memoryKey: string;
  /** Digest of the model the limits were made for. */
  #calibratedFor: string | undefined;

  constructor(context: NodeContext<Config>) {
    const { config, RED, status } = context;
    this.name = config.name;
    this.#context = context;
    this.#memoryKey = `gate:${context.node.id}`;
    this.#gate = new ToleranceGate(config);
    this.#station = config.stationId === undefined ? undefined : stationOf(RED, config.stationId);
    this.#open = partOpener(this.#station);
    this.#withdraw = this.#station?.addAdjustable(this);
    disarmForDeployed(this.name, this.#station);
    if (config.fixed !== undefined) this.#gate.setLimits({ ...config.fixed, calibration: 'fixed' });
    status.show(config.fixed ? 'ready' : 'connecting', config.fixed ? 'ready' : 'uncalibrated');
  }

  async input(message: Message): Promise<Outputs> {
    const { config, RED } = this.#context;
    const inspection = isInspection(message.inspection) ? message.inspection : await this.#open();
    message.inspection = inspection;
    const startedAt = performance.now();
    if (config.fixed === undefined) await this.#calibrate(inspection.anomaly?.model.digest);
    const verdict = this.#gate.decide({
      score: propertyOf(RED, message, config.scoreProperty),
      late: isLate(inspection),
      mode: this.#station?.mode ?? 'NORMAL',
    });
    inspection.verdict = verdict;
    inspection.timings['gate'] = performance.now() - startedAt;
    inspection.timings['age'] = ageMs(inspection);
    message.payload = verdict.decision;
    this.#show(verdict);
    // The record follows the verdict; whatever acts on it writes its own intent first.
    recordPart(this.#context, this.#station, { ...message, inspection });
    return ['accept', 'review', 'reject'].map((port) => (port === verdict.decision ? message : null));
  }

  close(): void {
    this.#withdraw?.();
  }

  tolerance(): Tolerance {
    return this.#gate.tolerance();
  }

  /** Called by the station, which has checked the person and written the ledger. */
  async setTolerance(threshold: number): Promise<void> {
    this.#gate.moveThreshold(threshold);
    const { calibration } = this.#gate.tolerance();
    await (await this.#station?.journal())?.setValue(this.#memoryKey, { threshold, calibration });
  }

  /** Derives the limits when a part comes from another model than the one before. */
  async #calibrate(digest: string | undefined): Promise<void> {
    if (digest === undefined || digest === this.#calibratedFor) return;
    const { budget, reviewShare } = this.#context.config;
    const { model, goodScores } = this.#station?.calibrationFor(digest) ?? { goodScores: [] };
    const name = model === undefined ? 'none' : `${model.name}@${model.version}`;
    const limits = calibratedLimits(goodScores, budget, reviewShare, name);
    this.#gate.setLimits(limits);
    this.#calibratedFor = model === undefined ? undefined : digest;
    if (limits === undefined) {
      this.#context.status.show('degraded', 'missing', { count: partsMissing(goodScores.length, budget) });
      return;
    }
    // A person's tolerance outlives a restart, but not the calibration it was moved from.
    const saved = (await (await this.#station?.journal())?.getValue(this.#memoryKey)) as
      SavedTolerance | undefined;
    if (saved?.calibration === name) this.#gate.moveThreshold(saved.threshold);
  }

  #show({ decision, score }: VerdictSection): void {
    if (score === null) return;
    this.#context.status.show(decision === 'accept' ? 'ready' : 'degraded', decision, {
      score: score.toPrecision(3),
    });
  }
}

export default function register(RED: NodeAPI): void {
  registerNode<Config>(RED, {
    type: 'tolerance-gate',
    normalise,
    start: (context) => new GateHandler(context),
  });
}
