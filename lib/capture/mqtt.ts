/**
 * A camera that publishes its images to an MQTT broker. The library is only asked to speak the
 * protocol: connecting again is ours, and so is noticing within seconds that the broker is gone.
 *
 * What the broker kept from earlier (retained) is an old picture and becomes no part. An image is
 * acknowledged once it has been taken in, so a busy station holds its broker back instead of filling
 * its memory. A camera that sends when a part passes has no rhythm: without the watchdog it is the
 * broker that is watched; with it, a camera that falls silent is lost although the broker is there.
 */
import { once } from 'node:events';
import type { IPublishPacket, MqttClient } from 'mqtt';
import { systemClock, type Clock } from '../clock.ts';
import { deliver } from './deliver.ts';
import { asCaptureError, CaptureError } from './errors.ts';
import type { Credentials } from './http-auth.ts';
import { LatestImage } from './latest.ts';
import {
  brokerPort,
  brokerUrl,
  CONNECT_MS,
  connectBroker,
  explain,
  leave,
  notSubscribed,
  shownBroker,
} from './mqtt-broker.ts';
import { imageOfMessage, maxMessageBytes } from './mqtt-message.ts';
import { PacketWatch } from './mqtt-packets.ts';
import { topicFilter, type TopicFilter } from './mqtt-topic.ts';
import { portAnswers } from './port.ts';
import { keepConnected } from './reconnect.ts';
import { ImageRhythm } from './rhythm.ts';
import { MAX_IMAGE_BYTES, partIdFrom } from './source.ts';
import type { CameraSource, CapturedImage, SourceListener } from './source.ts';

const PING_MS = 1000;
/** A broker answers a ping within milliseconds; two may be lost to a moment of load. */
const SILENCE_MS = 3000;
/** A message that has begun is there by then, or it is a trickle. */
const MESSAGE_MS = 10_000;
/** How old the newest image may be to still belong to a trigger. */
const MAX_AGE_MS = 1000;

export interface MqttOptions {
  /** mqtt:// or mqtts:// and the broker's host. */
  url: string;
  /** A filter; one level may be `{partId}`. */
  topic: string;
  credentials?: Credentials | undefined;
  /** For a trigger to get its image, and with the watchdog for a connection to bring its first. */
  timeoutMs: number;
  /** True for a camera that sends all the time. */
  watchdog: boolean;
  /** Takes what the broker kept from earlier for an image of now. */
  retained?: boolean;
  maxImageBytes?: number;
  /** Without a byte from the broker for so long, it is gone. */
  silenceMs?: number;
  clock?: Clock;
  random?: () => number;
}

export class MqttSource implements CameraSource {
  readonly name: string;
  readonly #options: MqttOptions;
  readonly #url: URL;
  readonly #filter: TopicFilter;
  readonly #maxImageBytes: number;
  readonly #clock: Clock;
  readonly #latest: LatestImage;
  readonly #rhythm: ImageRhythm;
  readonly #closed = new AbortController();
  #listener: SourceListener | undefined;
  #running: Promise<void> | undefined;
  #state: 'unknown' | 'up' | 'lost' = 'unknown';
  #outage: CaptureError | undefined;
  #unwatch = (): void => undefined;

  /** @throws CaptureError `CAMERA_REFUSED` when the address or the topic is none */
  constructor(options: MqttOptions) {
    this.#options = options;
    this.#url = brokerUrl(options.url);
    this.#filter = topicFilter(options.topic);
    this.#maxImageBytes = options.maxImageBytes ?? MAX_IMAGE_BYTES;
    this.#clock = options.clock ?? systemClock;
    this.#latest = new LatestImage(this.#clock);
    this.#rhythm = new ImageRhythm(this.#clock);
    this.name = this.#url.host;
  }

  start(listener: SourceListener): Promise<void> {
    this.#listener = listener;
    const { host, port } = brokerPort(this.#url);
    this.#running = keepConnected(
      {
        session: (signal, up) => this.#session(signal, up),
        reachable: (signal) => portAnswers(host, port, signal),
        connecting: () => listener.connecting?.(),
        lost: (error) => this.#lost(error),
        restored: () => this.#restored(),
        clock: this.#clock,
        random: this.#options.random ?? Math.random,
        what: this.#shown,
      },
      this.#closed.signal,
    );
    return Promise.resolve();
  }

