/**
 * What can sit at a camera's address and is no camera: something that answers one byte at a time,
 * something that talks rubbish, and a camera whose pictures turn into rubbish on the way.
 */
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';

/** RFC 2326, 10.12: `$`, channel, length in two bytes, then a packet of that length. */
const INTERLEAVED = 0x24;
const HEADER_BYTES = 4;
const TRICKLE_MS = 200;

export class BadCamera {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #timers = new Set<NodeJS.Timeout>();

  private constructor(talk: (socket: Socket) => void) {
    this.#server = createServer((socket) => {
      this.#sockets.add(socket);
      socket.on('close', () => this.#sockets.delete(socket));
      socket.on('error', () => undefined);
      talk(socket);
    });
  }

  /** Answers every request for ever, one byte five times a second. */
  static async loris(): Promise<BadCamera> {
    const camera: BadCamera = new BadCamera((socket) => {
      const answer = Buffer.from(`RTSP/1.0 200 OK\r\nCSeq: 1\r\nX-Padding: ${'x'.repeat(4000)}\r\n\r\n`);
      let sent = 0;
      const timer = setInterval(() => socket.write(answer.subarray(sent, ++sent)), TRICKLE_MS);
      camera.#timers.add(timer);
      socket.on('close', () => clearInterval(timer));
    });
    return await camera.#listen(0);
  }

  /** Sends random bytes as fast as they are read. */
  static async babble(): Promise<BadCamera> {
    return await new BadCamera((socket) => {
      const more = (): void => {
        while (!socket.destroyed && socket.write(randomBytes(16_384)));
      };
      socket.on('drain', more);
      more();
    }).#listen(0);
  }

  /**
   * Passes everything on to and from the camera at `target`; its packets of pictures as `change` gives
   * them back, or not at all.
   */
  static async between(target: number, change: (packet: Buffer) => Buffer | undefined): Promise<BadCamera> {
    const camera: BadCamera = new BadCamera((near) => {
      const far = connect(target, '127.0.0.1');
      camera.#sockets.add(far);
      far.on('error', () => undefined);
      far.on('close', () => near.destroy());
      near.on('close', () => far.destroy());
      near.pipe(far);
      let rest = Buffer.alloc(0);
      far.on('data', (bytes: Buffer) => {
        rest = Buffer.concat([rest, bytes]);
        for (;;) {
          const packet = nextPacket(rest);
          if (packet === undefined) break;
          rest = rest.subarray(packet.length);
          const passed = packet[0] === INTERLEAVED ? change(packet) : packet;
          if (passed !== undefined) near.write(passed);
        }
      });
    });
    return await camera.#listen(0);
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  async close(): Promise<void> {
    for (const timer of this.#timers) clearInterval(timer);
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
    await once(this.#server, 'close');
  }

  async #listen(port: number): Promise<this> {
    this.#server.listen(port, '127.0.0.1');
    await once(this.#server, 'listening');
    return this;
  }
}

/** The packet with its header, and rubbish in it. */
export function spoilt(packet: Buffer): Buffer {
  return Buffer.concat([packet.subarray(0, HEADER_BYTES), randomBytes(packet.length - HEADER_BYTES)]);
}

/** A copy of the first whole packet, or everything before the next one; undefined while it is not all there. */
function nextPacket(bytes: Buffer): Buffer | undefined {
  if (bytes.length === 0) return undefined;
  if (bytes[0] !== INTERLEAVED) {
    const next = bytes.indexOf('\r\n\r\n$');
    return Buffer.from(next === -1 ? bytes : bytes.subarray(0, next + HEADER_BYTES));
  }
  if (bytes.length < HEADER_BYTES) return undefined;
  const end = HEADER_BYTES + bytes.readUInt16BE(2);
  return bytes.length < end ? undefined : Buffer.from(bytes.subarray(0, end));
}
