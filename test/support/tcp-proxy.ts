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
  close(): Promise<void>;
}

export async function startTcpProxy(targetPort: number): Promise<TcpProxy> {
  let state: 'open' | 'cut' | 'muted' = 'open';
  const sockets = new Set<Socket>();
  const ends = new EventEmitter();
  const server = createServer((near) => {
    if (state === 'cut') {
      near.resetAndDestroy();
      return;
    }
    const far = connect(targetPort, '127.0.0.1');
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
    near.on('data', (bytes: Buffer) => far.write(bytes));
    far.on('data', (bytes: Buffer) => {
      if (state !== 'muted') near.write(bytes);
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
