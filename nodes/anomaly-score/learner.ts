/** Learning from mistakes: takes what people found parts to be, and makes a new version of the model of it. */
import { join } from 'node:path';
import { learn } from '../../lib/anomaly/learn.ts';
import { modelFolder, type AnomalyModel } from '../../lib/anomaly/model.ts';
import { CodedError } from '../../lib/errors.ts';
import type { Frame } from '../../lib/frame/frame.ts';
import type { Label } from '../../lib/journal/types.ts';
import type { Station } from '../../lib/station/types.ts';
import { Corrections, type Correction } from './corrections.ts';
import type { By, ModelKeeper } from './model-keeper.ts';
import { RecentParts } from './recent-parts.ts';
import type { SubjectContext } from './subject.ts';

export interface LearnerOptions {
  model: string;
  /** What happens with what people find: collected until a person says so, learnt at once, or nothing. */
  learn: 'ask' | 'auto' | 'off';
}

/** Topic of the message that says that something waits to be learnt. */
export const CORRECTION_TOPIC = 'jidoka/correction';

export class Learner {
  readonly recent: RecentParts;
  /** True for a part whose picture somebody else needs. */
  isNeededElsewhere: (partId: string) => boolean = () => false;
  readonly #context: SubjectContext;
  readonly #station: Station;
  readonly #keeper: ModelKeeper;
  readonly #options: LearnerOptions;
  readonly #corrections: Corrections;
  #withdraw: (() => void) | undefined;
  /** Ends when what came by label has been dealt with. */
  #turn: Promise<void> = Promise.resolve();
  /** Ends when what is learnt at once has been. */
  #learning: Promise<void> = Promise.resolve();

  constructor(context: SubjectContext, station: Station, keeper: ModelKeeper, options: LearnerOptions) {
    this.#context = context;
    this.#station = station;
    this.#keeper = keeper;
    this.#options = options;
    const folder = join(modelFolder(keeper.folder, options.model), 'recent');
    this.recent = new RecentParts(folder, (error) => context.fail(error), {
      isNeeded: (partId) => this.#corrections.get(partId) !== undefined || this.isNeededElsewhere(partId),
    });
    this.#corrections = new Corrections(station, `anomaly:${context.node.id}:corrections`);
  }

  /** A journal that cannot be read is reported; the node scores without it. */
  async open(): Promise<void> {
    await this.recent.open();
    if (this.#options.learn === 'off') return;
    this.#withdraw = this.#station.onLabel((label) => this.#inTurn(() => this.#take(label)));
    this.#inTurn(async () => {
      const since = await this.#corrections.open();
      for (const correction of this.waiting) this.#learnAtOnce(correction);
      for (const label of since) await this.#take(label);
    });
    // Before a part that comes could push out one that waits.
    await this.#turn;
  }

  /** Call once the keeper is closed. */
  async close(): Promise<void> {
    this.#withdraw?.();
    await this.#turn;
    await this.#learning;
    await this.recent.close();
  }

  /** What waits to be learnt, oldest first. */
  get waiting(): Correction[] {
    return this.#corrections.list;
  }

  /**
   * Learns all that waits, as one new version that goes into service. What can no longer be learnt is reported, and
   * stays on the list until a person takes it off.
   *
   * @throws CodedError `LEARN_NOTHING`, `TEACH_BUSY`, and as `learn`
   */
  async learn(by: By): Promise<AnomalyModel> {
    const corrections = this.waiting;
    const add = await this.#pictures(corrections);
    const found = new Set(add.map(({ partId }) => partId));
    for (const { partId } of corrections) if (!found.has(partId)) this.#context.fail(notKept(partId));
    if (add.length === 0) {
      throw new CodedError('LEARN_NOTHING', 'there is nothing to learn', {
        hint: 'Say of a part at the station that it was good, or a defect.',
      });
    }
    const { folder } = this.#keeper;
    const name = this.#options.model;
    const model = await this.#keeper.change('learn', by, (job) =>
      learn({ folder, name, add, remove: [], ...by, ...job }),
    );
    await this.#corrections.settle(corrections.filter(({ partId }) => found.has(partId)));
    return model;
  }

  /** Takes these parts off the list: nothing is to be learnt from them. */
  async dismiss(partIds: readonly string[], { actor, reason }: By): Promise<void> {
    const dropped = partIds.map((id) => this.#corrections.get(id)).filter((each) => each !== undefined);
    await this.#corrections.settle(dropped);
    const journal = await this.#station.journal();
    const detail = { parts: dropped.map(({ partId }) => partId) };
    await journal.appendLedger({ type: 'model.dismiss', actor, object: this.#options.model, reason, detail });
  }

  async #take(label: Label): Promise<void> {
    const correction = await this.#corrections.take(label);
    if (correction === undefined) return;
    if (!this.recent.has(label.partId)) {
      await this.#corrections.settle([correction]);
      if (label.modelDigest === this.#keeper.model?.digest) this.#context.fail(notKept(label.partId));
      return;
    }
    await this.recent.keep(label.partId);
    const { partId, truth, decision, isMistake } = correction;
    const payload = { partId, truth, decision, isMistake, waiting: this.waiting.length };
    this.#context.emit([null, { topic: CORRECTION_TOPIC, payload }]);
    this.#learnAtOnce(correction);
  }

  /** As soon as nothing else is under way, and not in turn: labels that come meanwhile are taken. */
  #learnAtOnce(correction: Correction): void {
    if (this.#options.learn !== 'auto' || !correction.isMistake) return;
    const { partId, actor, reason } = correction;
    const learnt = this.#learning.then(async () => {
      await this.#keeper.idle();
      const isLearnt = this.#corrections.get(partId) !== correction;
      if (this.#context.signal.aborted || isLearnt) return;
      await this.learn({ actor, reason });
    });
    this.#learning = learnt.catch((error: unknown) => this.#fail(error));
  }

  #fail(error: unknown): void {
    if (!this.#context.signal.aborted) this.#context.fail(error);
  }

  async #pictures(
    corrections: readonly Correction[],
  ): Promise<{ frame: Frame; label: Label['truth']; partId: string }[]> {
    const found = await Promise.all(
      corrections.map(async ({ partId, truth }) => {
        const part = await this.recent.find(partId);
        return part === undefined ? [] : [{ frame: part.frame, label: truth, partId }];
      }),
    );
    return found.flat();
  }

  #inTurn(action: () => Promise<void>): void {
    this.#turn = this.#turn.then(action).catch((error: unknown) => this.#fail(error));
  }
}

function notKept(partId: string): CodedError {
  return new CodedError('PART_NOT_KEPT', `the picture of part ${partId} is no longer kept`, {
    hint: 'Label parts sooner: the newest 200, and the newest 300 suspicious ones, are kept.',
  });
}
