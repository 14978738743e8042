/** The model that scores, put into service in the place of the one before: the gate and the flow hear of it. */
import { referenceOf, type AnomalyModel } from '../../lib/anomaly/model.ts';
import { Scorer, type ScorerOptions } from '../../lib/anomaly/scorer.ts';
import type { Station } from '../../lib/station/types.ts';
import { alarmsOf } from '../runtime/alarms.ts';
import type { SubjectContext } from './subject.ts';

export class ServedScorer {
  readonly #context: SubjectContext;
  readonly #station: Station;
  readonly #options: ScorerOptions;
  #scorer: Scorer | undefined;
  #withdraw: (() => void) | undefined;

  constructor(context: SubjectContext, station: Station, options: ScorerOptions) {
    this.#context = context;
    this.#station = station;
    this.#options = options;
  }

  get scorer(): Scorer | undefined {
    return this.#scorer;
  }

  /** The one before goes out of service once it has done its parts. Throws as `Scorer.open`. */
  async use(model: AnomalyModel): Promise<void> {
    const { status, signal, node } = this.#context;
    const scorer = await Scorer.open(model, this.#options, { signal });
    const [before, withdraw] = [this.#scorer, this.#withdraw];
    this.#scorer = scorer;
    const reference = referenceOf(model);
    const { goodScores, learned, method } = model;
    this.#withdraw = this.#station.offerCalibration({ model: reference, goodScores });
    withdraw?.();
    await before?.close();
    const alarms = alarmsOf(node, this.#station);
    alarms.clear('MODEL_MISSING');
    if (before !== undefined) alarms.raise('MODEL_CHANGED', `${reference.name} ${reference.version}`);
    status.show('ready', 'ready');
    const payload = { ...reference, parts: goodScores.length + learned.length, method };
    this.#context.emit([null, { topic: 'jidoka/model', payload }]);
  }

  async close(): Promise<void> {
    this.#withdraw?.();
    await this.#scorer?.close();
  }
}
