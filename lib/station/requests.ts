/**
 * Commands that a person or a program asks for from outside of the flow: each once, however often it is asked.
 *
 * The id of the command is made of the caller's idempotency key, so a key that comes again meets the command it
 * stands for, before and after a restart, and nothing is written a second time. What the key was first used for
 * is kept beside it: the same key for something else is refused.
 */
import { createHash } from 'node:crypto';
import type { CommandRecord, Journal } from '../journal/types.ts';
import type { Outcome } from '../plc/outcome.ts';
import type { Finding } from '../plc/settling.ts';
import { StationError } from './errors.ts';
import type { By } from './arming.ts';
import type { StationRecord } from './record.ts';
import type { Commandable } from './types.ts';

/** Printable ASCII, as in a header. */
const KEY = /^[\x21-\x7e]{1,128}$/;
/**
 * Places for what keys were first used for. A place is taken over by a later key that hashes to it; the key that
 * had it can then no longer be told from a misused one, and is refused. Bounds what is kept to about 16 MB.
 */
const PLACES = 65_536;
/** Of the id of a command that was asked for from outside. */
const PREFIX = 'request-';
/** Outcomes that are remembered here until the journal surely has them. */
const REMEMBERED = 64;

export interface CommandOrder extends By {
  /** Id or name of a commandable. */
  target: string;
  value: unknown;
  idempotencyKey: string;
  signal: AbortSignal;
}

export type CommandAnswer = Outcome & {
  id: string;
  /** The key was known: this is what became of the command then. */
  repeated: boolean;
  /** Of an outcome that was unknown: what reading has shown since. */
  settled?: Finding;
};

/** What is remembered of a command, here or in the journal. */
type Remembered = Outcome & Pick<CommandAnswer, 'settled'>;

interface KeptRequest {
  id: string;
  request: string;
  settled?: Finding;
}

export class Requests {
  readonly #station: string;
  readonly #journal: () => Promise<Journal>;
  readonly #record: StationRecord;
  readonly #commandables = new Set<Commandable>();
  readonly #underWay = new Set<string>();
  readonly #lately = new Map<string, Remembered>();

  constructor(station: string, journal: () => Promise<Journal>, record: StationRecord) {
    this.#station = station;
    this.#journal = journal;
    this.#record = record;
  }

  add(commandable: Commandable): () => void {
    this.#commandables.add(commandable);
    return () => this.#commandables.delete(commandable);
  }

