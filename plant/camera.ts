/**
 * The camera over the line: a hardware-triggered HTTP camera on 127.0.0.1. `GET /snapshot.jpg` is the
 * part under it now; `GET /stream.mjpg` sends one frame for each part that is triggered from then on.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { basicAuthorization, carries, sendProblem } from './http.ts';
import { HOST, listen, shut } from './ports.ts';

export interface Shot {
  partId: string;
  jpeg: Buffer;
  at: Date;
}

/** Switches to break the camera with; all off at first. `kill()` and `revive()` are functions. */
export interface CameraFaults {
  /** The sensor hangs: triggers go on, the picture stays the one it was when this was switched on. */
  freeze: boolean;
  /** Half of the picture in an answer that is otherwise well formed. */
  truncate: boolean;
  /** The connection is lost in the middle of the picture. */
  cut: boolean;
  /** Milliseconds that each picture comes late; 0 for none. */
  slowMs: number;
}

export interface CameraOptions {
  /** 0 or absent: a free one. */
  port?: number;
  /** Asks for HTTP basic authentication. */
  credentials?: { user: string; password: string };
  /** Called once, when somebody looks for the first time: a stream opened or a snapshot asked for. */
  onFirstLook?: () => void;
}

/** A client that does not read is let go at this much waiting data: about 60 frames. */
const MAX_WAITING_BYTES = 16 * 1024 * 1024;
const BOUNDARY = 'jidoka-frame';

export class Camera {
  readonly faults: CameraFaults = { freeze: false, truncate: false, cut: false, slowMs: 0 };
  readonly #server = createServer((request, response) => void this.#answer(request, response));
  readonly #streams = new Set<ServerResponse>();
  readonly #authorization: string | null;
  #onFirstLook: (() => void) | undefined;
  #port = 0;
  #shot: Shot | null = null;
  #frozen: Buffer | null = null;
  /** The last exposure asked for; a snapshot waits for it, so that it is never the part before. */
  #exposure: Promise<void> = Promise.resolve();

  constructor(options: CameraOptions = {}) {
    this.#port = options.port ?? 0;
    this.#onFirstLook = options.onFirstLook;
    const { credentials } = options;
    this.#authorization =
      credentials === undefined ? null : basicAuthorization(credentials.user, credentials.password);
  }

  get url(): string {
    return `http://${HOST}:${this.#port}`;
  }
  get snapshotUrl(): string {
    return `${this.url}/snapshot.jpg`;
  }
  get streamUrl(): string {
    return `${this.url}/stream.mjpg`;
  }
  /** Clients that watch the stream now. */
  get viewers(): number {
    return this.#streams.size;
  }

  /** @throws PlantError PLANT_PORT_BUSY */
  async open(): Promise<void> {
    this.#port = await listen(this.#server, this.#port, 'camera');
  }

  async close(): Promise<void> {
    await shut(this.#server);
  }

  /** Pulls the plug: connections break, new ones are refused until `revive()`. */
  async kill(): Promise<void> {
    await shut(this.#server);
  }

  async revive(): Promise<void> {
    await this.open();
  }

  /**
   * Takes the picture of a part: it is streamed once, and what snapshots show from now on. Settles when
   * the picture is shown; a picture that fails leaves the one before.
   */
  trigger(partId: string, picture: Promise<Buffer>): Promise<void> {
    const before = this.#exposure;
    this.#exposure = (async () => {
      await before;
      const jpeg = await picture.catch(() => null);
      if (jpeg === null) return;
      if (this.faults.freeze) this.#frozen ??= this.#shot?.jpeg ?? jpeg;
      else this.#frozen = null;
      this.#shot = { partId, jpeg: this.#frozen ?? jpeg, at: new Date() };
      for (const stream of this.#streams) this.#push(stream, this.#shot);
    })();
    return this.#exposure;
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    response.on('error', () => undefined);
    if (this.#authorization !== null && !carries(request, this.#authorization)) {
      sendProblem(response, 401, 'Sign in to see the camera', { 'WWW-Authenticate': 'Basic realm="camera"' });
      return;
    }
    const path = new URL(request.url ?? '/', this.url).pathname;
    if (request.method !== 'GET') sendProblem(response, 405, 'Only GET', { Allow: 'GET' });
    else if (path === '/snapshot.jpg') {
      this.#look();
      await this.#snapshot(response);
    } else if (path === '/stream.mjpg') {
      this.#stream(request, response);
      this.#look();
    } else sendProblem(response, 404, 'There are /snapshot.jpg and /stream.mjpg');
  }

  #look(): void {
    const onFirstLook = this.#onFirstLook;
    this.#onFirstLook = undefined;
    onFirstLook?.();
  }

  async #snapshot(response: ServerResponse): Promise<void> {
    await this.#exposure;
    const shot = this.#shot;
    if (shot === null) {
      sendProblem(response, 503, 'No part has passed yet', { 'Retry-After': '1' });
      return;
    }
    if (this.faults.slowMs > 0) await delay(this.faults.slowMs);
    const bytes = this.#readOut(shot.jpeg);
    response.writeHead(200, {
      'Content-Type': 'image/jpeg',
      'Content-Length': String(bytes.length),
      'Cache-Control': 'no-store',
      'X-Part-Id': shot.partId,
      'X-Timestamp': shot.at.toISOString(),
    });
    if (this.faults.cut) cutOff(response, bytes);
    else response.end(bytes);
  }

  #stream(request: IncomingMessage, response: ServerResponse): void {
    response.writeHead(200, {
      'Content-Type': `multipart/x-mixed-replace; boundary=${BOUNDARY}`,
      'Cache-Control': 'no-store',
      Connection: 'close',
    });
    response.flushHeaders();
    this.#streams.add(response);
    request.on('close', () => this.#streams.delete(response));
    response.on('close', () => this.#streams.delete(response));
  }

  #push(stream: ServerResponse, shot: Shot): void {
    if (this.faults.slowMs > 0) setTimeout(() => this.#send(stream, shot), this.faults.slowMs);
    else this.#send(stream, shot);
  }

  #send(stream: ServerResponse, shot: Shot): void {
    if (stream.destroyed) return;
    if (stream.writableLength > MAX_WAITING_BYTES) {
      stream.destroy();
      return;
    }
    const bytes = this.#readOut(shot.jpeg);
    stream.write(
      `--${BOUNDARY}\r\nContent-Type: image/jpeg\r\nContent-Length: ${bytes.length}\r\n` +
        `X-Part-Id: ${shot.partId}\r\nX-Timestamp: ${shot.at.toISOString()}\r\n\r\n`,
    );
    if (this.faults.cut) {
      cutOff(stream, bytes);
      return;
    }
    stream.write(bytes);
    stream.write('\r\n');
  }

  #readOut(jpeg: Buffer): Buffer {
    return this.faults.truncate ? jpeg.subarray(0, jpeg.length >> 1) : jpeg;
  }
}

function cutOff(response: ServerResponse, bytes: Buffer): void {
  response.write(bytes.subarray(0, bytes.length >> 1), () => response.destroy());
}

function delay(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
