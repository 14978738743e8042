/** What the delivery needs of an MES; one implementation per dialect. */
import type { Evidence, QualityEvent } from './event.ts';

export interface TicketClient {
  /** The number of the ticket that carries this external id, if there is one. */
  find(externalId: string, signal: AbortSignal): Promise<string | undefined>;
  /** Opens the ticket and resolves to its number. */
  create(event: QualityEvent, signal: AbortSignal): Promise<string>;
  /** Adds the evidence; a second time with the same hash changes nothing. */
  attach(ticketId: string, evidence: Evidence & { bytes: Uint8Array }, signal: AbortSignal): Promise<void>;
  close(): void;
}
