/** The network between a camera and us, with the faults that networks and cameras have. */
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';

/**
 * `kill`: nothing listens, connections are reset. `freeze`: connections are taken and kept, nothing moves.
 * `slow-loris`: answers come byte by byte. `garbage`: answers are noise of the same length.
 */
export type Fault = 'kill' | 'freeze' | 'slow-loris' | 'garbage';

const TRICKLE_MS = 100;
const REOPEN_ATTEMPTS = 100;

interface Pair {
  near: Socket;
  far: Socket;
  /** Answers that have not been passed on. */
  held: Buffer[];
}

export class FaultyLink {
  readonly #targetPort: number;
  readonly #pairs = new Set<Pair>();
  #fault: Fault | undefined;
  #server: Server | undefined;
  #trickle: NodeJS.Timeout | undefined;
  #port = 0;

  constructor(targetPort: number) {
    this.#targetPort = targetPort;
  }

  get port(): number {
    return this.#port;
  }

  async open(): Promise<void> {
    for (let attempt = 0; this.#server === undefined; attempt += 1) {
      const server = createServer((near) => this.#join(near));
      try {
        server.listen(this.#port, '127.0.0.1');
        await once(server, 'listening');
        this.#server = server;
        this.#port = (server.address() as AddressInfo).port;
      } catch (error) {
        // Somebody's outgoing connection may have been given the port while nothing listened on it.
        if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE' || attempt === REOPEN_ATTEMPTS)
          throw error;
        await new Promise((resolve) => setTimeout(resolve, TRICKLE_MS));
      }
    }
  }

  /** Resets the connections there are; new ones pass. */
  reset(): void {
    for (const { near, far } of this.#pairs) {
      near.resetAndDestroy();
      far.destroy();
    }
  }

  async break(fault: Fault): Promise<void> {
    this.#fault = fault;
    if (fault === 'kill') await this.close();
    if (fault === 'freeze') for (const { near } of this.#pairs) near.pause();
    if (fault === 'slow-loris') this.#trickle = setInterval(() => this.#passBytes(), TRICKLE_MS);
  }

  async mend(): Promise<void> {
    const fault = this.#fault;
    this.#fault = undefined;
    clearInterval(this.#trickle);
    if (fault === 'kill') await this.open();
    for (const { near, held } of this.#pairs) {
      near.resume();
      for (const chunk of held.splice(0)) near.write(chunk);
    }
  }

  async close(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    clearInterval(this.#trickle);
    this.reset();
    if (server === undefined) return;
    const closed = once(server, 'close');
    server.close();
    await closed;
  }

  #join(near: Socket): void {
    const far = connect(this.#targetPort, '127.0.0.1');
    const pair: Pair = { near, far, held: [] };
    this.#pairs.add(pair);
    for (const socket of [near, far]) {
      socket.setNoDelay(true);
      socket.on('error', () => undefined);
      socket.on('close', () => {
        this.#pairs.delete(pair);
        near.destroy();
        far.destroy();
      });
    }
    near.on('data', (chunk: Buffer) => far.write(chunk));
    far.on('data', (chunk: Buffer) => this.#answer(pair, chunk));
    if (this.#fault === 'freeze') near.pause();
  }

  #answer(pair: Pair, chunk: Buffer): void {
    if (this.#fault === 'garbage') pair.near.write(randomBytes(chunk.length));
    else if (this.#fault === undefined) pair.near.write(chunk);
    else pair.held.push(chunk);
  }

  #passBytes(): void {
    for (const { near, held } of this.#pairs) {
      const [first, ...rest] = held;
      if (first === undefined) continue;
      near.write(first.subarray(0, 1));
      held.splice(0, held.length, ...(first.length > 1 ? [first.subarray(1)] : []), ...rest);
    }
  }
}
