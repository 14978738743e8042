/** A cable that can be pulled: a TCP proxy whose links can be cut, muted and mended. */
import { EventEmitter, once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import type { AddressInfo } from 'node:net';

export interface TcpProxy {
  port: number;
  /** Resets every link and refuses new ones. */
  cut(): void;
  /** Lets bytes reach the server and swallows its answers: the client cannot know what happened. */
  muteAnswers(): void;
  /** Resolves when the client next ends a link, with the way it did: after a reset its kernel sends nothing more. */
  ended(): Promise<'reset' | 'closed'>;
  mend(): void;
  /** Holds what both sides send, as a switch under load does; what a side has ended meanwhile is lost. */
  freeze(): void;
  /** Lets what was held go on. */
  thaw(): void;
  /** Resets every link once; new ones are let through. */
  reset(): void;
  /** Puts bytes onto the wire towards the clients that no server has sent. */
  inject(bytes: Buffer): void;
  /** Open links of clients. */
  links(): number;
  close(): Promise<void>;
}

export async function startTcpProxy(targetPort: number): Promise<TcpProxy> {
  let state: 'open' | 'cut' | 'muted' = 'open';
  let frozen = false;
  const sockets = new Set<Socket>();
  const clients = new Set<Socket>();
  const held: { to: Socket; from: Socket; bytes: Buffer }[] = [];
  const ends = new EventEmitter();
  const server = createServer((near) => {
    if (state === 'cut') {
      near.resetAndDestroy();
      return;
    }
    const far = connect(targetPort, '127.0.0.1');
    const pass = (from: Socket, to: Socket, bytes: Buffer): void => {
      if (frozen) held.push({ from, to, bytes });
      else to.write(bytes);
    };
    clients.add(near);
    near.on('close', () => clients.delete(near));
    for (const socket of [near, far]) {
      sockets.add(socket);
      socket.setNoDelay(true);
      socket.on('error', () => undefined);
      socket.on('close', () => {
        sockets.delete(socket);
        near.destroy();
        far.destroy();
      });
    }
    near.on('error', ({ code }: NodeJS.ErrnoException) =>
      ends.emit('end', code === 'ECONNRESET' ? 'reset' : code),
    );
    near.on('end', () => ends.emit('end', 'closed'));
    near.on('data', (bytes: Buffer) => pass(near, far, bytes));
    far.on('data', (bytes: Buffer) => {
      if (state !== 'muted') pass(far, near, bytes);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const reset = (): void => {
    for (const socket of sockets) socket.resetAndDestroy();
  };
  return {
    port: (server.address() as AddressInfo).port,
    cut: () => {
      state = 'cut';
      reset();
    },
    muteAnswers: () => (state = 'muted'),
    mend: () => (state = 'open'),
    freeze: () => (frozen = true),
    thaw: () => {
      frozen = false;
      for (const { from, to, bytes } of held.splice(0)) if (!from.destroyed) to.write(bytes);
    },
    reset,
    inject: (bytes) => {
      for (const client of clients) client.write(bytes);
    },
    links: () => clients.size,
    ended: async () => {
      const [how] = (await once(ends, 'end')) as ['reset' | 'closed'];
      return how;
    },
    close: async () => {
      reset();
      server.close();
      await once(server, 'close');
    },
  };
}
