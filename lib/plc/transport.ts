/** One link to one PLC. Each protocol is one file behind this interface. */
import type { TagBrowser } from './browse.ts';
import { PlcError } from './plc-error.ts';
import type { Range, TagType, TagValue } from './tag-type.ts';

export interface TagDescription {
  dataType: TagType;
  /** The PLC's own engineering range, where it states one. */
  range?: Range;
  writable: boolean;
}

export interface Reading {
  value: TagValue;
  /** False when the PLC itself marks the value as doubtful. */
  good: boolean;
  status: string;
  /** When the PLC says the value arose, ISO 8601 in UTC; null where the protocol does not say. */
  sourceAt: string | null;
}

/** One tag of a write of several, in the type against which the value was checked. */
export interface TagWrite {
  tag: string;
  value: TagValue;
  dataType: TagType;
}

/** Asked right before each part of a write goes to the socket, with nothing awaited between. */
export interface WriteGuard {
  /** After false nothing more of the write is sent, and it rejects with `PLC_WITHHELD`. */
  mayLeave(): boolean;
  /** Milliseconds in which what leaves now may still be begun, for a protocol that tells the device. */
  leftMs(): number;
}

/**
 * What the PLC answered to a write. `good`: exactly Good. `clamped`: it wrote something else.
 * `pending`: accepted without knowing the effect. `refused`: it did not write, for sure.
 * `doubtful`: an error after which the effect is not known.
 */
export interface WriteAnswer {
  result: 'good' | 'clamped' | 'pending' | 'refused' | 'doubtful';
  /** In the protocol's own words, e.g. `BadTypeMismatch`. */
  status: string;
  /** Of `clamped`, what it wrote, where the protocol says; who knows the tolerance judges it. */
  applied?: TagValue;
}

/** `connecting` has no link yet or has lost it; `failed` needs a person, and is tried again all the same. */
export type LinkState =
  | { state: 'up' }
  | { state: 'connecting'; error?: Error }
  | { state: 'failed'; error: Error }
  | { state: 'closed' };

export interface Transport {
  /** Starts connecting and keeps the link up until `close`; failures come through `onLink`. */
  open(): void;
  /** Ends the session on the server, waiting at most a few seconds for it. */
  close(): Promise<void>;
  /** True when a request sent now would leave at once. */
  linkUp(): boolean;
  link(): LinkState;
  onLink(listener: (link: LinkState) => void): () => void;
  /** Remembered per session. Rejects with `PLC_TAG_UNUSABLE` or `PLC_LINK_DOWN`. */
  describe(tag: string): Promise<TagDescription>;
  /** Rejects with `PLC_LINK_DOWN`, `PLC_TIMEOUT`, `PLC_LINK_LOST` or `PLC_READ_FAILED`. */
  read(tag: string, timeoutMs: number): Promise<Reading>;
  /**
   * Sends once, within `timeoutMs` or not at all, in the type against which the value was checked. Rejects with `PLC_LINK_DOWN` when nothing was sent, and with
   * `PLC_TIMEOUT` or `PLC_LINK_LOST` when the effect is not known. After `PLC_TIMEOUT` the socket
   * was reset, so that nothing of this write can leave any more. After `PLC_LINK_LOST` nothing is
   * sent again, but bytes that had left us may still arrive. Rejects with `PLC_WITHHELD` when `guard`
   * said no, however long it had waited for its turn.
   */
  write(
    tag: string,
    value: TagValue,
    dataType: TagType,
    timeoutMs: number,
    guard?: WriteGuard,
  ): Promise<WriteAnswer>;
  /** In the order asked for, and in one request where the protocol can; rejects as `read` does. */
  readAll(tags: readonly string[], timeoutMs: number): Promise<Reading[]>;
  /**
   * Several tags as one command block: in one request where the protocol can, and such that the last
   * is never seen changed before the others. Promises and rejects as `write` does; ends with the first
   * answer that is not `good`, after which nothing more of it is sent. After `PLC_WITHHELD` the last was
   * not sent, though others may have been.
   */
  writeAll(writes: readonly TagWrite[], timeoutMs: number, guard?: WriteGuard): Promise<WriteAnswer>;
  /**
   * Tells every change of a tag, beginning with its present value, until the returned function is called;
   * begins anew by itself after a reconnection, and may be asked for while there is no link. A tag that
   * cannot be read is told as an error. Absent where the protocol does not push: then a tag is polled.
   */
  subscribe?(tag: string, intervalMs: number, listener: SeenListener): Promise<() => Promise<void>>;
  /** For a person who looks for a tag. Absent where the protocol tells nothing about what there is. */
  browser?(): TagBrowser;
}

