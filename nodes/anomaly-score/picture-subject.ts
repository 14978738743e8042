/** Pictures of parts, scored with a taught model. */
import { defectsOf, explanationPicture } from '../../lib/anomaly/explanation.ts';
import { heatmap } from '../../lib/anomaly/heatmap.ts';
import type { Scored, Scorer } from '../../lib/anomaly/scorer.ts';
import { asCodedError, CodedError } from '../../lib/errors.ts';
import { Frame } from '../../lib/frame/frame.ts';
import type { Inspection } from '../../lib/inspection/inspection.ts';
import type { StationControl } from '../../lib/station/station.ts';
import { alarmsOf } from '../runtime/alarms.ts';
import type { Message, Outputs } from '../runtime/types.ts';
import { DriftWatch } from './drift-watch.ts';
import { GoodParts } from './good-parts.ts';
import { Learner } from './learner.ts';
import { ModelKeeper } from './model-keeper.ts';
import type { PictureConfig } from './picture-config.ts';
import { PicturePanel } from './picture-panel.ts';
import type { PanelNode } from './route-kit.ts';
import type { Subject, SubjectContext } from './subject.ts';
import { TeachWizard } from './teach-wizard.ts';

function frameOf({ frame }: Message): Frame {
  if (Frame.isFrame(frame)) return frame;
  throw new CodedError('FRAME_MISSING', 'msg.frame is not a frame', {
    hint: 'Wire this node behind a camera-capture node.',
  });
}

export class PictureSubject implements Subject {
  readonly #context: SubjectContext;
  readonly #station: StationControl;
  readonly #config: PictureConfig;
  readonly #keeper: ModelKeeper;
  readonly #learner: Learner;
  readonly #goodParts: GoodParts;
  readonly #drift: DriftWatch;
  readonly #wizard: TeachWizard;

  constructor(context: SubjectContext, station: StationControl, config: PictureConfig) {
    this.#context = context;
    this.#station = station;
    this.#config = config;
    this.#keeper = new ModelKeeper(context, station, config);
    this.#learner = new Learner(context, station, this.#keeper, config);
    this.#goodParts = new GoodParts(this.#keeper);
    this.#drift = new DriftWatch(context, station);
    const [keeper, learner, goodParts] = [this.#keeper, this.#learner, this.#goodParts];
    const parts = { context, station, config, keeper, learner, goodParts };
    this.#wizard = new TeachWizard(parts);
    const panel = new PicturePanel({ ...parts, wizard: this.#wizard });
    Object.assign(context.node, { panel } satisfies Partial<PanelNode>);
  }

  async start(): Promise<void> {
    this.#context.status.show('connecting', 'loading');
    await this.#keeper.start(async () => {
      await this.#wizard.open();
      return this.#wizard.hasDraft;
    });
    await this.#learner.open().finally(() => this.#wizard.resume());
  }

  teach(): Promise<Message> {
    return this.#keeper.teach();
  }

  check(message: Message): void {
    frameOf(message);
  }

  async score(message: Message, inspection: Inspection, signal: AbortSignal): Promise<Outputs> {
    const frame = frameOf(message);
    if (this.#wizard.takes(frame, inspection.part.id)) return [message, null];
    const scorer = this.#keeper.scorerFor(frame);
    if (scorer === undefined) return [message, null];
    const startedAt = performance.now();
    const scored = await this.#scored(scorer, frame, signal);
    const ms = performance.now() - startedAt;
    inspection.anomaly = scored.section;
    const { queue, decode, resize, run } = scored.timings;
    Object.assign(inspection.timings, { queue, decode, resize, run, score: ms });
    message.payload = scored.section.score;
    this.#explain(message, frame, scored, scorer);
    this.#remember(inspection, frame, scored, scorer, ms);
    const { embedding } = scored;
    const { score } = scored.section;
    this.#drift.take(scorer.model, embedding === undefined ? { score } : { score, embedding });
    this.#context.status.show('ready', 'scored', { ms: ms.toFixed(1) });
    return [message, null];
  }

  /** The keeper first: what is learnt waits for its lessons to end. */
  async close(): Promise<void> {
    await this.#keeper.close();
    await this.#wizard.close();
    await this.#learner.close();
    await this.#drift.close();
  }

  /** A host that keeps crashing inspects nothing more: the station must not go on acting by itself. */
  async #scored(scorer: Scorer, frame: Frame, signal: AbortSignal): Promise<Scored> {
    try {
      return await scorer.score(frame, { signal });
    } catch (error) {
      const { code, message } = asCodedError(error);
      if (code === 'NO_RESULT') alarmsOf(this.#context.node, this.#station).raise('HOST_RESTARTED', message);
      const latched = this.#station.arming().state === 'TRIPPED';
      if (code === 'HOST_TRIPPED' && !latched) this.#station.trip({ code, message });
      throw error;
    }
  }

  /**
   * Pictures for people, made after the part has gone on; one that cannot be made is reported, without the
   * part. Where nobody reads the explanation it is never made.
   */
  #explain(message: Message, frame: Frame, scored: Scored, { normalLevel }: Scorer): void {
    const wants = (when: PictureConfig['heatmap']): boolean =>
      when === 'always' || (when === 'suspicious' && scored.suspicious);
    const { boxes } = scored.section;
    const heat = { map: scored.map, columns: scored.columns, level: normalLevel };
    if (wants(this.#config.heatmap)) {
      const picture = heatmap(frame, heat);
      message['heatmap'] = picture;
      setImmediate(() => {
        picture.read().catch((error: unknown) => this.#context.fail(error));
      });
    }
    if (wants(this.#config.explain)) {
      const nearest = (): Promise<Frame | undefined> => this.#goodParts.mostLike(frame);
      const picture = explanationPicture({ frame, heat, boxes, nearest });
      message['explanation'] = { defects: defectsOf(boxes, frame), picture };
    }
  }

  #remember(
    inspection: Inspection,
    frame: Frame,
    scored: Scored,
    { model, normalLevel }: Scorer,
    ms: number,
  ): void {
    const { section, suspicious, map, columns } = scored;
    const part = {
      partId: inspection.part.id,
      at: new Date().toISOString(),
      ...{ section, suspicious, frame },
      heat: { map, columns, level: normalLevel },
    };
    this.#learner.recent.take(part);
    this.#wizard.saw({ ...part, model, ms });
  }
}
