/**
 * A camera that keeps one HTTP answer open and sends image after image (MJPEG).
 *
 * A watchdog decides whether the camera is alive, because a frozen one keeps its connection: no
 * image for three frame periods, at least two seconds, and it is lost. It counts images, not
 * bytes, so that a trickle does not keep a dead camera alive. A camera that only sends when a part
 * passes is watched by its connection instead (TCP keep-alive).
 */
import { asCaptureError, CaptureError } from './errors.ts';
import { systemClock, type Clock } from '../clock.ts';
import { deliver } from './deliver.ts';
import type { Credentials } from './http-auth.ts';
import { CameraClient, cameraUrl, shownUrl } from './http-request.ts';
import { LatestImage } from './latest.ts';
import { boundaryOf, MultipartParser, type StreamPart } from './multipart.ts';
import { portAnswers, portOf } from './port.ts';
import { keepConnected } from './reconnect.ts';
import { ImageRhythm } from './rhythm.ts';
import { MAX_IMAGE_BYTES, partIdFrom, receiveImage } from './source.ts';
import type { CameraSource, CapturedImage, SourceListener } from './source.ts';

/** However slow the camera: an older image shows another part. */
const MAX_AGE_MS = 1000;
/** How old the newest image may be for a trigger while the frame period is not known yet. */
const UNKNOWN_PERIOD_MS = 100;

export interface HttpMjpegOptions {
  url: string;
  credentials?: Credentials | undefined;
  /** For a connection to bring its first image, and for a trigger to get one. */
  timeoutMs: number;
  /** False for a camera that only sends when a part passes. */
  watchdog: boolean;
  maxImageBytes?: number;
  clock?: Clock;
  random?: () => number;
}

export class HttpMjpegSource implements CameraSource {
  readonly name: string;
  readonly #options: HttpMjpegOptions;
  readonly #url: URL;
  readonly #clock: Clock;
  readonly #client: CameraClient;
  readonly #latest: LatestImage;
  readonly #rhythm: ImageRhythm;
  readonly #closed = new AbortController();
  #listener: SourceListener | undefined;
  #running: Promise<void> | undefined;
  #outage: CaptureError | undefined;

  /** @throws CaptureError `CAMERA_REFUSED` when the address is none */
  constructor(options: HttpMjpegOptions) {
    this.#options = options;
    this.#url = cameraUrl(options.url);
    this.name = this.#url.host;
    this.#clock = options.clock ?? systemClock;
    this.#latest = new LatestImage(this.#clock);
    this.#rhythm = new ImageRhythm(this.#clock);
    this.#client = new CameraClient({ url: this.#url, credentials: options.credentials });
  }

  start(listener: SourceListener): Promise<void> {
    this.#listener = listener;
    const { host, port } = portOf(this.#url, this.#url.protocol === 'https:' ? 443 : 80);
    this.#running = keepConnected(
      {
        session: (signal, up) => this.#session(signal, up),
        reachable: (signal) => portAnswers(host, port, signal),
        connecting: () => listener.connecting?.(),
        lost: (error) => {
          this.#outage = error;
          this.#latest.fail(error);
          listener.lost(error);
        },
        restored: () => {
          this.#outage = undefined;
          listener.restored();
        },
        clock: this.#clock,
        random: this.#options.random ?? Math.random,
        what: shownUrl(this.#url),
      },
      this.#closed.signal,
    );
    return Promise.resolve();
  }

  /** The newest image if it is not older than one frame period and one second, else the next one. */
  async grab(signal: AbortSignal): Promise<CapturedImage> {
    if (this.#outage !== undefined) throw this.#outage;
    return await this.#latest.take({
      maxAgeMs: Math.min(MAX_AGE_MS, this.#rhythm.periodMs ?? UNKNOWN_PERIOD_MS),
      timeoutMs: this.#options.timeoutMs,
      signal: AbortSignal.any([signal, this.#closed.signal]),
      what: shownUrl(this.#url),
    });
  }

  async close(): Promise<void> {
    this.#closed.abort(new CaptureError('CLOSED', `${this.name} was closed`));
    await this.#running;
  }

  /** One connection; rejects with the reason of its end. */
  async #session(closed: AbortSignal, up: () => void): Promise<void> {
    const watchdog = new AbortController();
    const bark = (waitedMs: number): void =>
      watchdog.abort(
        new CaptureError(
          'CAMERA_LOST',
          `${shownUrl(this.#url)} sent no image for ${Math.round(waitedMs)} ms`,
          {
            hint: 'Check power and network of the camera. If it only sends when a part passes, switch the watchdog off.',
          },
        ),
      );
    const watch = (limitMs: number): (() => void) => this.#clock.after(limitMs, () => bark(limitMs));
    let unwatch = watch(this.#options.timeoutMs);
    this.#rhythm.begin();
    try {
      const signal = AbortSignal.any([closed, watchdog.signal]);
      const response = await this.#client.get(signal);
      // Destroying with the reason makes the loop below end with it.
      const stop = (): void => void response.destroy(signal.reason as Error);
      signal.addEventListener('abort', stop, { once: true });
      try {
        const parser = this.#parserFor(response.headers['content-type']);
        if (!this.#options.watchdog) {
          // Connected and told what will come: all that can be known before a part passes.
          unwatch();
          up();
        }
        for await (const chunk of response as AsyncIterable<Buffer>) {
          for (const part of parser.push(chunk)) {
            if (part.body.length === 0) continue;
            const image = this.#imageOf(part);
            if (!(image instanceof CaptureError)) {
              unwatch();
              up();
            }
            await this.#deliver(image, part);
            // Armed only while we wait for the camera, not while the camera waits for us.
            if (this.#options.watchdog && !(image instanceof CaptureError)) {
              unwatch = watch(this.#rhythm.watchdogMs);
            }
          }
          if (parser.ended) break;
        }
      } finally {
        signal.removeEventListener('abort', stop);
        response.destroy();
      }
    } catch (error) {
      throw watchdog.signal.aborted ? watchdog.signal.reason : error;
    } finally {
      unwatch();
    }
  }

  #parserFor(contentType: string | undefined): MultipartParser {
    const boundary = boundaryOf(contentType);
    if (boundary === undefined || boundary === '') {
      throw new CaptureError(
        'CAMERA_REFUSED',
        `${shownUrl(this.#url)} sends ${contentType?.slice(0, 60) ?? 'no content type'}, not an MJPEG stream`,
        { hint: 'For a camera that answers with one image choose the snapshot source.' },
      );
    }
    return new MultipartParser(boundary, { maxPartBytes: this.#options.maxImageBytes ?? MAX_IMAGE_BYTES });
  }

  #imageOf(part: StreamPart): CapturedImage | CaptureError {
    try {
      const image = receiveImage(part.body, {
        what: `an image of ${shownUrl(this.#url)}`,
        partId: partIdFrom(part.headers.get('x-part-id')),
      });
      this.#rhythm.image();
      return image;
    } catch (error) {
      return asCaptureError(error, 'IMAGE_INVALID', shownUrl(this.#url));
    }
  }

  async #deliver(image: CapturedImage | CaptureError, part: StreamPart): Promise<void> {
    const partId = partIdFrom(part.headers.get('x-part-id'));
    const failed = image instanceof CaptureError;
    const arrival = failed ? { error: image, ...(partId === undefined ? {} : { partId }) } : image;
    await deliver(arrival, this.#latest, this.#listener);
  }
}
