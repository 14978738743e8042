/** sensor-window: measured samples in, the features of one window of them out, as a part of the station. */
import { setImmediate } from 'node:timers/promises';
import { asCodedError, CodedError } from '../../lib/errors.ts';
import { featureExtractor, type WindowFeatures } from '../../lib/series/features.ts';
import { SampleWindow, type Gap, type SeriesWindow, type Windowed } from '../../lib/series/window.ts';
import { propertyOf } from '../runtime/message.ts';
import {
  registerNode,
  TAKEN_OVER,
  type Answer,
  type Handlers,
  type NodeContext,
} from '../runtime/register.ts';
import { partOpener, stationOf, type OpenPart } from '../runtime/station.ts';
import type { Message, NodeAPI } from '../runtime/types.ts';
import { normalise, type Config } from './config.ts';
import { announceSensors, LiveSensors, sensorRoutes } from './live.ts';
import { samplesOf, timeOf } from './samples.ts';

type Extract = Awaited<ReturnType<typeof featureExtractor>>;

class WindowHandler implements Handlers {
  readonly #context: NodeContext<Config>;
  readonly #extract: Extract;
  readonly #window: SampleWindow;
  readonly #live: LiveSensors;
  readonly #open: OpenPart;
  readonly #withdraw: () => void;

  constructor(context: NodeContext<Config>, extract: Extract) {
    const { config, RED, node, status } = context;
    const { channels, units = {} } = config.window;
    this.#context = context;
    this.#extract = extract;
    this.#window = new SampleWindow(config.window);
    this.#live = new LiveSensors(channels, units);
    this.#open = partOpener(config.stationId === undefined ? undefined : stationOf(RED, config.stationId));
    this.#withdraw = announceSensors(node.id, this.#live);
    status.show('connecting', 'waiting');
  }

  async input(message: Message): Promise<Answer> {
    const { windows, gaps } = this.#add(message);
    if (gaps[0] !== undefined) this.#report(gaps[0], message);
    // A sample is no part: it ends here, and a window of them is what goes on.
    if (windows.length === 0) return TAKEN_OVER;
    const messages: Message[] = [];
    for (const window of windows) messages.push(await this.#messageOf(window, message));
    this.#context.status.show('ready', 'windows', { count: this.#live.windows });
    return [messages];
  }

  /** What was begun is dropped: half a window says nothing of a part. */
  close(): void {
    this.#withdraw();
  }

  #add(message: Message): Windowed {
    const { config, RED, status } = this.#context;
    const nowMs = performance.now();
    this.#live.note(message.payload, message.topic);
    try {
      const samples = samplesOf(message.payload, message.topic, config.window.channels);
      const stamp = propertyOf(RED, message, config.timeProperty);
      const added = this.#window.add(samples, timeOf(samples, stamp, config, performance.timeOrigin + nowMs));
      this.#live.add(samples, nowMs);
      return added;
    } catch (error) {
      const { code } = asCodedError(error);
      if (code === 'SAMPLE_OUT_OF_ORDER') {
        this.#live.late += 1;
        if (config.late === 'drop') return { windows: [], gaps: [] };
      }
      status.fail(code);
      throw error;
    }
  }

  #report({ channel, fromMs, toMs }: Gap, message: Message): void {
    this.#live.gaps += 1;
    this.#context.status.show('degraded', 'gap', { channel });
    const seconds = Math.abs(toMs - fromMs) / 1000;
    const lasted = Number.isFinite(seconds) ? ` for ${seconds.toFixed(3)} s` : '';
    this.#context.fail(
      new CodedError('WINDOW_GAP', `${channel} was silent${lasted}; the window it had begun was dropped`, {
        hint: 'Check the sensor and its connection. If such pauses are normal, allow longer gaps.',
      }),
      message,
    );
  }

  async #messageOf(window: SeriesWindow, message: Message): Promise<Message> {
    const begun = performance.now();
    const { features, zones } = await this.#featuresOf(window);
    const inspection = await this.#open();
    inspection.timings['window'] = performance.now() - begun;
    this.#live.windows += 1;
    const { startedAtMs, rateHz, units } = window;
    const { size } = this.#context.config.window;
    const payload = { features, zones, window: { startedAtMs, rateHz, samples: size, units } };
    return { ...message, inspection, payload };
  }

  /** One channel after the other: between two of them Node-RED has its turn. */
  async #featuresOf(window: SeriesWindow): Promise<WindowFeatures> {
    const all: WindowFeatures = { features: {}, zones: {} };
    for (const [name, samples] of Object.entries(window.channels)) {
      const { features, zones } = this.#extract({ ...window, channels: { [name]: samples } });
      Object.assign(all.features, features);
      Object.assign(all.zones, zones);
      await setImmediate();
    }
    return all;
  }
}

export default function register(RED: NodeAPI): void {
  sensorRoutes(RED);
  registerNode<Config>(RED, {
    type: 'sensor-window',
    normalise,
    start: async (context) => new WindowHandler(context, await featureExtractor(context.config.features)),
  });
}
