/**
 * An HTTP camera with a real server behind it: snapshots on /snapshot, an MJPEG stream on /stream.
 * It can be killed and brought back on its port, frozen, slowed down, made to break off in the
 * middle of an image, and made to ask for a sign-in.
 */
import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import sharp from 'sharp';

/** A small JPEG with some texture; different numbers give different pictures. */
export async function testImage(number = 0, width = 64, height = 48): Promise<Buffer> {
  const pixels = Buffer.alloc(width * height * 3);
  for (let index = 0; index < pixels.length; index += 1) pixels[index] = (index * (number + 7)) % 251;
  return await sharp(pixels, { raw: { width, height, channels: 3 } })
    .jpeg()
    .toBuffer();
}

export interface StreamFormat {
  /** As declared in the Content-Type header. */
  declared: string;
  /** As sent before each part. */
  delimiter: string;
  contentLength: boolean;
}

type SignIn = 'none' | 'basic' | 'digest';

export class CameraServer {
  image: Buffer;
  signIn: SignIn = 'none';
  partId: string | undefined;
  /** Bytes of the image that are sent before the connection breaks; undefined for all. */
  truncateAt: number | undefined;
  /** Accepts and never answers. */
  frozen = false;
  /** Status of every answer. */
  status = 200;
  contentType = 'image/jpeg';
  announceLength = true;
  format: StreamFormat = { declared: 'frame', delimiter: '--frame', contentLength: true };
  requests = 0;
  connections = 0;
  readonly streams = new Set<ServerResponse>();
  readonly #sockets = new Set<Socket>();
  #server: Server | undefined;
  #port = 0;
  #streamWaiters: (() => void)[] = [];

  constructor(image: Buffer) {
    this.image = image;
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  /** Listens on a free port, and on the same one again after `kill`. */
  async start(): Promise<void> {
    const server = createServer((request, response) => this.#answer(request, response));
    this.#server = server;
    server.on('connection', (socket) => {
      this.connections += 1;
      this.#sockets.add(socket);
      socket.on('close', () => this.#sockets.delete(socket));
      socket.on('error', () => undefined);
    });
    await new Promise<void>((resolve) => server.listen(this.#port, '127.0.0.1', resolve));
    this.#port = (server.address() as AddressInfo).port;
  }

  /** Resets every connection and listens no longer, as when the power goes. */
  async kill(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    this.streams.clear();
    for (const socket of this.#sockets) socket.resetAndDestroy();
    if (server !== undefined) await new Promise((resolve) => server.close(resolve));
  }

  /** Closes idle connections without notice, as cameras do. */
  dropConnections(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  /** Resolves when a client reads the stream. */
  async streaming(): Promise<void> {
    if (this.streams.size === 0) await this.nextStream();
  }

  /** Resolves when another client starts to read the stream. */
  nextStream(): Promise<void> {
    return new Promise((resolve) => this.#streamWaiters.push(resolve));
  }

  /** Sends one image to everybody who reads the stream. */
  send(image = this.image, partId = this.partId): void {
    for (const response of this.streams) response.write(this.part(image, partId));
  }

  /** One part of the stream as bytes on the wire. */
  part(image: Buffer, partId?: string): Buffer {
    const { delimiter, contentLength } = this.format;
    const head = [
      delimiter,
      'Content-Type: image/jpeg',
      ...(contentLength ? [`Content-Length: ${image.length}`] : []),
      ...(partId === undefined ? [] : [`X-Part-Id: ${partId}`]),
    ];
    return Buffer.concat([Buffer.from(`${head.join('\r\n')}\r\n\r\n`), image, Buffer.from('\r\n')]);
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    this.requests += 1;
    if (this.frozen) return;
    if (!this.#mayPass(request, response)) return;
    if (this.status !== 200) {
      response.writeHead(this.status).end();
      return;
    }
    if (request.url === '/stream') this.#stream(response);
    else this.#snapshot(response);
  }

  #stream(response: ServerResponse): void {
    response.writeHead(200, {
      'content-type': `multipart/x-mixed-replace; boundary=${this.format.declared}`,
    });
    response.flushHeaders();
    this.streams.add(response);
    response.on('close', () => this.streams.delete(response));
    for (const resolve of this.#streamWaiters.splice(0)) resolve();
  }

  #snapshot(response: ServerResponse): void {
    response.writeHead(200, {
      'content-type': this.contentType,
      ...(this.announceLength ? { 'content-length': this.image.length } : { connection: 'close' }),
      ...(this.partId === undefined ? {} : { 'x-part-id': this.partId }),
    });
    if (this.truncateAt === undefined) {
      response.end(this.image);
    } else if (this.announceLength) {
      response.write(this.image.subarray(0, this.truncateAt), () => response.destroy());
    } else {
      response.end(this.image.subarray(0, this.truncateAt));
    }
  }

  /** User `inspector`, password `s3cret"`. */
  #mayPass(request: IncomingMessage, response: ServerResponse): boolean {
    const answer = request.headers.authorization ?? '';
    if (this.signIn === 'none') return true;
    if (this.signIn === 'basic') {
      if (answer === `Basic ${Buffer.from('inspector:s3cret"').toString('base64')}`) return true;
      response.writeHead(401, { 'www-authenticate': 'Basic realm="camera"' }).end();
      return false;
    }
    const field = (name: string): string => new RegExp(`\\b${name}="?([^",]*)"?`).exec(answer)?.[1] ?? '';
    const md5 = (text: string): string => createHash('md5').update(text).digest('hex');
    const ha1 = md5('inspector:camera:s3cret"');
    const ha2 = md5(`GET:${request.url ?? ''}`);
    const expected = md5(`${ha1}:abc123:${field('nc')}:${field('cnonce')}:auth:${ha2}`);
    if (field('response') === expected && field('nonce') === 'abc123') return true;
    response
      .writeHead(401, {
        'www-authenticate':
          'Basic realm="camera", Digest realm="camera", nonce="abc123", qop="auth", algorithm=MD5',
      })
      .end();
    return false;
  }
}
