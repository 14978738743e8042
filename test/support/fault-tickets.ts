/** Tickets that keep coming while the link to the MES fails, and what the MES has of them. */
import { openInspection } from '../../lib/inspection/inspection.ts';
import type { Journal } from '../../lib/journal/types.ts';
import type { TicketClient } from '../../lib/ticket/client.ts';
import { Delivery } from '../../lib/ticket/delivery.ts';
import type { TicketBody } from '../../lib/ticket/outcome.ts';
import { qualityEvent } from '../../lib/ticket/event.ts';
import type { Mes } from '../../plant/mes.ts';

const NODE = 'ticket-node';

export function ticketBody(key: string, sequence: number): TicketBody {
  const inspection = openInspection({ station: 'press-4', sequence, deadlineMs: 900, id: `part-${key}` });
  const event = qualityEvent({
    key,
    inspection,
    line: 'line 1',
    station: 'press-4',
    defectClass: 'scratch',
    severity: 'major',
    evidence: [],
  });
  return { node: NODE, event, inspection };
}

/** How many tickets an MES has of each of the keys that were accepted. */
export function judgeTickets(mes: Mes, keys: readonly string[]): { lost: number; doubles: number } {
  const counts = new Map<string | null, number>();
  for (const { externalId } of mes.tickets) counts.set(externalId, (counts.get(externalId) ?? 0) + 1);
  return {
    lost: keys.filter((key) => !counts.has(key)).length,
    doubles: [...counts.values()].filter((count) => count > 1).length,
  };
}

/** Asks for nothing and sends each attempt as if it were the first: the guard off. */
export function blindTickets(inner: TicketClient): TicketClient {
  return { ...bound(inner), find: () => Promise.resolve(undefined) };
}

function bound(inner: TicketClient): TicketClient {
  return {
    find: (id, signal) => inner.find(id, signal),
    create: (event, signal) => inner.create(event, signal),
    attach: async (id, evidence, signal) => inner.attach?.(id, evidence, signal),
    close: () => inner.close(),
  };
}

export class TicketLoad {
  readonly keys: string[] = [];
  /** Outcomes told for each key. */
  readonly told = new Map<string, number>();
  readonly #delivery: Delivery;
  readonly #name: string;
  readonly #everyMs: number;
  readonly #accepting = new Set<Promise<unknown>>();
  readonly #listeners = new Set<(key: string) => void>();
  #timer: NodeJS.Timeout | undefined;

  constructor(options: {
    name: string;
    journal: Journal;
    tickets: TicketClient;
    random: () => number;
    everyMs?: number;
  }) {
    this.#name = options.name;
    this.#everyMs = options.everyMs ?? 100;
    this.#delivery = new Delivery({
      journal: options.journal,
      streamPrefix: `mes:${options.name}:`,
      tickets: options.tickets,
      random: options.random,
    });
    this.#delivery.join(NODE, {
      outcome: ({ key, error }) => {
        if (error !== undefined) throw new Error(`${key}: ${error.message}`);
        this.told.set(key, (this.told.get(key) ?? 0) + 1);
        for (const listener of [...this.#listeners]) listener(key);
      },
      state: () => undefined,
    });
  }

  start(): void {
    this.#timer = setInterval(() => {
      const sequence = this.keys.length + this.#accepting.size + 1;
      const key = `${this.#name}-${sequence}-${performance.now()}`;
      const entry = { key, stream: `part:${key}`, partId: null, body: ticketBody(key, sequence) };
      const accepted = this.#delivery
        .accept(entry)
        .then(() => this.keys.push(key))
        .finally(() => this.#accepting.delete(accepted));
      this.#accepting.add(accepted);
    }, this.#everyMs);
  }

  /** Milliseconds until the MES has the next ticket. */
  delivered(limitMs: number): Promise<number> {
    const from = performance.now();
    return this.#heard(limitMs, () => true).then(() => performance.now() - from);
  }

  /** Ends the load and resolves when each accepted ticket has its outcome. */
  async drain(limitMs: number): Promise<void> {
    clearInterval(this.#timer);
    await Promise.all(this.#accepting);
    const isDone = (): boolean => this.keys.every((key) => this.told.has(key));
    if (!isDone()) await this.#heard(limitMs, isDone);
  }

  close(): Promise<void> {
    clearInterval(this.#timer);
    return this.#delivery.close();
  }

  #heard(limitMs: number, isEnough: (key: string) => boolean): Promise<void> {
    return new Promise((resolve, reject) => {
      const look = (key: string): void => {
        if (!isEnough(key)) return;
        finish();
        resolve();
      };
      const finish = (): void => {
        clearTimeout(timer);
        this.#listeners.delete(look);
      };
      const timer = setTimeout(() => {
        finish();
        reject(new Error(`${this.#name}: tickets still on their way after ${limitMs} ms`));
      }, limitMs);
      this.#listeners.add(look);
    });
  }
}
