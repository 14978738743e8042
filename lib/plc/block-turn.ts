/**
 * When a function block may be given its next command. A block takes a number together with the value that lies
 * beside it at that moment, and over most protocols the two arrive one after the other. So nothing of a new command
 * is written while the block may still take an earlier number: until it has answered that one, or until that
 * one is older than its time to live, after which the block refuses it as stale (`docs/plc`).
 *
 * What an earlier process has left is seen in the block itself, which shows the number it was given beside the
 * one it has answered, and told by the journal (`expect`).
 */
import { refused, refusedBy, type Verdict } from './outcome.ts';
import type { HandshakeTags } from './handshake-profile.ts';
import type { TagValue } from './tag-type.ts';
import type { Transport } from './transport.ts';

/** How far the timers of a PLC and ours may differ over a time to live; a cycle and its resolution are in it. */
const CLOCKS_MS = 50;
/** Without a time to live: no PLC whose watchdog works stands still for longer and goes on as if nothing had been. */
const LONGEST_SCAN_MS = 10_000;
/** For a time to live that this process has not written. */
const LONGEST_FOUND_MS = 60_000;
const FIRST_POLL_MS = 2;
const LAST_POLL_MS = 50;

/** A number that the block may still take. */
interface Open {
  number: number;
  /** Undefined until it was read. */
  ttlMs: number | undefined;
  /** Monotonic milliseconds at which it had arrived, if it ever did; undefined while that cannot be said. */
  sinceMs: number | undefined;
}

interface Block {
  /** Number last answered, as last seen. */
  acknowledged: number | undefined;
  /** Number that lay in it when it was looked at. */
  found: number | undefined;
  open: Open | undefined;
  /** Since when a number lies in the block that was never answered and is too old to be taken. */
  overtakenSinceMs: number | undefined;
}

export class BlockTurns {
  readonly #transport: Transport;
  readonly #now: () => number;
  /** By the tag of the number. */
  readonly #blocks = new Map<string, Block>();

  constructor(transport: Transport, now: () => number) {
    this.#transport = transport;
    this.#now = now;
  }

  /**
   * Waits until the block may be given this number; undefined then. Asks `halt` between looks, which ends the wait.
   * A number that the block shows already would look answered before it was read. Costs one request for the
   * first command, and after one that was not answered.
   */
  async wait(
    tags: HandshakeTags,
    number: number,
    timeoutMs: number,
    halt: () => Verdict | undefined,
  ): Promise<Verdict | undefined> {
    const block = this.#of(tags);
    if (block.acknowledged !== undefined && block.open === undefined)
      return block.acknowledged === number ? repeated(number) : undefined;
    for (let pauseMs = FIRST_POLL_MS; ; pauseMs = Math.min(2 * pauseMs, LAST_POLL_MS)) {
      let shown: readonly number[];
      try {
        shown = await this.observe(tags, timeoutMs);
      } catch (error) {
        return refusedBy(error);
      }
      if (shown.includes(number)) return repeated(number);
      const { open } = block;
      if (open === undefined) return undefined;
      const halted = halt();
      if (halted?.reason === 'STALE')
        return refused('STALE', `the PLC has not answered command ${open.number}, which came before`);
      if (halted !== undefined) return halted;
      await new Promise((resolve) => setTimeout(resolve, pauseMs));
    }
  }

  /** The newest of the numbers that the block shows, as last seen; looks where nothing was seen yet. */
  async newest(tags: HandshakeTags, timeoutMs: number): Promise<number | undefined> {
    const block = this.#of(tags);
    if (block.acknowledged === undefined) await this.observe(tags, timeoutMs).catch(() => undefined);
    const { acknowledged, found } = block;
    if (acknowledged === undefined || found === undefined) return acknowledged ?? found;
    return isNewer(found, acknowledged) ? found : acknowledged;
  }

  /** Looks once; returns the numbers that the block shows. Rejects as reading does. */
  async observe(tags: HandshakeTags, timeoutMs: number): Promise<readonly number[]> {
    const { commandId, ackId, ttl } = tags;
    const wanted = [ackId, commandId, ...(ttl === undefined ? [] : [ttl])];
    const [answered, commanded, timeToLive] = await this.#transport.readAll(wanted, timeoutMs);
    const [acknowledged, given] = [word(answered?.value), word(commanded?.value)];
    const block = this.#of(tags);
    const isFirst = block.acknowledged === undefined;
    if (answered?.good === true) this.saw(tags, acknowledged);
    if (commanded?.good === true) block.found = given;
    if (isFirst && block.overtakenSinceMs === undefined && given !== 0 && given !== acknowledged)
      block.open ??= { number: given, ttlMs: undefined, sinceMs: this.#now() };
    const { open } = block;
    if (open?.sinceMs !== undefined) {
      open.ttlMs ??=
        ttl === undefined ? LONGEST_SCAN_MS : Math.min(word(timeToLive?.value), LONGEST_FOUND_MS);
      if (this.#now() - open.sinceMs > open.ttlMs + CLOCKS_MS) {
        block.overtakenSinceMs = open.sinceMs;
        block.open = undefined;
      }
    }
    return [acknowledged, given];
  }

  /** A process before this one may have sent it; for a block of which nothing is known yet. */
  expect(tags: HandshakeTags, number: number): void {
    const block = this.#of(tags);
    if (block.acknowledged === undefined) block.open = { number, ttlMs: undefined, sinceMs: undefined };
  }

  /** The block shows that it has answered this number. */
  saw(tags: HandshakeTags, acknowledged: number): void {
    const block = this.#of(tags);
    block.acknowledged = acknowledged;
    if (block.open?.number === acknowledged) {
      block.open = undefined;
      block.overtakenSinceMs = undefined;
    } else if (block.open !== undefined) block.open.sinceMs ??= this.#now();
  }

  /**
   * The longest time to live that the next command may be written with: a number that lies there unanswered
   * would be judged by it, and has to stay too old.
   */
  longestTtlMs(tags: HandshakeTags): number {
    const since = this.#of(tags).overtakenSinceMs;
    return since === undefined ? Infinity : Math.max(1, Math.floor(this.#now() - since) - CLOCKS_MS);
  }

  /** The number leaves now, or has left, to be taken within so many milliseconds of this. */
  sent(tags: HandshakeTags, number: number, ttlMs: number): void {
    const block = this.#of(tags);
    block.open = {
      number,
      ttlMs: tags.ttl === undefined ? LONGEST_SCAN_MS : ttlMs,
      sinceMs: this.#now(),
    };
  }

  /** Nothing of the number has left, or the PLC has said that it did not take it. */
  takeBack(tags: HandshakeTags): void {
    this.#of(tags).open = undefined;
  }

  #of({ commandId }: HandshakeTags): Block {
    let block = this.#blocks.get(commandId);
    if (block === undefined) {
      block = { acknowledged: undefined, found: undefined, open: undefined, overtakenSinceMs: undefined };
      this.#blocks.set(commandId, block);
    }
    return block;
  }
}

/** By serial-number arithmetic (RFC 1982), as the block compares them. */
function isNewer(number: number, than: number): boolean {
  const ahead = (number - than) >>> 0;
  return ahead > 0 && ahead < 0x8000_0000;
}

function repeated(number: number): Verdict {
  return refused('DUPLICATE', `the PLC shows ${number} already; the next command has another number`);
}

/** What a tag of 32 bits holds, as a number that counts up from 0. */
export function word(value: TagValue | undefined): number {
  return typeof value === 'number' ? value >>> 0 : NaN;
}
