/**
 * A TCP link to a PLC that is kept up, for protocols of one question and one answer. What it promises:
 * one request at a time, in the order asked; each sent within its own timeout or not at all; after a
 * timeout the socket is reset, so that neither a late answer nor late bytes can do harm; a link that
 * has failed once is thrown away and a new one is made with backoff; no error of a socket goes unheard.
 */
import { once } from 'node:events';
import { Socket } from 'node:net';
import { Backoff } from '../backoff.ts';
import { asCodedError } from '../errors.ts';
import { PlcError } from './plc-error.ts';
import {
  askToLeave,
  countdown,
  linkDown,
  LinkNotice,
  RECONNECT_BACKOFF,
  withDeadline,
  type WriteGuard,
} from './transport.ts';

/** A PLC on the same network answers within milliseconds; one behind a router, within a second. */
const CONNECT_TIMEOUT_MS = 3000;

export interface TcpLinkOptions<Client> {
  host: string;
  port: number;
  backoff?: Backoff | undefined;
  /** Makes of a fresh connection what requests go through; may talk to the PLC first. */
  greet: (socket: Socket) => Promise<Client>;
  /** True for an error that is an answer of the PLC, after which the link is as good as before. */
  isAnswer: (error: unknown) => boolean;
}

interface Connection<Client> {
  client: Client;
  socket: Socket;
  /** Rejects when the link fails, and with it whatever is under way. */
  lost: Promise<never>;
  lose: (error: Error) => void;
  busy: boolean;
  waiting: Set<() => void>;
}

const ignore = (): void => undefined;

export class TcpLink<Client> {
  readonly notice = new LinkNotice();
  readonly #options: TcpLinkOptions<Client>;
  readonly #backoff: Backoff;
  #connection: Connection<Client> | undefined;
  /** The socket that is being connected, so that `close` can end it. */
  #connecting: Socket | undefined;
  #timer: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(options: TcpLinkOptions<Client>) {
    this.#options = options;
    this.#backoff = options.backoff ?? new Backoff(RECONNECT_BACKOFF);
  }

  open(): void {
    void this.#connect();
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#connecting?.destroy();
    this.#drop(new PlcError('PLC_LINK_LOST', 'the endpoint was closed'));
    this.notice.set({ state: 'closed' });
  }

  isUp(): boolean {
    const socket = this.#connection?.socket;
    return socket !== undefined && !socket.destroyed && socket.writable;
  }

  /** Rejects as {@link Transport.write} does, or with what `send` rejects with when that is an answer. */
  async request<Result>(
    what: string,
    timeoutMs: number,
    send: (client: Client) => Promise<Result>,
    guard?: WriteGuard,
  ): Promise<Result> {
    const connection = this.#connection;
    if (connection === undefined || !this.isUp()) throw linkDown(this.#name);
    const leftMs = countdown(timeoutMs);
    // With nothing under way, nothing is awaited from here to the socket.
    if (connection.busy) await turn(connection, timeoutMs, what);
    try {
      if (connection !== this.#connection || !this.isUp()) throw linkDown(this.#name);
      askToLeave(guard, what);
    } catch (error) {
      release(connection);
      throw error;
    }
    connection.busy = true;
    const answer = send(connection.client);
    try {
      return await withDeadline(Promise.race([answer, connection.lost]), leftMs(), what, () =>
        // An answer that comes after this could be taken for that of a later request.
        this.#fail(connection, new PlcError('PLC_LINK_LOST', `${what}: no answer`)),
      );
    } catch (error) {
      answer.catch(ignore);
      if (this.#options.isAnswer(error)) throw error;
      if (error instanceof PlcError && error.code !== 'PLC_LINK_LOST') throw error;
      const lost =
        error instanceof PlcError
          ? error
          : new PlcError('PLC_LINK_LOST', `${what}: ${asCodedError(error).message}`, { cause: error });
      this.#fail(connection, lost);
      throw lost;
    } finally {
      release(connection);
    }
  }

  get #name(): string {
    return `${this.#options.host}:${this.#options.port}`;
  }

  /** A call, because the compiler does not know that it may change while something is awaited. */
  #isClosed(): boolean {
    return this.#closed;
  }

  async #connect(): Promise<void> {
    this.notice.set({ state: 'connecting' });
    const socket = new Socket();
    this.#connecting = socket;
    socket.on('error', ignore);
    socket.setNoDelay();
    try {
      const client = await withDeadline(
        this.#greeted(socket),
        CONNECT_TIMEOUT_MS,
        `connect to ${this.#name}`,
      );
      if (this.#isClosed() || socket.destroyed) throw new PlcError('PLC_LINK_LOST', `${this.#name} hung up`);
      let lose: (error: Error) => void = ignore;
      const lost = new Promise<never>((_resolve, reject) => {
        lose = reject;
      });
      lost.catch(ignore);
      const connection: Connection<Client> = {
        client,
        socket,
        lost,
        lose,
        busy: false,
        waiting: new Set(),
      };
      socket.on('close', () => {
        this.#fail(connection, new PlcError('PLC_LINK_LOST', `${this.#name} closed the link`));
      });
      this.#connection = connection;
      this.#backoff.reset();
      this.notice.set({ state: 'up' });
    } catch (error) {
      socket.destroy();
      this.#retry(asCodedError(error));
    } finally {
      this.#connecting = undefined;
    }
  }

  async #greeted(socket: Socket): Promise<Client> {
    const ended = once(socket, 'close').then(() => {
      throw new PlcError('PLC_LINK_LOST', `${this.#name} closed the link`);
    });
    ended.catch(ignore);
    const connected = once(socket, 'connect');
    socket.connect(this.#options.port, this.#options.host);
    await connected;
    return Promise.race([this.#options.greet(socket), ended]);
  }

  /** The link in use has failed: whatever is under way fails with it, and a new one is made. */
  #fail(connection: Connection<Client>, error: PlcError): void {
    if (connection !== this.#connection) return;
    this.#drop(error);
    this.#retry(error);
  }

  #drop(error: PlcError): void {
    const connection = this.#connection;
    this.#connection = undefined;
    if (connection === undefined) return;
    connection.lose(error);
    // A plain close leaves what the PLC has not acknowledged with the kernel, which sends it when the cable is back.
    connection.socket.resetAndDestroy();
  }

  #retry(error: Error): void {
    if (this.#closed) return;
    this.notice.set(
      (error as { code?: unknown }).code === 'PLC_LIBRARY_MISSING'
        ? { state: 'failed', error }
        : { state: 'connecting', error },
    );
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.#connect(), this.#backoff.nextMs());
    this.#timer.unref();
  }
}

/** Waits until what is under way has ended; what waits longer than its own timeout was not sent. */
async function turn({ waiting }: Connection<unknown>, timeoutMs: number, what: string): Promise<void> {
  let wake: () => void = ignore;
  const woken = new Promise<void>((resolve) => {
    wake = resolve;
    waiting.add(resolve);
  });
  try {
    await withDeadline(woken, timeoutMs, what);
  } catch (error) {
    waiting.delete(wake);
    throw new PlcError('PLC_LINK_DOWN', `${what}: the link was busy for ${timeoutMs} ms`, {
      hint: 'Nothing was sent. The PLC answers too slowly for what is asked of it.',
      cause: error,
    });
  }
}

function release(connection: Connection<unknown>): void {
  const [next] = connection.waiting;
  if (next === undefined) connection.busy = false;
  else {
    connection.waiting.delete(next);
    next();
  }
}