/** Told of a tag: what it holds, or why that cannot be known. */
export type SeenListener = (seen: Reading | Error) => void;

/** `readAll` for a protocol that reads one tag at a time. */
export async function readInTurn(
  transport: Pick<Transport, 'read'>,
  tags: readonly string[],
  timeoutMs: number,
): Promise<Reading[]> {
  const readings: Reading[] = [];
  const leftMs = countdown(timeoutMs);
  for (const tag of tags) readings.push(await transport.read(tag, leftMs()));
  return readings;
}

/** `writeAll` for a protocol that writes one tag at a time. */
export async function writeInTurn(
  transport: Pick<Transport, 'write'>,
  writes: readonly TagWrite[],
  timeoutMs: number,
  guard?: WriteGuard,
): Promise<WriteAnswer> {
  let answer: WriteAnswer = { result: 'good', status: 'nothing to write' };
  const leftMs = countdown(timeoutMs);
  for (const { tag, value, dataType } of writes) {
    answer = await transport.write(tag, value, dataType, leftMs(), guard);
    if (answer.result !== 'good') break;
  }
  return answer;
}

export function linkDown(endpoint: string): PlcError {
  return new PlcError('PLC_LINK_DOWN', `there is no link to ${endpoint}`, {
    hint: 'Nothing was sent. Check the cable, the address and that the PLC is running.',
  });
}

/** Throws `PLC_WITHHELD` where `guard` says no. */
export function askToLeave(guard: WriteGuard | undefined, what: string): void {
  if (guard?.mayLeave() === false) throw new PlcError('PLC_WITHHELD', `${what}: held back, nothing was sent`);
}

/** Settles as `work` does, or calls `onExpiry` and rejects with `PLC_TIMEOUT` after `timeoutMs`. */
export async function withDeadline<Result>(
  work: Promise<Result>,
  timeoutMs: number,
  what: string,
  onExpiry: () => void = () => undefined,
): Promise<Result> {
  let timer: NodeJS.Timeout | undefined;
  const expiry = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => {
      onExpiry();
      reject(new PlcError('PLC_TIMEOUT', `${what}: no answer within ${timeoutMs} ms`));
    }, timeoutMs);
  });
  try {
    return await Promise.race([work, expiry]);
  } finally {
    clearTimeout(timer);
    // When the deadline won, the work still fails later, and nobody is left to hear it.
    work.catch(() => undefined);
  }
}

/** What is left of a time that several requests share; at least a millisecond, so that the last one fails as a request does. */
export function countdown(timeoutMs: number): () => number {
  const startedAt = performance.now();
  return () => Math.max(1, Math.round(timeoutMs - (performance.now() - startedAt)));
}

/** Waits between attempts to connect. */
export const RECONNECT_BACKOFF = { firstMs: 500, maxMs: 10_000 };

/** Keeps the state of a link and tells who listens. */
export class LinkNotice {
  #link: LinkState = { state: 'connecting' };
  readonly #listeners = new Set<(link: LinkState) => void>();

  get link(): LinkState {
    return this.#link;
  }

  set(link: LinkState): void {
    if (this.#link.state === 'closed') return;
    this.#link = link;
    for (const listener of [...this.#listeners]) listener(link);
  }

  add(listener: (link: LinkState) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
}
