/**
 * Trying out an MES from its dialog, as it is typed there or as it is deployed. A secret that was deployed goes only to
 * the address it was deployed for: who may try an MES must not be able to have it sent somewhere else.
 */
import { randomUUID } from 'node:crypto';
import { asCodedError, CodedError } from '../../lib/errors.ts';
import { openInspection } from '../../lib/inspection/inspection.ts';
import type { TicketClient } from '../../lib/ticket/client.ts';
import { qualityEvent } from '../../lib/ticket/event.ts';
import type { Observed } from '../../lib/ticket/exchange.ts';
import { findingOf } from '../../lib/ticket/trial.ts';
import { ConfigReader, migrate } from '../runtime/config.ts';
import type { Node, NodeAPI, RawConfig } from '../runtime/types.ts';
import { clientOf } from './client.ts';
import { MIGRATIONS, normalise } from './config.ts';
import { findEndpoint, runningEndpoints } from './lookup.ts';

/** What the editor shows in the place of a secret it does not have. */
const PLACEHOLDER = '__PWRD__';
/** A trial that takes longer than any timeout of an endpoint is given up with it. */
const TRIAL_MS = 310_000;

export interface Trial {
  /** As typed; without it the deployed endpoint is tried. */
  config?: RawConfig;
  credentials?: Record<string, string>;
}

/** @throws CodedError `BAD_REQUEST` for a secret that would go to another address than it was deployed for */
function secretsOf(id: string, baseUrl: string, typed: Record<string, string>): Record<string, string> {
  const deployed = runningEndpoints().find((endpoint) => endpoint.id === id);
  return Object.fromEntries(
    Object.entries(typed).map(([name, value]) => {
      if (value !== PLACEHOLDER) return [name, value];
      const kept = deployed?.credentials[name];
      const same = URL.parse(baseUrl)?.origin === URL.parse(deployed?.baseUrl ?? '')?.origin;
      if (kept !== undefined && same) return [name, kept];
      throw new CodedError('BAD_REQUEST', 'the secret is known for the deployed address alone', {
        hint: 'Type the token or password again, or deploy first.',
      });
    }),
  );
}

function clientFor(
  RED: NodeAPI,
  id: string,
  trial: Trial,
  observe: (observed: Observed) => void,
): TicketClient {
  if (trial.config === undefined) return findEndpoint(id).tickets(observe);
  const config = normalise(new ConfigReader(migrate(trial.config, MIGRATIONS)));
  // Expressions are read with the node's surroundings; one that is not deployed has none.
  const node = (RED.nodes.getNode(id) as Node | null) ?? ({ id, type: 'mes-endpoint' } as unknown as Node);
  return clientOf(RED, node, config, secretsOf(id, config.baseUrl, trial.credentials ?? {}), observe);
}

async function tried(
  RED: NodeAPI,
  id: string,
  trial: Trial,
  act: (tickets: TicketClient, signal: AbortSignal) => Promise<object>,
): Promise<object> {
  const exchanges: Observed[] = [];
  try {
    const tickets = clientFor(RED, id, trial, (observed) => exchanges.push(observed));
    try {
      const came = await act(tickets, AbortSignal.timeout(TRIAL_MS));
      return { ok: true, finding: findingOf(undefined, exchanges), ...came, exchanges };
    } finally {
      tickets.close();
    }
  } catch (error) {
    const { code, message, hint } = asCodedError(error) as { code: string; message: string; hint?: string };
    return { ok: false, finding: findingOf(error, exchanges), code, message, hint, exchanges };
  }
}

/** Looks for a ticket that cannot be there: creates nothing, and shows what came back. */
export function tryLookUp(RED: NodeAPI, id: string, trial: Trial): Promise<object> {
  return tried(RED, id, trial, async (tickets, signal) => ({
    found: (await tickets.find(`test-${randomUUID()}`, signal)) ?? null,
  }));
}

/** Opens a ticket that says of itself that it is a test. */
export function tryTicket(RED: NodeAPI, id: string, trial: Trial, actor: string): Promise<object> {
  const key = `test-${randomUUID()}`;
  const inspection = openInspection({ station: 'TEST', sequence: 1, deadlineMs: 900, id: key });
  const event = qualityEvent({
    ...{ key, inspection, line: 'TEST', station: 'TEST', severity: 'minor', evidence: [] },
    defectClass: `TEST by ${actor}: no part was inspected, please close`,
  });
  return tried(RED, id, trial, async (tickets, signal) => ({
    ticketId: await tickets.create(event, signal),
    finding: 'ticket',
  }));
}
