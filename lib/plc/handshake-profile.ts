/**
 * A command to a function block that answers (`docs/plc`): value, time to live, decision reference and,
 * last, the number of the command; the PLC acts on a change of the number alone, and says by the same
 * number what it did. An answer is proof whatever became of the write, so it is also how a command
 * of which nothing was heard is settled later.
 */
import type { CommandNumber } from '../journal/types.ts';
import { BlockTurns, word } from './block-turn.ts';
import {
  clamped,
  lookUntil,
  refused,
  refusedBy,
  unknown,
  unseen,
  wasNotSent,
  type ReasonCode,
  type Verdict,
} from './outcome.ts';
import type { Sending } from './plain-profile.ts';
import { largestOf, sameValue, type TagType, type TagValue } from './tag-type.ts';
import type { TagWrite, Transport } from './transport.ts';

/** Tags of the block besides the value. */
export interface HandshakeTags {
  commandId: string;
  ttl?: string | undefined;
  reference?: string | undefined;
  ackId: string;
  ackResult: string;
  /** What the PLC's output follows; the tag of the value itself where the block has none. */
  applied?: string | undefined;
}

/** The acknowledged number of a command, and how its value is compared. */
export type Awaited = Pick<Sending, 'tag' | 'value' | 'tolerance' | 'timeoutMs'> & { number: number };

/** What `AckResult` says; 1 is "accepted", and 0 "not yet". */
const REFUSALS = new Map<number, [ReasonCode, string]>([
  [2, ['OUT_OF_RANGE', 'the value is outside of its range']],
  [3, ['INTERLOCK', 'its interlock does not allow it']],
  [4, ['STALE', 'the command came too late']],
  [5, ['DUPLICATE', 'it has seen the number before']],
  [6, ['NOT_ARMED', 'it is not armed']],
  [7, ['MANUAL', 'the machine is run by hand']],
]);

export class HandshakeProfile {
  readonly #transport: Transport;
  readonly #now: () => number;
  readonly #turns: BlockTurns;

  constructor(transport: Transport, now: () => number) {
    this.#transport = transport;
    this.#now = now;
    this.#turns = new BlockTurns(transport, now);
  }

  /**
   * Waits until this number may be sent, or says why it cannot be; nothing was sent then. `halt` ends the wait
   * for an earlier command that the block may still take.
   */
  async objection(
    tags: HandshakeTags,
    number: number,
    timeoutMs: number,
    halt: () => Verdict | undefined,
  ): Promise<Verdict | undefined> {
    try {
      for (const tag of [tags.commandId, tags.reference, tags.ackId]) {
        const wrong = tag === undefined ? undefined : await this.#notAWord(tag);
        if (wrong !== undefined) return refused('NOT_GOOD', wrong);
      }
    } catch (error) {
      return refusedBy(error);
    }
    return this.#turns.wait(tags, number, timeoutMs, halt);
  }

  /** The newest number that the block shows; undefined where it cannot be read. Costs one request for the first command. */
  newestNumber(tags: HandshakeTags, timeoutMs: number): Promise<number | undefined> {
    return this.#turns.newest(tags, timeoutMs);
  }

  /** A process before this one may have sent this number, and the block may still take it. */
  expect(tags: HandshakeTags, number: number): void {
    this.#turns.expect(tags, number);
  }

