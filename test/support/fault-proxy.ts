/**
 * A network between a client and a server with the faults networks have, switched while it runs: the eight
 * toxics of Toxiproxy (github.com/Shopify/toxiproxy), for either direction. Without one it passes everything.
 */
import { EventEmitter, once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';

/** `up`: from the client to the server; `down`: the answers. */
export type Direction = 'up' | 'down';

export type Toxic =
  /** Every byte arrives so much later. */
  | { type: 'latency'; delayMs: number }
  /** The side towards which this goes sees the link end, the other side sees nothing; new links are refused. */
  | { type: 'down' }
  | { type: 'bandwidth'; bytesPerSecond: number }
  /** One side's end of the link is told to the other so much later. */
  | { type: 'slow_close'; delayMs: number }
  /** Nothing arrives. What is `held` does when the toxic is gone, unless its sender has reset the link, or ended it. */
  | { type: 'timeout'; held?: 'until-reset' | 'while-open' }
  /** The first byte in this direction is lost and both sides are reset. */
  | { type: 'reset_peer' }
  /** In pieces of so many bytes with a pause after each. */
  | { type: 'slicer'; bytes: number; pauseMs: number }
  /** So many bytes pass, then the link is ended. */
  | { type: 'limit_data'; bytes: number };

/** Pieces a second by which a slow line is passed on. */
const BANDWIDTH_STEPS = 20;

export class FaultProxy {
  readonly #targetPort: number;
  readonly #server: Server;
  readonly #links = new Set<Link>();
  readonly #toxics: Record<Direction, Toxic | undefined> = { up: undefined, down: undefined };
  readonly #ends = new EventEmitter();
  #refusing = false;

  constructor(targetPort: number) {
    this.#targetPort = targetPort;
    this.#server = createServer({ allowHalfOpen: true }, (near) => this.#join(near));
  }

  async open(): Promise<void> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Links that are whole: both sides are there. */
  get links(): number {
    return [...this.#links].filter((link) => link.isWhole).length;
  }

  toxic(direction: Direction): Toxic | undefined {
    return this.#toxics[direction];
  }

  /** Takes the place of the toxic this direction had; undefined passes everything again. */
  set(direction: Direction, toxic: Toxic | undefined): void {
    this.#toxics[direction] = toxic;
    for (const link of [...this.#links]) link.toxicChanged(direction, toxic);
  }

  mend(): void {
    this.#refusing = false;
    this.set('up', undefined);
    this.set('down', undefined);
  }

  /** Resets every link and refuses new ones until mended. */
  cut(): void {
    this.#refusing = true;
    this.reset();
  }

  /** Resets every link; new ones pass. */
  reset(): void {
    for (const link of [...this.#links]) link.reset();
  }

  /** Ends every link towards one side, as if the other had closed it; what the other hears is up to the toxics. */
  hangUp(towards: 'client' | 'server'): void {
    for (const link of [...this.#links]) link.hangUp(towards);
  }

  /** Puts bytes onto the wire towards the clients that no server has sent. */
  inject(bytes: Buffer): void {
    for (const link of this.#links) link.inject(bytes);
  }

  /** Resolves when the client next ends a link, with the way it did: after a reset its kernel sends nothing more. */
  async ended(): Promise<'reset' | 'closed'> {
    const [how] = (await once(this.#ends, 'end')) as ['reset' | 'closed'];
    return how;
  }

  async close(): Promise<void> {
    this.cut();
    this.#server.close();
    await once(this.#server, 'close');
  }

  #join(near: Socket): void {
    const { up, down } = this.#toxics;
    if (this.#refusing || up?.type === 'down' || down?.type === 'down') {
      near.on('error', ignore);
      resetSocket(near);
      return;
    }
    const far = connect({ port: this.#targetPort, host: '127.0.0.1', allowHalfOpen: true });
    near.on('error', ({ code }: NodeJS.ErrnoException) => {
      if (code === 'ECONNRESET') this.#ends.emit('end', 'reset');
    });
    near.on('end', () => this.#ends.emit('end', 'closed'));
    const link = new Link(near, far, (direction) => this.#toxics[direction]);
    this.#links.add(link);
    link.onGone(() => this.#links.delete(link));
  }
}

export async function startFaultProxy(targetPort: number): Promise<FaultProxy> {
  const proxy = new FaultProxy(targetPort);
  await proxy.open();
  return proxy;
}

/** One connection through the proxy. */
class Link {
  readonly #near: Socket;
  readonly #far: Socket;
  readonly #streams: Record<Direction, Stream>;

  constructor(near: Socket, far: Socket, toxic: (direction: Direction) => Toxic | undefined) {
    this.#near = near;
    this.#far = far;
    const reset = (): void => this.reset();
    this.#streams = {
      up: new Stream(near, far, () => toxic('up'), reset),
      down: new Stream(far, near, () => toxic('down'), reset),
    };
    for (const [socket, into] of [
      [near, 'up'],
      [far, 'down'],
    ] as const) {
      socket.setNoDelay(true);
      socket.on('error', ({ code }: NodeJS.ErrnoException) => {
        // What was on its way dies with a reset; an end lets it arrive.
        if (code === 'ECONNRESET') this.reset();
        else this.#streams[into].end();
      });
    }
  }

  get isWhole(): boolean {
    return !this.#near.destroyed && !this.#far.destroyed;
  }

  onGone(listener: () => void): void {
    for (const socket of [this.#near, this.#far]) {
      socket.on('close', () => {
        if (this.#near.destroyed && this.#far.destroyed) listener();
      });
    }
  }

  toxicChanged(direction: Direction, toxic: Toxic | undefined): void {
    if (toxic?.type === 'down') (direction === 'up' ? this.#far : this.#near).destroy();
    // One side is gone and the other was never told: it is when the network is back.
    else if (toxic === undefined && !this.isWhole && !this.#streams[direction].isEnding) this.reset();
    this.#streams[direction].toxicChanged();
  }

  hangUp(towards: 'client' | 'server'): void {
    if (towards === 'client') {
      this.#near.destroy();
      this.#streams.up.end();
    } else {
      this.#far.destroy();
      this.#streams.down.end();
    }
  }

  inject(bytes: Buffer): void {
    if (!this.#near.destroyed) this.#near.write(bytes);
  }

  reset(): void {
    resetSocket(this.#near);
    resetSocket(this.#far);
    this.#streams.up.drop();
    this.#streams.down.drop();
  }
}

/** One direction of one connection: takes what comes and passes it on as the toxic of the moment says. */
class Stream {
  readonly #to: Socket;
  readonly #toxic: () => Toxic | undefined;
  readonly #resetLink: () => void;
  #queue: { bytes: Buffer; at: number }[] = [];
  #ended: number | undefined;
  #isOver = false;
  #passed = 0;
  #notBefore = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(from: Socket, to: Socket, toxic: () => Toxic | undefined, resetLink: () => void) {
    this.#to = to;
    this.#toxic = toxic;
    this.#resetLink = resetLink;
    from.on('data', (bytes: Buffer) => {
      this.#queue.push({ bytes, at: performance.now() });
      this.#work();
    });
    from.on('end', () => this.end());
  }

  get isEnding(): boolean {
    return this.#ended !== undefined && !this.#isOver;
  }

  end(): void {
    this.#ended ??= performance.now();
    const toxic = this.#toxic();
    if (toxic?.type === 'timeout' && toxic.held === 'while-open') this.#queue = [];
    this.#work();
  }

  drop(): void {
    this.#queue = [];
    this.#isOver = true;
    clearTimeout(this.#timer);
  }

  toxicChanged(): void {
    this.#passed = 0;
    this.#notBefore = 0;
    this.#work();
  }

  /** Passes on what may pass now, and comes back when more may. */
  #work(): void {
    clearTimeout(this.#timer);
    while (!this.#isOver) {
      const head = this.#queue[0];
      const waitMs = head === undefined ? this.#finish() : this.#pass(head);
      if (waitMs === Infinity) return;
      if (waitMs > 0) {
        this.#timer = setTimeout(() => this.#work(), waitMs);
        return;
      }
    }
  }

  /** Does what can be done with the first bytes; returns how long to wait, Infinity for "until something happens". */
  #pass(head: { bytes: Buffer; at: number }): number {
    const toxic = this.#toxic();
    const now = performance.now();
    if (now < this.#notBefore) return this.#notBefore - now;
    switch (toxic?.type) {
      case undefined:
      case 'slow_close':
        return this.#take(head, head.bytes.length);
      case 'latency':
        return now < head.at + toxic.delayMs
          ? head.at + toxic.delayMs - now
          : this.#take(head, head.bytes.length);
      case 'down':
        this.#queue.shift();
        return 0;
      case 'timeout':
        if (toxic.held !== undefined) return Infinity;
        this.#queue.shift();
        return 0;
      case 'bandwidth': {
        const size = Math.ceil(toxic.bytesPerSecond / BANDWIDTH_STEPS);
        this.#notBefore = now + (1000 * Math.min(size, head.bytes.length)) / toxic.bytesPerSecond;
        return this.#take(head, size);
      }
      case 'slicer':
        this.#notBefore = now + toxic.pauseMs;
        return this.#take(head, toxic.bytes);
      case 'reset_peer':
        this.#resetLink();
        return Infinity;
      case 'limit_data': {
        const left = toxic.bytes - this.#passed;
        if (head.bytes.length <= left) return this.#take(head, head.bytes.length);
        this.#take(head, left);
        this.#queue = [];
        this.end();
        return Infinity;
      }
    }
  }

  #take(head: { bytes: Buffer; at: number }, size: number): 0 {
    const piece = head.bytes.subarray(0, size);
    if (!this.#to.destroyed && piece.length > 0) this.#to.write(piece);
    this.#passed += piece.length;
    if (size >= head.bytes.length) this.#queue.shift();
    else head.bytes = head.bytes.subarray(size);
    return 0;
  }

  #finish(): number {
    if (this.#ended === undefined) return Infinity;
    const toxic = this.#toxic();
    if (toxic?.type === 'timeout' || toxic?.type === 'down') return Infinity;
    const delayMs = toxic?.type === 'slow_close' || toxic?.type === 'latency' ? toxic.delayMs : 0;
    const leftMs = this.#ended + delayMs - performance.now();
    if (leftMs > 0) return leftMs;
    this.#isOver = true;
    this.#to.end();
    // Neither of our protocols goes on with half a link.
    if (toxic?.type === 'limit_data') this.#to.destroySoon();
    return Infinity;
  }
}

/** A socket that is being shut down cannot be reset: libuv refuses, and Node.js leaves its handle open (24.21). */
function resetSocket(socket: Socket): void {
  if (socket.writableEnded) socket.destroy();
  else socket.resetAndDestroy();
}

function ignore(): void {
  // A refused connection has nothing more to say.
}
