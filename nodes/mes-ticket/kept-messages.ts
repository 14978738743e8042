/**
 * Messages whose tickets are under way, kept so that what leaves is what came in. Bounded: images
 * hang on them. A message that had to go is built again from what the journal knows.
 */
import type { Inspection } from '../../lib/inspection/inspection.ts';
import type { TicketChange, TicketOutcome } from '../../lib/ticket/outcome.ts';
import type { Message, Outputs } from '../runtime/types.ts';

export interface Kept {
  message: Message & { inspection: Inspection };
  /** `performance.now()` when it came in; null for a message built again. */
  startedAt: number | null;
}

const MAX_KEPT = 64;

export class KeptMessages {
  readonly #byKey = new Map<string, Kept[]>();
  #count = 0;

  /** The oldest ticket's messages go when there are too many. */
  keep(key: string, kept: Kept): void {
    this.#byKey.set(key, [...(this.#byKey.get(key) ?? []), kept]);
    this.#count += 1;
    for (const oldest of this.#byKey.keys()) {
      if (this.#count <= MAX_KEPT) break;
      this.take(oldest);
    }
  }

  /** All messages that wait for this ticket; they are no longer kept. */
  take(key: string): Kept[] {
    const kept = this.#byKey.get(key) ?? [];
    this.#byKey.delete(key);
    this.#count -= kept.length;
    return kept;
  }

  /** Gives up one message; false when its outcome has come and it is gone already. */
  drop(key: string, unwanted: Kept): boolean {
    const all = this.take(key);
    const others = all.filter((kept) => kept !== unwanted);
    this.#count += others.length;
    if (others.length > 0) this.#byKey.set(key, others);
    return others.length < all.length;
  }
}

/** A part from the journal: the clock it was triggered by may be gone, so it is late for whoever would act on it. */
export function rebuiltPart(inspection: Inspection): Inspection {
  return { ...inspection, part: { ...inspection.part, startedAt: -Number.MAX_SAFE_INTEGER } };
}

/** What has become of a ticket, on the third output: no message of the flow goes with it any more. */
export function changeOutputs({ key, body, ticketId, receiver }: TicketChange, id: string): Outputs {
  const inspection = rebuiltPart(body.inspection);
  inspection.ticket = { id: ticketId, state: 'acknowledged', key, receiver };
  return [null, null, { _msgid: id, payload: receiver.state, inspection }];
}

/** The message on its output: acknowledged on the first, set aside on the second. */
export function outputsOf(
  { message, startedAt }: Kept,
  { key, ticketId, error }: Pick<TicketOutcome, 'key' | 'ticketId' | 'error'>,
): Outputs {
  const { inspection } = message;
  inspection.ticket = { id: ticketId, state: error === undefined ? 'acknowledged' : 'failed', key };
  if (startedAt !== null) inspection.timings['ticket'] = performance.now() - startedAt;
  message.payload = error ?? ticketId;
  return error === undefined ? [message, null, null] : [null, message, null];
}