  /** Sends once, the number last, and waits for its answer. Never rejects. `dueAt` is monotonic. */
  async write(
    tags: HandshakeTags,
    sending: Sending,
    { number, reference }: CommandNumber,
    dueAt: number,
  ): Promise<Verdict> {
    let writes: (ttlMs: number) => TagWrite[];
    try {
      writes = await this.#block(tags, sending, number, reference);
    } catch (error) {
      return refusedBy(error);
    }
    const leftMs = Math.floor(dueAt - this.#now());
    if (!(leftMs >= 1)) return refused('STALE', 'nothing is left of its time');
    const ttlMs = Math.min(leftMs, this.#turns.longestTtlMs(tags));
    let status: string | undefined;
    try {
      const answer = await this.#transport.writeAll(writes(ttlMs), sending.timeoutMs, sending.guard);
      if (answer.result === 'refused') return refused('NOT_GOOD', answer.status);
      this.#turns.sent(tags, number, ttlMs);
      if (answer.result === 'clamped') {
        return clamped('NOT_GOOD', answer.status, await this.#appliedOnce(tags, sending));
      }
      if (answer.result !== 'good') ({ status } = answer);
    } catch (error) {
      if (wasNotSent(error)) return refusedBy(error);
      this.#turns.sent(tags, number, ttlMs);
      return unseen(error);
    }
    return this.#answer(tags, { ...sending, number }, status);
  }

  /** What the block says of a command now; undefined while it has not acknowledged it. Rejects as reading does. */
  async look(tags: HandshakeTags, awaited: Awaited): Promise<Verdict | undefined> {
    const { tag, value, tolerance, timeoutMs, number } = awaited;
    const applied = tags.applied ?? tag;
    const wanted = [tags.ackId, tags.ackResult, applied];
    // In this order: what is read after the number belongs to it or is newer.
    const [id, result, holds] = await this.#transport.readAll(wanted, timeoutMs);
    if (id === undefined || result === undefined || holds === undefined || !id.good) return undefined;
    const acknowledged = word(id.value);
    this.#turns.saw(tags, acknowledged);
    if (acknowledged !== number || !result.good || result.value === 0) return undefined;
    if (result.value !== 1) {
      const [reason, why] = REFUSALS.get(Number(result.value)) ?? [];
      if (reason === undefined) return unknown('NOT_GOOD', `the PLC answered ${result.value}`, holds.value);
      return refused(reason, `the PLC refused: ${why}`);
    }
    const { dataType } = await this.#transport.describe(applied);
    if (holds.good && sameValue(value, holds.value, dataType, tolerance)) {
      return { outcome: 'confirmed', readBack: holds.value };
    }
    return clamped('READBACK_MISMATCH', `given ${value}, the PLC applies ${holds.value}`, holds.value);
  }

  async #answer(
    tags: HandshakeTags,
    awaited: Awaited & Sending,
    doubt: string | undefined,
  ): Promise<Verdict> {
    let last: Verdict | undefined;
    const seen = await lookUntil(
      async () => {
        try {
          last = await this.look(tags, awaited);
        } catch (error) {
          return unseen(error);
        }
        // Accepted, and on its way: a PLC that limits the slew needs its time to get there.
        return last?.outcome === 'clamped' ? undefined : last;
      },
      awaited.settleMs,
      this.#now,
    );
    const verdict = seen ?? last;
    if (verdict !== undefined) return verdict;
    const silent = `command ${awaited.number} was not acknowledged within ${awaited.settleMs} ms`;
    return doubt === undefined ? unknown('TIMEOUT', silent) : unknown('NOT_GOOD', `${doubt}; ${silent}`);
  }

  async #block(
    { ttl, reference: referenceTag, commandId }: HandshakeTags,
    { tag, value, dataType }: Sending,
    number: number,
    reference: number,
  ): Promise<(ttlMs: number) => TagWrite[]> {
    const typeOf = async (name: string): Promise<TagType> => (await this.#transport.describe(name)).dataType;
    const ttlType = ttl === undefined ? undefined : await typeOf(ttl);
    const referenceType = referenceTag === undefined ? undefined : await typeOf(referenceTag);
    const idType = await typeOf(commandId);
    return (ttlMs) => [
      { tag, value, dataType },
      ...(ttl === undefined || ttlType === undefined
        ? []
        : [{ tag: ttl, value: Math.min(ttlMs, largestOf(ttlType)), dataType: ttlType }]),
      ...(referenceTag === undefined || referenceType === undefined
        ? []
        : [{ tag: referenceTag, value: asWord(reference, referenceType), dataType: referenceType }]),
      { tag: commandId, value: asWord(number, idType), dataType: idType },
    ];
  }

  async #notAWord(tag: string): Promise<string | undefined> {
    const { dataType } = await this.#transport.describe(tag);
    if (dataType === 'UInt32' || dataType === 'Int32') return undefined;
    return `${tag} is a ${dataType}; a number of a command has 32 bits`;
  }

  async #appliedOnce({ applied }: HandshakeTags, { tag, timeoutMs }: Sending): Promise<TagValue | null> {
    try {
      return (await this.#transport.read(applied ?? tag, timeoutMs)).value;
    } catch {
      return null;
    }
  }
}

/** The 32 bits of a number, as a tag that is signed holds them. */
function asWord(number: number, type: TagType): number {
  return type === 'Int32' ? number | 0 : number;
}
