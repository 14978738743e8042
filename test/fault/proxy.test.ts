import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { startFaultProxy, type Direction, type FaultProxy, type Toxic } from '../support/fault-proxy.ts';

/** Long against what the loop needs, so that "later" and "at once" cannot be mistaken. */
const DELAY_MS = 300;

/** What one side of a link has seen. */
class Side {
  readonly socket: Socket;
  bytes = '';
  endedBy: 'end' | 'reset' | undefined;
  readonly chunks: string[] = [];
  #waiting: (() => void)[] = [];

  constructor(socket: Socket) {
    this.socket = socket;
    socket.on('data', (bytes: Buffer) => {
      this.bytes += bytes.toString();
      this.chunks.push(bytes.toString());
      this.#look();
    });
    socket.on('end', () => {
      this.endedBy ??= 'end';
      this.#look();
    });
    socket.on('error', () => {
      this.endedBy ??= 'reset';
      this.#look();
    });
  }

  async sees(text: string): Promise<void> {
    while (this.bytes !== text) await this.#news();
  }

  async end(): Promise<'end' | 'reset'> {
    while (this.endedBy === undefined) await this.#news();
    return this.endedBy;
  }

  #news(): Promise<void> {
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  #look(): void {
    for (const resolve of this.#waiting.splice(0)) resolve();
  }
}

describe('the fault proxy', () => {
  let server: Server;
  let proxy: FaultProxy;
  const sockets: Socket[] = [];

  /** Both ends of a new link: index by the direction whose receiver they are. */
  async function link(): Promise<Record<Direction, Side>> {
    const accepted = once(server, 'connection') as Promise<[Socket]>;
    const near = connect(proxy.port, '127.0.0.1');
    sockets.push(near);
    const client = new Side(near);
    const [far] = await accepted;
    sockets.push(far);
    return { up: new Side(far), down: client };
  }

  async function refused(): Promise<boolean> {
    const socket = connect(proxy.port, '127.0.0.1');
    sockets.push(socket);
    const side = new Side(socket);
    return (await side.end()) === 'reset';
  }

  beforeEach(async () => {
    server = createServer();
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    proxy = await startFaultProxy((server.address() as AddressInfo).port);
  });
  afterEach(async () => {
    for (const socket of sockets.splice(0)) socket.destroy();
    await proxy.close();
    server.close();
    await once(server, 'close');
  });

  for (const direction of ['up', 'down'] as const) {
    const against = direction === 'up' ? 'down' : 'up';

    /** Sends both ways under a toxic: what was sent against its direction always arrives. */
    async function under(toxic: Toxic, sent: string) {
      const sides = await link();
      proxy.set(direction, toxic);
      sides[direction].socket.write('other way');
      await sides[against].sees('other way');
      const startedAt = performance.now();
      sides[against].socket.write(sent);
      return { receiver: sides[direction], sender: sides[against], startedAt };
    }

    describe(`in the direction ${direction}`, () => {
      it('passes everything without a toxic', async () => {
        const sides = await link();
        sides[against].socket.write('hello');
        await sides[direction].sees('hello');
        assert.equal(proxy.links, 1);
      });

      it('delays by the latency', async () => {
        const { receiver, startedAt } = await under({ type: 'latency', delayMs: DELAY_MS }, 'hello');
        await receiver.sees('hello');
        assert.ok(performance.now() - startedAt >= DELAY_MS - 1);
      });

      it('passes so many bytes a second', async () => {
        const { receiver, startedAt } = await under(
          { type: 'bandwidth', bytesPerSecond: 100 },
          'x'.repeat(40),
        );
        await receiver.sees('x'.repeat(40));
        assert.ok(performance.now() - startedAt >= DELAY_MS);
      });

      it('cuts into slices', async () => {
        const { receiver } = await under({ type: 'slicer', bytes: 2, pauseMs: 50 }, 'slices');
        await receiver.sees('slices');
        assert.deepEqual(receiver.chunks, ['sl', 'ic', 'es']);
      });

      it('passes nothing in a black hole, and what it drops never', async () => {
        const { receiver, sender } = await under({ type: 'timeout' }, 'lost');
        // The proxy has read it when what was sent after it through another link is there.
        await other();
        proxy.mend();
        sender.socket.write('after');
        await receiver.sees('after');
      });

      it('passes what a black hole held when it is gone', async () => {
        const { receiver } = await under({ type: 'timeout', held: 'until-reset' }, 'late');
        await other();
        assert.equal(receiver.bytes, '');
        proxy.mend();
        await receiver.sees('late');
      });

      it('forgets what a black hole held when the sender resets', async () => {
        const { receiver, sender } = await under({ type: 'timeout', held: 'until-reset' }, 'late');
        await other();
        sender.socket.resetAndDestroy();
        assert.equal(await receiver.end(), 'reset');
        proxy.mend();
        assert.equal(receiver.bytes, '');
      });

      it('resets both sides at the first byte', async () => {
        const { receiver, sender } = await under({ type: 'reset_peer' }, 'lost');
        assert.equal(await receiver.end(), 'reset');
        assert.equal(await sender.end(), 'reset');
        assert.equal(receiver.bytes, '');
      });

      it('ends the link after so many bytes', async () => {
        const { receiver } = await under({ type: 'limit_data', bytes: 4 }, 'limited');
        assert.equal(await receiver.end(), 'end');
        assert.equal(receiver.bytes, 'limi');
      });

      it('tells an end late', async () => {
        const { receiver, sender, startedAt } = await under(
          { type: 'slow_close', delayMs: DELAY_MS },
          'last',
        );
        sender.socket.end();
        await receiver.end();
        assert.equal(receiver.bytes, 'last');
        assert.ok(performance.now() - startedAt >= DELAY_MS - 1);
      });

      it('goes down for one side while the other hears nothing, and refuses new links', async () => {
        const sides = await link();
        proxy.set(direction, { type: 'down' });
        await sides[direction].end();
        assert.equal(await refused(), true);
        assert.equal(sides[against].endedBy, undefined);
        proxy.mend();
        assert.equal(await sides[against].end(), 'reset');
        await link();
      });

      /** A byte through another link, after which the proxy has seen what came before. */
      async function other(): Promise<void> {
        const before = proxy.toxic(direction);
        const sides = await link();
        sides[direction].socket.write('mark');
        await sides[against].sees('mark');
        assert.equal(proxy.toxic(direction), before);
      }
    });
  }

  it('tells how the client ended its link', async () => {
    const { down: client } = await link();
    const ended = proxy.ended();
    client.socket.resetAndDestroy();
    assert.equal(await ended, 'reset');
  });

  it('resets every link and refuses new ones when cut', async () => {
    const { down: client } = await link();
    proxy.cut();
    assert.equal(await client.end(), 'reset');
    assert.equal(await refused(), true);
    proxy.mend();
    await link();
  });
});
