/** A cable that can be pulled: the fault proxy with the two faults most tests of a link need. */
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
  close(): Promise<void>;
}

export async function startTcpProxy(targetPort: number): Promise<TcpProxy> {
  const proxy = await startFaultProxy(targetPort);
  return {
    port: proxy.port,
    cut: () => proxy.cut(),
    muteAnswers: () => proxy.set('down', { type: 'timeout' }),
    ended: () => proxy.ended(),
    mend: () => proxy.mend(),
    close: () => proxy.close(),
  };
}
