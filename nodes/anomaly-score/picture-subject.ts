/** Pictures of parts, scored with a taught model. */
import { heatmap } from '../../lib/anomaly/heatmap.ts';
import type { Scored, Scorer } from '../../lib/anomaly/scorer.ts';
import { asCodedError, CodedError } from '../../lib/errors.ts';
import { Frame } from '../../lib/frame/frame.ts';
import type { Inspection } from '../../lib/inspection/inspection.ts';
import type { StationControl } from '../../lib/station/station.ts';
import type { Message, Outputs } from '../runtime/types.ts';
import { ModelKeeper } from './model-keeper.ts';
import type { PictureConfig } from './picture-config.ts';
import type { Subject, SubjectContext } from './subject.ts';

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

  constructor(context: SubjectContext, station: StationControl, config: PictureConfig) {
    this.#context = context;
    this.#station = station;
    this.#config = config;
    this.#keeper = new ModelKeeper(context, station, config);
  }

  async start(): Promise<void> {
    this.#context.status.show('connecting', 'loading');
    await this.#keeper.start();
  }

  teach(): Promise<Message> {
    return this.#keeper.teach();
  }

  check(message: Message): void {
    frameOf(message);
  }

  async score(message: Message, inspection: Inspection, signal: AbortSignal): Promise<Outputs> {
    const frame = frameOf(message);
    const scorer = this.#keeper.scorerFor(frame);
    if (scorer === undefined) return [message, null];
    const startedAt = performance.now();
    const scored = await this.#scored(scorer, frame, signal);
    const ms = performance.now() - startedAt;
    inspection.anomaly = scored.section;
    const { queue, decode, resize, run } = scored.timings;
    Object.assign(inspection.timings, { queue, decode, resize, run, score: ms });
    message.payload = scored.section.score;
    const picture = this.#heatmap(frame, scored, scorer);
    if (picture !== undefined) message['heatmap'] = picture;
    this.#context.status.show('ready', 'scored', { ms: ms.toFixed(1) });
    return [message, null];
  }

  async close(): Promise<void> {
    await this.#keeper.close();
  }

  /** A host that keeps crashing inspects nothing more: the station must not go on acting by itself. */
  async #scored(scorer: Scorer, frame: Frame, signal: AbortSignal): Promise<Scored> {
    try {
      return await scorer.score(frame, { signal });
    } catch (error) {
      const { code, message } = asCodedError(error);
      const latched = this.#station.arming().state === 'TRIPPED';
      if (code === 'HOST_TRIPPED' && !latched) this.#station.trip({ code, message });
      throw error;
    }
  }

  /** Made after the part has gone on; one that cannot be made is reported, without the part. */
  #heatmap(frame: Frame, { map, suspicious }: Scored, { normalLevel }: Scorer): Frame | undefined {
    const when = this.#config.heatmap;
    if (when === 'never' || (when === 'suspicious' && !suspicious)) return undefined;
    const picture = heatmap(frame, { map, level: normalLevel });
    setImmediate(() => {
      picture.read().catch((error: unknown) => this.#context.fail(error));
    });
    return picture;
  }
}
