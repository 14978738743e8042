/**
 * MQTT brokers for tests: aedes in this process, which can be asked and told everything, and
 * mosquitto as a process of its own, which can be killed and frozen.
 */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createServer as createTlsServer } from 'node:tls';
import { Aedes } from 'aedes';
import type { Context } from 'mocha';
import { connectAsync, type MqttClient } from 'mqtt';
import { portAnswers } from '../../lib/capture/port.ts';

export class MqttBroker {
  /** Set to ask for a sign-in. */
  user: { name: string; password: string } | undefined;
  /** Set to refuse every subscription. */
  deny = false;
  /** Filters that were subscribed to, with their quality of service. */
  readonly subscriptions: string[] = [];
  /** Filters that were unsubscribed from, also by the end of a connection. */
  readonly unsubscriptions: string[] = [];
  readonly #tls: { key: string; cert: string } | undefined;
  readonly #sockets = new Set<Socket>();
  #waiters: (() => void)[] = [];
  #leaveWaiters: (() => void)[] = [];
  #broker: Aedes | undefined;
  #server: Server | undefined;
  #port = 0;

  constructor(tls?: { key: string; cert: string }) {
    this.#tls = tls;
  }

  get url(): string {
    return `${this.#tls === undefined ? 'mqtt' : 'mqtts'}://127.0.0.1:${this.#port}`;
  }

  get port(): number {
    return this.#port;
  }

  get connections(): number {
    return this.#sockets.size;
  }

  /** Listens on a free port, and on the same one again after `kill`. Forgets what was retained. */
  async start(): Promise<void> {
    const broker = await Aedes.createBroker();
    this.#broker = broker;
    broker.authenticate = (_client, name, password, done) => {
      const { user } = this;
      const known = user === undefined || (name === user.name && password?.toString() === user.password);
      // 4: bad user name or password (MQTT 3.1.1, table 3.1).
      if (known) done(null, true);
      else done(Object.assign(new Error('no'), { returnCode: 4 }), false);
    };
    broker.authorizeSubscribe = (_client, subscription, done) => done(null, this.deny ? null : subscription);
    broker.on('subscribe', (subscriptions) => {
      this.subscriptions.push(...subscriptions.map(({ topic, qos }) => `${topic} ${qos}`));
      for (const resolve of this.#waiters.splice(0)) resolve();
    });
    broker.on('unsubscribe', (filters) => {
      this.unsubscriptions.push(...filters);
      for (const resolve of this.#leaveWaiters.splice(0)) resolve();
    });
    const handle = (socket: Socket): void => {
      this.#sockets.add(socket);
      socket.setNoDelay(true);
      socket.on('error', () => undefined);
      socket.on('close', () => this.#sockets.delete(socket));
      broker.handle(socket);
    };
    this.#server = this.#tls === undefined ? createServer(handle) : createTlsServer(this.#tls, handle);
    this.#server.on('tlsClientError', () => undefined);
    this.#server.listen(this.#port, '127.0.0.1');
    await once(this.#server, 'listening');
    this.#port = (this.#server.address() as AddressInfo).port;
  }

  /** Resets every connection and listens no longer, as when the power goes. */
  async kill(): Promise<void> {
    const [server, broker] = [this.#server, this.#broker];
    this.#server = undefined;
    if (server === undefined || broker === undefined) return;
    for (const socket of this.#sockets) {
      if (this.#tls === undefined) socket.resetAndDestroy();
      else socket.destroy();
    }
    const closed = once(server, 'close');
    server.close();
    await closed;
    await new Promise<void>((resolve) => broker.close(resolve));
  }

  /** Resolves when a client next subscribes. */
  subscribed(): Promise<void> {
    return new Promise((resolve) => this.#waiters.push(resolve));
  }

  /** Resolves when a client next unsubscribes. */
  unsubscribed(): Promise<void> {
    return new Promise((resolve) => this.#leaveWaiters.push(resolve));
  }

  async publish(topic: string, payload: Buffer | string, retain = false): Promise<void> {
    const packet = { cmd: 'publish', topic, payload, qos: 1, retain, dup: false } as const;
    await new Promise<void>((resolve, reject) => {
      this.#broker?.publish(packet, (error) => (error instanceof Error ? reject(error) : resolve()));
    });
  }
}

export function mosquittoInstalled(): boolean {
  return spawnSync('mosquitto', ['-h']).error === undefined;
}

/** Skips where mosquitto is not installed. */
export function requireMosquitto(context: Context): void {
  if (mosquittoInstalled()) return;
  if (process.env['CI'] === 'true') throw new Error('mosquitto is missing');
  console.log('      mosquitto is not installed (apt-get install mosquitto)');
  context.skip();
}

export class Mosquitto {
  readonly port: number;
  readonly #folder: string;
  #process: ChildProcess | undefined;

  /** @param lines of its configuration, beyond listening on a port of 127.0.0.1 */
  static async start(lines: string[] = ['allow_anonymous true']): Promise<Mosquitto> {
    const folder = await mkdtemp(join(tmpdir(), 'jidoka-mosquitto-'));
    const server = createServer();
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    server.close();
    await once(server, 'close');
    const config = [`listener ${port} 127.0.0.1`, 'persistence false', 'log_type error', ...lines];
    await writeFile(join(folder, 'mosquitto.conf'), `${config.join('\n')}\n`);
    const broker = new Mosquitto(port, folder);
    await broker.run();
    return broker;
  }

  private constructor(port: number, folder: string) {
    this.port = port;
    this.#folder = folder;
  }

  get url(): string {
    return `mqtt://127.0.0.1:${this.port}`;
  }

  async run(): Promise<void> {
    this.#process = spawn('mosquitto', ['-c', join(this.#folder, 'mosquitto.conf')], { stdio: 'ignore' });
    const { signal } = new AbortController();
    while (!(await portAnswers('127.0.0.1', this.port, signal))) {
      if (this.#process.exitCode !== null) throw new Error(`mosquitto ended with ${this.#process.exitCode}`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  /** Stops it in the middle of whatever it does; its connections stay. */
  freeze(): void {
    this.#process?.kill('SIGSTOP');
  }

  thaw(): void {
    this.#process?.kill('SIGCONT');
  }

  async kill(): Promise<void> {
    const child = this.#process;
    this.#process = undefined;
    if (child === undefined || child.exitCode !== null) return;
    const ended = once(child, 'exit');
    child.kill('SIGKILL');
    await ended;
  }

  async stop(): Promise<void> {
    await this.kill();
    await rm(this.#folder, { recursive: true });
  }

  /** A client that publishes to it. */
  async publisher(): Promise<MqttClient> {
    const client = await connectAsync(this.url, { reconnectPeriod: 0 });
    (client.stream as Socket).setNoDelay(true);
    client.on('error', () => undefined);
    return client;
  }
}