  targets(): { id: string; name: string }[] {
    return [...this.#commandables].map(({ id, name }) => ({ id, name }));
  }

  /**
   * Resolves to what became of the command; what the station or the PLC refuses is an outcome. Rejects, and
   * writes nothing, with `IDEMPOTENCY_KEY_INVALID`, `IDEMPOTENCY_KEY_REUSED`, `COMMAND_UNDER_WAY`, `NOT_FOUND`
   * for a target that is not there, and `ARM_REFUSED` when the ledger cannot be written.
   */
  async command({
    target,
    value,
    actor,
    reason,
    idempotencyKey,
    signal,
  }: CommandOrder): Promise<CommandAnswer> {
    if (!KEY.test(idempotencyKey)) {
      throw new StationError(
        'IDEMPOTENCY_KEY_INVALID',
        'the idempotency key is 1 to 128 printable characters',
        {
          hint: 'Make one for each effect you want, e.g. a UUID, and send it again when you ask again.',
        },
      );
    }
    const id = `${PREFIX}${sha256(`${this.#station}\n${actor}\n${idempotencyKey}`).slice(0, 32)}`;
    if (this.#underWay.has(id)) throw underWay(id);
    this.#underWay.add(id);
    try {
      const commandable = this.#find(target);
      const request = sha256(JSON.stringify([commandable.id, value, reason]));
      const known = await this.#known(id, request);
      if (known !== undefined) return { id, ...known, repeated: true };
      // Who and why, before anything takes effect.
      const detail = { commandId: id, target: commandable.name, targetId: commandable.id, value };
      await this.#record.audit({ type: 'plc.request', actor, reason, detail });
      const outcome = await commandable.command({ value, actor, reason, key: id, signal });
      this.#remember(id, outcome);
      return { id, ...outcome, repeated: false };
    } finally {
      this.#underWay.delete(id);
    }
  }

  /** Kept beside what its key was first used for, as long as that has its place. */
  settled(id: string, finding: Finding): void {
    if (!id.startsWith(PREFIX)) return;
    const lately = this.#lately.get(id);
    if (lately !== undefined) this.#lately.set(id, { ...lately, settled: finding });
    // It is in the ledger, whatever becomes of this.
    this.#keepSettled(id, finding).catch(() => undefined);
  }

  async #keepSettled(id: string, settled: Finding): Promise<void> {
    const journal = await this.#journal();
    const place = this.#placeOf(id);
    const kept = (await journal.getValue(place)) as KeptRequest | undefined;
    if (kept?.id === id) await journal.setValue(place, { ...kept, settled } satisfies KeptRequest);
  }

  #placeOf(id: string): string {
    return this.#record.keyOf(`request:${Number.parseInt(id.slice(-8), 16) % PLACES}`);
  }

  /** By id; throws `NOT_FOUND`. */
  async get(id: string): Promise<CommandRecord> {
    const record = await (await this.#journal()).command(id);
    if (record === undefined) throw new StationError('NOT_FOUND', `there is no command ${id}`);
    return record;
  }

  /** What became of it; undefined for a key that is new, which is then kept. */
  async #known(id: string, request: string): Promise<Remembered | undefined> {
    const journal = await this.#journal();
    const record = await journal.command(id);
    const place = this.#placeOf(id);
    const kept = (await journal.getValue(place)) as KeptRequest | undefined;
    const isSame = kept?.id === id && kept.request === request;
    const lately = this.#lately.get(id);
    if (record === undefined && lately === undefined) {
      // Also a request that was cut short before its command was on record: nothing was sent for it.
      if (kept?.id === id && !isSame) throw reused();
      await journal.setValue(place, { id, request } satisfies KeptRequest);
      return undefined;
    }
    if (!isSame) throw reused();
    if (lately !== undefined) return lately;
    if (record === undefined || record.outcome === null) throw underWay(id);
    return {
      outcome: record.outcome,
      ...(record.reason === null ? {} : { reason: record.reason as NonNullable<Outcome['reason']> }),
      readBack: (record.readBack ?? null) as Outcome['readBack'],
      ms: record.ms ?? 0,
      ...(kept.settled === undefined ? {} : { settled: kept.settled }),
    };
  }

  #remember(id: string, outcome: Outcome): void {
    // That command is not on record, and nothing was sent: it may be asked for again.
    if (outcome.reason === 'JOURNAL') return;
    this.#lately.set(id, outcome);
    const [oldest] = this.#lately.keys();
    if (this.#lately.size > REMEMBERED && oldest !== undefined) this.#lately.delete(oldest);
  }

  #find(target: string): Commandable {
    const all = [...this.#commandables];
    const found = all.find(({ id }) => id === target);
    if (found !== undefined) return found;
    const [named, other] = all.filter(({ name }) => name === target);
    if (named !== undefined && other === undefined) return named;
    throw new StationError(
      'NOT_FOUND',
      other === undefined
        ? `no output ${target} of this station can be commanded`
        : `several outputs are called ${target}`,
      { hint: `Name one of: ${all.map(({ id, name }) => `${id} (${name})`).join(', ') || 'there is none'}.` },
    );
  }
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

function reused(): StationError {
  return new StationError('IDEMPOTENCY_KEY_REUSED', 'this idempotency key stands for another request', {
    hint: 'Make a new key for a new effect; send a key again only with the request it was made for.',
  });
}

function underWay(id: string): StationError {
  return new StationError('COMMAND_UNDER_WAY', `command ${id} is under way`, {
    hint: 'Ask again with the same key: it answers with the outcome when there is one.',
  });
}
