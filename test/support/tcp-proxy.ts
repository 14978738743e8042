/** A cable that can be pulled: the fault proxy with the faults most tests of a link need. */
import { startFaultProxy } from './fault-proxy.ts';

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
  const proxy = await startFaultProxy(targetPort);
  const frozen = { type: 'timeout', held: 'while-open' } as const;
  return {
    port: proxy.port,
    cut: () => proxy.cut(),
    muteAnswers: () => proxy.set('down', { type: 'timeout' }),
    ended: () => proxy.ended(),
    mend: () => proxy.mend(),
    freeze: () => {
      proxy.set('up', frozen);
      proxy.set('down', frozen);
    },
    thaw: () => {
      proxy.set('up', undefined);
      proxy.set('down', undefined);
    },
    reset: () => proxy.reset(),
    inject: (bytes) => proxy.inject(bytes),
    links: () => proxy.links,
    close: () => proxy.close(),
  };
}
