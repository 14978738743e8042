/**
 * A camera that gives one image for each GET. Promises that a half-sent image is never taken for a
 * whole one, and that an answer that never ends costs neither time nor memory beyond the limits. A camera
 * that refused user and password is left alone for a while, whatever the triggers: it would lock the account.
 */
import type { IncomingMessage } from 'node:http';
import { joinPicture } from '../frame/picture-memory.ts';
import type { Credentials } from './http-auth.ts';
import { CameraClient, cameraUrl, keepAliveAgent, shownUrl, type CameraAgent } from './http-request.ts';
import { systemClock, type Clock } from '../clock.ts';
import { asCaptureError, CaptureError, SignInRefused } from './errors.ts';
import { SIGN_IN_WAIT_MS } from './reconnect.ts';
import {
  MAX_IMAGE_BYTES,
  partIdFrom,
  receiveImage,
  type CameraSource,
  type CapturedImage,
} from './source.ts';
import type { SourceListener } from './source.ts';

export interface HttpSnapshotOptions {
  url: string;
  credentials?: Credentials | undefined;
  /** From the request to the last byte of the image. */
  timeoutMs: number;
  maxImageBytes?: number;
  clock?: Clock;
}

export class HttpSnapshotSource implements CameraSource {
  readonly name: string;
  readonly #url: URL;
  readonly #agent: CameraAgent;
  readonly #client: CameraClient;
  readonly #timeoutMs: number;
  readonly #maxImageBytes: number;
  readonly #clock: Clock;
  readonly #closed = new AbortController();
  #listener: SourceListener | undefined;
  #refused: { error: SignInRefused; at: number } | undefined;
  #state: 'unknown' | 'up' | 'lost' = 'unknown';

  /** @throws CaptureError `CAMERA_REFUSED` when the address is none */
  constructor(options: HttpSnapshotOptions) {
    const { url, credentials, timeoutMs, maxImageBytes = MAX_IMAGE_BYTES, clock = systemClock } = options;
    this.#url = cameraUrl(url);
    this.name = this.#url.host;
    this.#agent = keepAliveAgent(this.#url);
    this.#client = new CameraClient({ url: this.#url, credentials, agent: this.#agent });
    this.#timeoutMs = timeoutMs;
    this.#clock = clock;
    this.#maxImageBytes = maxImageBytes;
  }

  /** There is no connection to keep: the camera is known to be there after its first image. */
  start(listener: SourceListener): Promise<void> {
    this.#listener = listener;
    return Promise.resolve();
  }

  async grab(signal: AbortSignal): Promise<CapturedImage> {
    if (this.#refused !== undefined && this.#clock.now() - this.#refused.at < SIGN_IN_WAIT_MS) {
      throw this.#refused.error;
    }
    const closed = this.#closed.signal;
    const timeout = AbortSignal.timeout(this.#timeoutMs);
    try {
      const image = await this.#fetch(AbortSignal.any([signal, timeout, closed]));
      if (this.#state !== 'up') this.#listener?.restored();
      this.#state = 'up';
      return image;
    } catch (thrown) {
      const error = this.#explain(thrown, signal.aborted || closed.aborted, timeout.aborted);
      if (error instanceof SignInRefused) this.#refused = { error, at: this.#clock.now() };
      const down = error.code === 'CAMERA_LOST' || error.code === 'CAMERA_REFUSED';
      if ((down || error.code === 'CAPTURE_TIMEOUT') && this.#state !== 'lost') {
        this.#state = 'lost';
        this.#listener?.lost(error);
      }
      throw error;
    }
  }

  close(): Promise<void> {
    this.#closed.abort();
    this.#agent.destroy();
    return Promise.resolve();
  }

  #explain(thrown: unknown, closed: boolean, late: boolean): CaptureError {
    if (closed) return new CaptureError('CLOSED', `${this.name} was closed while an image was on its way`);
    if (late) {
      return new CaptureError(
        'CAPTURE_TIMEOUT',
        `${shownUrl(this.#url)} brought no image within ${this.#timeoutMs} ms`,
      );
    }
    return asCaptureError(thrown, 'CAMERA_LOST', shownUrl(this.#url));
  }

  async #fetch(signal: AbortSignal): Promise<CapturedImage> {
    const response = await this.#client.get(signal);
    const type = response.headers['content-type'] ?? '';
    if (/^(text|multipart)\//i.test(type)) {
      response.destroy();
      throw new CaptureError(
        'CAMERA_REFUSED',
        `${shownUrl(this.#url)} sends ${type.slice(0, 60)}, not an image`,
        {
          hint: type.toLowerCase().startsWith('multipart')
            ? 'This is a stream; choose the MJPEG source.'
            : 'Check the path of the address in the manual of the camera.',
        },
      );
    }
    const bytes = await this.#read(response);
    return receiveImage(bytes, {
      what: `the image of ${shownUrl(this.#url)}`,
      partId: partIdFrom(response.headers['x-part-id']),
    });
  }

  async #read(response: IncomingMessage): Promise<Buffer> {
    const limit = this.#maxImageBytes;
    const announced = Number(response.headers['content-length'] ?? 0);
    const chunks: Buffer[] = [];
    let received = 0;
    try {
      if (announced > limit) throw this.#tooLarge();
      for await (const chunk of response as AsyncIterable<Buffer>) {
        received += chunk.length;
        if (received > limit) throw this.#tooLarge();
        chunks.push(chunk);
      }
    } catch (error) {
      response.destroy();
      if (error instanceof CaptureError || received === 0 || !isConnectionEnd(error)) throw error;
      const of = announced > 0 ? ` of ${announced}` : '';
      throw new CaptureError(
        'IMAGE_TRUNCATED',
        `${shownUrl(this.#url)} broke off after ${received}${of} bytes of an image`,
        { cause: error },
      );
    }
    return joinPicture(chunks, received);
  }

  #tooLarge(): CaptureError {
    return new CaptureError(
      'IMAGE_INVALID',
      `the image of ${shownUrl(this.#url)} is larger than ${this.#maxImageBytes} bytes`,
    );
  }
}

/** Node reports an answer that ends before its Content-Length as a reset connection. */
function isConnectionEnd(error: unknown): boolean {
  const { code } = error as { code?: unknown };
  return code === 'ECONNRESET' || code === 'ERR_STREAM_PREMATURE_CLOSE' || code === 'HPE_INVALID_EOF_STATE';
}
