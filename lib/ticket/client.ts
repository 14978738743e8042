/** What the delivery needs of an MES; one implementation per dialect. */
import type { Evidence, QualityEvent } from './event.ts';

/** What the MES says of a ticket: what it comes down to, and its own word. */
export interface TicketState {
  state: 'open' | 'closed';
  said: string;
}

export type States = (
  ticketIds: readonly string[],
  signal: AbortSignal,
) => Promise<ReadonlyMap<string, TicketState>>;

export type Picture = Evidence & { bytes: Uint8Array };

export interface TicketClient {
  /** How long a new ticket may be unknown to `find`, in milliseconds; at once unless given. */
  readonly lookUpAfterMs?: number;
  /** How long after it gave no answer the MES may still open a ticket, in milliseconds; not at all unless given. */
  readonly commitsWithinMs?: number | undefined;
  /** The number of the ticket that carries this external id, if there is one. */
  find(externalId: string, signal: AbortSignal): Promise<string | undefined>;
  /** Opens the ticket and resolves to its number. */
  create(event: QualityEvent, signal: AbortSignal): Promise<string>;
  /** Adds the evidence; a second time with the same hash changes nothing. Absent: the MES takes no files. */
  attach?(ticketId: string, evidence: Picture, signal: AbortSignal): Promise<void>;
  /** What has become of these tickets; one that is not in the answer is not known. Absent: cannot be asked. */
  states?: States | undefined;
  close(): void;
}
