/** tolerance-gate: one decision per part, within a stated false-reject budget or by a rule. */
import { DOUBTS } from '../../lib/gate/gate.ts';
import type { Tolerance } from '../../lib/gate/limits.ts';
import { ageMs, isInspection, type VerdictSection } from '../../lib/inspection/inspection.ts';
import type { Adjustable, AdjustableSettings, Station } from '../../lib/station/types.ts';
import { alarmsOf, type NodeAlarms } from '../runtime/alarms.ts';
import { propertyOf } from '../runtime/message.ts';
import { registerNode, type Handlers, type NodeContext } from '../runtime/register.ts';
import { disarmForDeployed, partOpener, recordPart, stationOf, type OpenPart } from '../runtime/station.ts';
import type { Message, NodeAPI, Outputs } from '../runtime/types.ts';
import { normalise, type Config } from './config.ts';
import { GateKeeper } from './keeper.ts';
import { GateMemory } from './memory.ts';
import { announceGate, registerGateRoutes } from './panel.ts';

/** How a promised false-reject rate fails to hold. */
const BROKEN = {
  over: 'more good parts are rejected than promised',
  under: 'fewer good parts are rejected than the calibration foretells: defects may pass',
  void: 'the station has doubts of its own: the promise is not kept count of',
} as const;

class GateHandler implements Handlers, Adjustable {
  readonly name: string;
  readonly id: string;
  readonly settings: AdjustableSettings;
  readonly #context: NodeContext<Config>;
  readonly #keeper: GateKeeper;
  readonly #memory: GateMemory;
  readonly #station: Station | undefined;
  readonly #alarms: NodeAlarms;
  readonly #open: OpenPart;
  readonly #withdraw: (() => void)[];

  constructor(context: NodeContext<Config>) {
    const { config, RED, node, status } = context;
    this.name = config.name;
    this.id = node.id;
    this.#context = context;
    this.#station = config.stationId === undefined ? undefined : stationOf(RED, config.stationId);
    const station = this.#station;
    this.#alarms = alarmsOf(node, station);
    this.#memory = new GateMemory(station, node.id, (error) => context.fail(error));
    this.#keeper = new GateKeeper(config, station, this.#memory);
    const keeper = this.#keeper;
    this.settings = {
      view: () => keeper.settings.view,
      check: (change) => void keeper.settings.check(change),
      apply: (change, by) => keeper.change(change, by),
    };
    this.#open = partOpener(station);
    this.#withdraw = [
      announceGate(node.id, { config, keeper, station }),
      ...(station === undefined
        ? []
        : [station.addAdjustable(this), station.onLabel((label) => keeper.tracker.label(label))]),
    ];
    // For the dialog; a part waits for it, and reports a journal that fails.
    keeper.load().catch(() => undefined);
    disarmForDeployed(this.name, station);
    const isBudget = config.rule.kind === 'budget';
    status.show(isBudget ? 'connecting' : 'ready', isBudget ? 'uncalibrated' : 'ready');
  }

  async input(message: Message): Promise<Outputs> {
    const { RED } = this.#context;
    const inspection = isInspection(message.inspection) ? message.inspection : await this.#open();
    message.inspection = inspection;
    const startedAt = performance.now();
    await this.#keeper.load();
    const verdict = this.#keeper.decide(inspection, (property) => propertyOf(RED, message, property));
    inspection.verdict = verdict;
    inspection.timings['gate'] = performance.now() - startedAt;
    inspection.timings['age'] = ageMs(inspection);
    message.payload = verdict.decision;
    this.#show(verdict);
    this.#tell(verdict);
    // The record follows the verdict; whatever acts on it writes its own intent first.
    recordPart(this.#context, this.#station, { ...message, inspection });
    return ['accept', 'review', 'reject'].map((port) => (port === verdict.decision ? message : null));
  }

  async close(removed: boolean): Promise<void> {
    for (const withdraw of this.#withdraw) withdraw();
    if (removed) this.#alarms.clear('GATE_ADVISES', 'PROMISE_VOID');
    await this.#memory.settled();
  }

  tolerance(): Tolerance {
    return this.#keeper.tolerance();
  }

  /** Called by the station, which has checked the person and written the ledger. */
  setTolerance(threshold: number, by: { actor: string; reason: string }): Promise<void> {
    return this.#keeper.moveThreshold(threshold, by);
  }

  #tell({ reason }: VerdictSection): void {
    const { missing } = this.#keeper.goodParts;
    this.#alarms.set('GATE_ADVISES', reason === 'advise', `${missing} more good parts are needed`);
    const state = this.#keeper.realised()?.state;
    const isVoid = state === 'over' || state === 'under' || state === 'void';
    this.#alarms.set('PROMISE_VOID', isVoid, isVoid ? BROKEN[state] : '');
  }

  #show({ decision, reason, score }: VerdictSection): void {
    const { status } = this.#context;
    if (reason === 'advise' || (reason === 'not-calibrated' && this.#keeper.goodParts.scores.length > 0)) {
      status.show('degraded', 'advise', { count: this.#keeper.goodParts.missing });
      return;
    }
    const state = this.#keeper.realised()?.state;
    if (state === 'over' || state === 'under' || state === 'void') status.show('degraded', state);
    else if (this.#keeper.capacity?.isOver === true) status.show('degraded', 'capacity');
    else if (DOUBTS.has(reason)) status.show('degraded', reason);
    else {
      const parameters = { score: score === null ? '' : score.toPrecision(3) };
      status.show(decision === 'accept' ? 'ready' : 'degraded', decision, parameters);
    }
  }
}

export default function register(RED: NodeAPI): void {
  registerGateRoutes(RED);
  registerNode<Config>(RED, {
    type: 'tolerance-gate',
    normalise,
    start: (context) => new GateHandler(context),
  });
}
