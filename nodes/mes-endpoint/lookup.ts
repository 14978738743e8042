/** The MES endpoints of this Node-RED: how admin routes and webhooks find one. */
import { CodedError } from '../../lib/errors.ts';
import type { TicketClient } from '../../lib/ticket/client.ts';
import type { MesEndpoint } from '../../lib/ticket/endpoint.ts';
import type { Observed } from '../../lib/ticket/exchange.ts';
import type { Hook } from '../../lib/ticket/hook.ts';

export interface RunningEndpoint {
  id: string;
  mes: MesEndpoint;
  hook: Hook;
  /** As deployed. */
  baseUrl: string;
  credentials: Readonly<Record<string, string | undefined>>;
  /** A client of its own, whose answers are shown. */
  tickets(observe: (observed: Observed) => void): TicketClient;
}

const running = new Map<string, RunningEndpoint>();

/** Returns the way to withdraw it. */
export function announce(endpoint: RunningEndpoint): () => void {
  running.set(endpoint.id, endpoint);
  return () => {
    // A redeploy may have put its successor there already.
    if (running.get(endpoint.id) === endpoint) running.delete(endpoint.id);
  };
}

export function runningEndpoints(): RunningEndpoint[] {
  return [...running.values()];
}

/** @throws CodedError `NOT_FOUND` */
export function findEndpoint(id: string): RunningEndpoint {
  const endpoint = running.get(id);
  if (endpoint === undefined) {
    throw new CodedError('NOT_FOUND', 'this MES is not running', { hint: 'Deploy it first.' });
  }
  return endpoint;
}
