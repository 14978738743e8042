/**
 * Watches tags of one PLC: each change is told once, by subscription where the protocol pushes and by
 * polling in a steady rhythm where it does not. What a tag holds is told again after every reconnection,
 * and a lost link is told once; who listens can so tell a state it found from a change it saw.
 */
import { systemClock, type Clock } from '../clock.ts';
import { asCodedError } from '../errors.ts';
import { PlcError } from './plc-error.ts';
import type { LinkState, Reading, SeenListener, Transport } from './transport.ts';

export interface TagWatchOptions {
  /** Time between two looks at a tag; a subscription samples twice as often. */
  pollMs: number;
  /** For one look. */
  timeoutMs?: number;
  clock?: Clock;
}

type Seen = Reading | Error;

interface Watched {
  listeners: Set<SeenListener>;
  last: Seen | undefined;
  unsubscribe: Promise<() => Promise<void>> | undefined;
}

export class TagWatch {
  readonly #transport: Transport;
  readonly #pollMs: number;
  readonly #timeoutMs: number;
  readonly #clock: Clock;
  readonly #tags = new Map<string, Watched>();
  readonly #leaveLink: () => void;
  #wasUp: boolean;
  /** Ends the rhythm of polling; undefined while there is none. */
  #stopPolling: (() => void) | undefined;

  constructor(transport: Transport, { pollMs, timeoutMs = 1000, clock = systemClock }: TagWatchOptions) {
    this.#transport = transport;
    this.#pollMs = pollMs;
    this.#timeoutMs = timeoutMs;
    this.#clock = clock;
    this.#wasUp = transport.linkUp();
    this.#leaveLink = transport.onLink((link) => this.#link(link));
  }

  /**
   * Tells what the tag holds now, as soon as that is known, then every change of value or quality, and each
   * failure once: `PLC_LINK_LOST` when the link goes, what cannot be read by its code.
   */
  watch(tag: string, listener: SeenListener): () => void {
    // A listener of its own, so that who listens twice is told twice.
    const told: SeenListener = (seen) => listener(seen);
    const watched = this.#tags.get(tag) ?? this.#begin(tag);
    watched.listeners.add(told);
    const { last } = watched;
    if (last !== undefined) {
      queueMicrotask(() => {
        if (watched.listeners.has(told) && watched.last === last) told(last);
      });
    }
    return () => {
      watched.listeners.delete(told);
      if (watched.listeners.size === 0 && this.#tags.get(tag) === watched) this.#end(tag, watched);
    };
  }

  close(): void {
    this.#leaveLink();
    for (const [tag, watched] of this.#tags) this.#end(tag, watched);
  }

  #begin(tag: string): Watched {
    const watched: Watched = { listeners: new Set(), last: undefined, unsubscribe: undefined };
    this.#tags.set(tag, watched);
    if (this.#transport.subscribe === undefined) this.#stopPolling ??= this.#poll();
    else {
      watched.unsubscribe = this.#transport.subscribe(tag, this.#pollMs, (seen) => this.#tell(watched, seen));
      watched.unsubscribe.catch((error: unknown) => this.#tell(watched, asCodedError(error)));
    }
    return watched;
  }

  #end(tag: string, watched: Watched): void {
    this.#tags.delete(tag);
    watched.listeners.clear();
    watched.unsubscribe?.then((unsubscribe) => unsubscribe()).catch(() => undefined);
    if (this.#tags.size > 0) return;
    this.#stopPolling?.();
    this.#stopPolling = undefined;
  }

  /** A look at all tags, one after the other, at every beat; a beat that falls into a look is left out. */
  #poll(): () => void {
    let due = this.#clock.now();
    let stopped = false;
    let cancel = (): void => undefined;
    const look = async (): Promise<void> => {
      // The map itself: who comes while a look is under way is part of it, who leaves is not.
      for (const [tag, watched] of this.#tags) await this.#look(tag, watched);
      if (stopped) return;
      const now = this.#clock.now();
      due += this.#pollMs * Math.max(1, Math.ceil((now - due) / this.#pollMs));
      cancel = this.#clock.after(due - now, () => void look());
    };
    void look();
    return () => {
      stopped = true;
      cancel();
    };
  }

  async #look(tag: string, watched: Watched): Promise<void> {
    if (!this.#transport.linkUp()) return;
    try {
      this.#tell(watched, await this.#transport.read(tag, this.#timeoutMs));
    } catch (error) {
      // A link that went meanwhile has told so itself.
      if (this.#transport.linkUp()) this.#tell(watched, asCodedError(error));
    }
  }

  #link(link: LinkState): void {
    if (link.state === 'up') {
      // A link can be back before anybody has said that it was gone.
      if (!this.#wasUp) for (const watched of this.#tags.values()) forgetReading(watched);
    } else if (link.state !== 'closed' && 'error' in link) {
      const { error } = link;
      const told =
        link.state === 'failed' ? error : new PlcError('PLC_LINK_LOST', error.message, { cause: error });
      for (const watched of this.#tags.values()) this.#tell(watched, told);
    }
    this.#wasUp = link.state === 'up';
  }

  #tell(watched: Watched, seen: Seen): void {
    if (watched.last !== undefined && isSame(watched.last, seen)) return;
    watched.last = seen;
    for (const listener of [...watched.listeners]) listener(seen);
  }
}

function forgetReading(watched: Watched): void {
  if (!(watched.last instanceof Error)) watched.last = undefined;
}

function isSame(one: Seen, other: Seen): boolean {
  if (one instanceof Error || other instanceof Error) {
    return (
      one instanceof Error && other instanceof Error && asCodedError(one).code === asCodedError(other).code
    );
  }
  return Object.is(one.value, other.value) && one.good === other.good && one.status === other.status;
}
