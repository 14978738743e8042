/**
 * What an entry of the outbox holds of a ticket, and what came of it: delivered with its number, set aside with a
 * reason, or what the MES says of it later.
 */
import type { Inspection } from '../inspection/inspection.ts';
import type { OutboxRecord, ReceiverState } from '../journal/types.ts';
import type { QualityEvent } from './event.ts';

/** What an entry of the outbox holds. */
export interface TicketBody {
  /** The node that sent it and hears of its outcome. */
  node: string;
  event: QualityEvent;
  /** The envelope as it was, to go on with after a restart. */
  inspection: Inspection;
}

/** What the outbox remembers of the MES's answers. */
export interface TicketAnswer {
  ticketId?: string;
  error?: { code: string; message: string };
}

export interface TicketOutcome {
  key: string;
  body: TicketBody;
  /** Empty when the MES never gave one. */
  ticketId: string;
  /** Why the ticket was set aside; undefined when the MES has it complete. */
  error: { code: string; message: string } | undefined;
}

/** What the MES says of a ticket it has had for a while. */
export interface TicketChange {
  key: string;
  body: TicketBody;
  ticketId: string;
  receiver: ReceiverState;
}

/** The outcome of an entry that is delivered or set aside; undefined while it waits. */
export function outcomeOf({ key, state, body, answer }: OutboxRecord): TicketOutcome | undefined {
  if (state === 'waiting') return undefined;
  const { ticketId = '', error } = (answer ?? {}) as TicketAnswer;
  return { key, body: body as TicketBody, ticketId, error };
}
