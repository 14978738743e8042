/** How fast the outbox empties into an MES that works: what has piled up during an outage, and what is new. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openJournal } from '../../lib/journal/journal.ts';
import type { Journal } from '../../lib/journal/types.ts';
import { Delivery } from '../../lib/ticket/delivery.ts';
import { RestTickets } from '../../lib/ticket/rest.ts';
import { ticketBody } from '../../test/support/fault-tickets.ts';
import type { Figure, Section } from '../figures.ts';
import { ProcessLoad } from '../process-load.ts';
import { loopDelayFigure } from './load.ts';

const TICKETS = 500;

/** Tickets a second, from the first to the last outcome that is durable. */
async function drained(journal: Journal, ticketsUrl: URL, name: string, isBacklog: boolean): Promise<number> {
  const streamPrefix = `mes:${name}:`;
  const entries = Array.from({ length: TICKETS }, (_, index) => {
    const key = `${name}-${index}`;
    return { key, stream: `part:${key}`, partId: null, body: ticketBody(key, index + 1) };
  });
  if (isBacklog) {
    const kept = entries.map((entry) =>
      journal.acceptOutbox({ ...entry, stream: `${streamPrefix}${entry.stream}` }),
    );
    await Promise.all(kept);
  }
  const tickets = new RestTickets({ ticketsUrl, authentication: { type: 'none' }, timeoutMs: 5000 });
  const startedAt = performance.now();
  const delivery = new Delivery({ journal, streamPrefix, tickets });
  try {
    await new Promise<void>((resolve, reject) => {
      const told = new Set<string>();
      delivery.join('ticket-node', {
        outcome: ({ key, error }) => {
          if (error !== undefined) reject(new Error(`${key}: ${error.message}`));
          told.add(key);
          if (told.size === TICKETS) resolve();
        },
        state: () => undefined,
      });
      if (!isBacklog) for (const entry of entries) delivery.accept(entry).catch(reject);
    });
    return (TICKETS * 1000) / (performance.now() - startedAt);
  } finally {
    await delivery.close();
  }
}

/** @param counted what the MES has afterwards: each key once, or the rate is of no use */
export async function ticketFigures(
  { mesUrl }: { mesUrl: string },
  counted: () => Promise<{ tickets: number; keys: number }>,
): Promise<Section> {
  const folder = await mkdtemp(join(tmpdir(), 'jidoka-bench-tickets-'));
  const journal = await openJournal({ folder, ballastBytes: 4096 });
  const load = new ProcessLoad();
  const ticketsUrl = new URL('/api/tickets', mesUrl);
  try {
    await drained(journal, ticketsUrl, 'warm', false);
    const fresh = await load.during(() => drained(journal, ticketsUrl, 'fresh', false));
    const backlog = await load.during(() => drained(journal, ticketsUrl, 'backlog', true));
    const { tickets, keys } = await counted();
    if (tickets !== 3 * TICKETS || keys !== tickets) throw new Error(`${tickets} tickets of ${keys} keys`);
    const figure = (id: string, value: number, detail: string): Figure => ({
      id: `tickets.${id}`,
      value,
      unit: '1/s',
      goal: null,
      better: 'higher',
      detail,
    });
    return {
      title: 'Tickets: how fast the outbox empties',
      figures: [
        figure('fresh', fresh, `${TICKETS} accepted at once, each sent as the first attempt`),
        figure(
          'backlog',
          backlog,
          `${TICKETS} left by an earlier run: the MES is asked for each of them first`,
        ),
        loopDelayFigure('tickets', load),
      ],
    };
  } finally {
    await journal.close();
    await rm(folder, { recursive: true, force: true });
  }
}
