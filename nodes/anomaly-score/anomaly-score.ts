/** anomaly-score: how far each part is from the good parts it was taught with. */
import { heatmap } from '../../lib/anomaly/heatmap.ts';
import type { Resolution } from '../../lib/anomaly/head.ts';
import { modelFolder } from '../../lib/anomaly/model.ts';
import type { Scored, Scorer } from '../../lib/anomaly/scorer.ts';
import { asCodedError, CodedError } from '../../lib/errors.ts';
import { Frame } from '../../lib/frame/frame.ts';
import { isInspection } from '../../lib/inspection/inspection.ts';
import type { Station } from '../../lib/station/types.ts';
import { ConfigError, type ConfigReader } from '../runtime/config.ts';
import { registerNode, type Handlers, type NodeContext } from '../runtime/register.ts';
import { partOpener, stationOf, type OpenPart } from '../runtime/station.ts';
import type { Message, NodeAPI, Outputs } from '../runtime/types.ts';
import { ModelKeeper, type KeeperOptions } from './model-keeper.ts';

interface Config extends KeeperOptions {
  stationId: string;
  heatmap: 'never' | 'suspicious' | 'always';
}

const TEACH_TOPIC = 'jidoka/teach';

function normalise(config: ConfigReader): Config {
  const teaching = config.choice('teaching', ['first-parts', 'folder', 'none'], 'first-parts');
  const model = config.text('model');
  try {
    modelFolder('', model);
  } catch (error) {
    throw new ConfigError('model', (error as Error).message);
  }
  const providers = config.text('providers', 'cpu').split(',');
  return {
    stationId: config.text('station'),
    model,
    teaching,
    parts: config.number('parts', { fallback: 60, min: 10, max: 400, integer: true }),
    resolution: Number(config.choice('resolution', ['224', '320', '448'], '224')) as Resolution,
    folder: teaching === 'folder' ? config.text('folder') : '',
    providers: providers.map((provider) => provider.trim()).filter((provider) => provider !== ''),
    heatmap: config.choice('heatmap', ['never', 'suspicious', 'always'], 'suspicious'),
    queue: config.choice('queue', ['latest-wins', 'drop-oldest', 'block'], 'latest-wins'),
  };
}

class ScoreHandler implements Handlers {
  readonly #context: NodeContext<Config>;
  readonly #keeper: ModelKeeper;
  readonly #station: Station;
  readonly #open: OpenPart;

  constructor(context: NodeContext<Config>, keeper: ModelKeeper, station: Station) {
    this.#context = context;
    this.#keeper = keeper;
    this.#station = station;
    this.#open = partOpener(station);
  }

  async input(message: Message, signal: AbortSignal): Promise<Outputs> {
    if (message.topic === TEACH_TOPIC) return [null, await this.#keeper.teach()];
    const { frame } = message;
    if (!Frame.isFrame(frame)) {
      throw new CodedError('FRAME_MISSING', 'msg.frame is not a frame', {
        hint: 'Wire this node behind a camera-capture node.',
      });
    }
    const inspection = isInspection(message.inspection) ? message.inspection : await this.#open();
    message.inspection = inspection;
    const scorer = this.#keeper.scorerFor(frame);
    if (scorer === undefined) return [message, null];
    const startedAt = performance.now();
    const scored = await this.#score(scorer, frame, signal);
    const ms = performance.now() - startedAt;
    inspection.anomaly = scored.section;
    const { queue, decode, resize, run } = scored.timings;
    Object.assign(inspection.timings, { queue, decode, resize, run, score: ms });
    message.payload = scored.section.score;
    const picture = await this.#heatmap(frame, scored, scorer);
    if (picture !== undefined) message['heatmap'] = picture;
    this.#context.status.show('ready', 'scored', { ms: ms.toFixed(1) });
    return [message, null];
  }

  async close(): Promise<void> {
    await this.#keeper.close();
  }

  /** A host that keeps crashing inspects nothing more: the station must not go on acting by itself. */
  async #score(scorer: Scorer, frame: Frame, signal: AbortSignal): Promise<Scored> {
    try {
      return await scorer.score(frame, { signal });
    } catch (error) {
      const { code, message } = asCodedError(error);
      const latched = this.#station.arming().state === 'TRIPPED';
      if (code === 'HOST_TRIPPED' && !latched) this.#station.trip({ code, message });
      throw error;
    }
  }

  /** A picture that cannot be made is reported, without the part: that keeps its score and goes on. */
  async #heatmap(
    frame: Frame,
    { map, suspicious }: Scored,
    { normalLevel }: Scorer,
  ): Promise<Frame | undefined> {
    const { config } = this.#context;
    if (config.heatmap === 'never' || (config.heatmap === 'suspicious' && !suspicious)) return undefined;
    return heatmap(frame, map, normalLevel).catch((error: unknown) => {
      this.#context.fail(error);
      return undefined;
    });
  }
}

async function start(context: NodeContext<Config>): Promise<Handlers> {
  const station = stationOf(context.RED, context.config.stationId);
  const keeper = new ModelKeeper(context, station);
  context.status.show('connecting', 'loading');
  await keeper.start();
  return new ScoreHandler(context, keeper, station);
}

export default function register(RED: NodeAPI): void {
  registerNode<Config>(RED, { type: 'anomaly-score', normalise, start });
}