  /** The newest image if it is not older than a second, else the next one. */
  async grab(signal: AbortSignal): Promise<CapturedImage> {
    if (this.#outage !== undefined) throw this.#outage;
    return await this.#latest.take({
      maxAgeMs: MAX_AGE_MS,
      timeoutMs: this.#options.timeoutMs,
      signal: AbortSignal.any([signal, this.#closed.signal]),
      what: `${this.#options.topic} of ${this.#shown}`,
    });
  }

  async close(): Promise<void> {
    this.#closed.abort(new CaptureError('CLOSED', `${this.name} was closed`));
    await this.#running;
  }

  get #shown(): string {
    return shownBroker(this.#url);
  }

  /** Both the connection and the watchdog may say so; an outage is announced once. */
  #lost(error: CaptureError): void {
    this.#latest.fail(error);
    if (this.#state !== 'lost') this.#listener?.lost(error);
    this.#state = 'lost';
    this.#outage = error;
  }

  #restored(): void {
    if (this.#state !== 'up') this.#listener?.restored();
    this.#state = 'up';
    this.#outage = undefined;
  }

  /** One connection; rejects with the reason of its end. */
  async #session(closed: AbortSignal, up: () => void): Promise<void> {
    const broken = new AbortController();
    const fail = (thrown: unknown): void => broken.abort(explain(thrown, this.#url));
    const client = await this.#connect(broken.signal, { fail, up });
    const stopWatching = this.#watchBroker(client, fail);
    this.#rhythm.begin();
    try {
      const end = AbortSignal.any([closed, broken.signal]);
      if (!end.aborted) await once(end, 'abort');
      throw end.reason;
    } finally {
      stopWatching();
      this.#unwatch();
      await leave(client, closed.aborted);
    }
  }

  /** A client on its way to `up`; whatever goes wrong from here on goes to `fail`. */
  async #connect(
    broken: AbortSignal,
    { fail, up }: { fail: (thrown: unknown) => void; up: () => void },
  ): Promise<MqttClient> {
    const client = await connectBroker(this.#url, { credentials: this.#options.credentials, fail });
    client.handleMessage = (packet, done) => {
      this.#receive(packet, broken.aborted ? undefined : up).then(() => {
        if (!broken.aborted) done();
      }, fail);
    };
    client.once('connect', () => {
      client.subscribe(this.#filter.filter, { qos: 1 }, (error) => {
        if (error !== null) fail(notSubscribed(this.#shown, this.#options.topic, error));
        else if (this.#options.watchdog) this.#watchCamera(this.#options.timeoutMs);
        else up();
      });
    });
    return client;
  }

  /** Pings a silent broker and gives it up when it stays silent; returns the way to stop. */
  #watchBroker(client: MqttClient, fail: (thrown: unknown) => void): () => void {
    const { timeoutMs, silenceMs = SILENCE_MS } = this.#options;
    const startedAt = this.#clock.now();
    const packets = new PacketWatch(maxMessageBytes(this.#maxImageBytes));
    let [byteAt, messageAt] = [startedAt, startedAt];
    client.stream.on('data', (chunk: Buffer) => {
      byteAt = this.#clock.now();
      const wasUnderWay = packets.underWay;
      try {
        if (packets.push(chunk) > 0 || !wasUnderWay) messageAt = byteAt;
      } catch (error) {
        fail(error);
      }
    });
    const gone = (message: string): void =>
      fail(
        new CaptureError('CAMERA_LOST', `${this.#shown} ${message}`, {
          hint: 'Check that the broker runs and that the network reaches it.',
        }),
      );
    let cancel: () => void;
    const beat = (): void => {
      cancel = this.#clock.after(PING_MS, beat);
      const now = this.#clock.now();
      if (!client.connected) {
        if (now - startedAt >= CONNECT_MS) gone(`did not answer for ${CONNECT_MS} ms`);
        return;
      }
      // The library's own watch would take a busy station, which reads no answers, for a dead broker.
      client.reschedulePing(true);
      if (client.stream.isPaused()) [byteAt, messageAt] = [now, now];
      if (now - byteAt >= silenceMs) gone(`was silent for ${Math.round(now - byteAt)} ms`);
      else if (packets.underWay && now - messageAt >= Math.max(MESSAGE_MS, timeoutMs, silenceMs)) {
        gone(`did not finish a message within ${Math.round(now - messageAt)} ms`);
      } else client.sendPing();
    };
    cancel = this.#clock.after(PING_MS, beat);
    return () => cancel();
  }

  /** Says that the camera is lost unless an image comes in time; the subscription stays. */
  #watchCamera(limitMs: number): void {
    this.#unwatch();
    this.#unwatch = this.#clock.after(limitMs, () =>
      this.#lost(
        new CaptureError(
          'CAMERA_LOST',
          `${this.#options.topic} brought no image for ${Math.round(limitMs)} ms`,
          {
            hint: 'Check power and network of the camera. If it only sends when a part passes, switch the watchdog off.',
          },
        ),
      ),
    );
  }

  /** @param up undefined once the connection is broken: what it had brought is still an image */
  async #receive(packet: IPublishPacket, up: (() => void) | undefined): Promise<void> {
    if (this.#closed.signal.aborted || (packet.retain && this.#options.retained !== true)) return;
    const image = this.#imageOf(packet);
    if (image instanceof CaptureError) {
      const partId = partIdFrom(this.#filter.partIdOf(packet.topic));
      const failure = { error: image, ...(partId === undefined ? {} : { partId }) };
      await deliver(failure, this.#latest, this.#listener);
      return;
    }
    this.#unwatch();
    if (up !== undefined) {
      this.#rhythm.image();
      up();
      this.#restored();
    }
    await deliver(image, this.#latest, this.#listener);
    // Armed only while we wait for the camera, not while the camera waits for us.
    if (up !== undefined && this.#options.watchdog) this.#watchCamera(this.#rhythm.watchdogMs);
  }

  #imageOf({ topic, payload }: IPublishPacket): CapturedImage | CaptureError {
    const what = `the message on ${topic}`;
    try {
      return imageOfMessage(typeof payload === 'string' ? Buffer.from(payload) : payload, {
        what,
        maxImageBytes: this.#maxImageBytes,
        partId: this.#filter.partIdOf(topic),
      });
    } catch (error) {
      return asCaptureError(error, 'IMAGE_INVALID', what);
    }
  }
}
