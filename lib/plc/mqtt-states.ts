/**
 * The last state of each tag that a device has published over MQTT, and how old it is. A retained state may
 * be of any age: it is as old as its own time says, and where it has none nobody knows, so it is not good.
 */
import type { Clock } from '../clock.ts';
import type { MqttState } from './mqtt-protocol.ts';
import { PlcError } from './plc-error.ts';
import type { Reading, SeenListener } from './transport.ts';

interface Known {
  state: MqttState;
  /** Monotonic time at which it was fresh; -Infinity where nobody knows. */
  freshAt: number;
}

interface Waiting {
  promise: Promise<MqttState>;
  resolve: (state: MqttState) => void;
  reject: (error: Error) => void;
}

export class MqttStates {
  readonly #staleMs: number;
  readonly #clock: Clock;
  readonly #known = new Map<string, Known>();
  readonly #listeners = new Map<string, Set<SeenListener>>();
  /** One for each topic, however many wait for it. */
  readonly #next = new Map<string, Waiting>();
  #stopStaleness: (() => void) | undefined;

  constructor({ staleMs, clock }: { staleMs: number; clock: Clock }) {
    this.#staleMs = staleMs;
    this.#clock = clock;
  }

  /** A connection begins: nothing of an earlier one is known any more. */
  begin(): void {
    this.#known.clear();
    // Going stale is a change that no message tells.
    this.#stopStaleness ??= this.#clock.every(Math.max(100, this.#staleMs / 4), () => {
      for (const topic of this.#known.keys()) this.#tell(topic);
    });
  }

  /** The connection is lost: who waits for a state hears so. */
  end(): void {
    this.#stopStaleness?.();
    this.#stopStaleness = undefined;
    this.#known.clear();
    const lost = new PlcError('PLC_LINK_LOST', 'the link to the broker was lost');
    for (const topic of [...this.#next.keys()]) this.refuse(topic, lost);
  }

  /** Topics somebody listens to. */
  topics(): string[] {
    return [...this.#listeners.keys()];
  }

  get(topic: string): MqttState | undefined {
    return this.#known.get(topic)?.state;
  }

  /** The next state that arrives. Rejects with `PLC_LINK_LOST`, or as it is refused. */
  next(topic: string): Promise<MqttState> {
    const waiting = this.#next.get(topic) ?? newWaiting();
    this.#next.set(topic, waiting);
    return waiting.promise;
  }

  refuse(topic: string, error: Error): void {
    const waiting = this.#next.get(topic);
    this.#next.delete(topic);
    waiting?.promise.catch(() => undefined);
    waiting?.reject(error);
  }

  reading(topic: string): Reading {
    const known = this.#known.get(topic);
    if (known === undefined) throw new PlcError('PLC_READ_FAILED', `${topic}: no state`);
    const { state, freshAt } = known;
    const isStale = this.#clock.now() - freshAt > this.#staleMs;
    return {
      value: state.value,
      good: state.good && !isStale,
      status: isStale ? 'Stale' : state.good ? 'Good' : 'Bad',
      sourceAt: state.at === undefined ? null : new Date(state.at).toISOString(),
    };
  }

  take(topic: string, state: MqttState, retained: boolean): void {
    const now = this.#clock.now();
    const age = state.at === undefined ? Infinity : Math.max(0, this.#clock.wallNow() - state.at);
    this.#known.set(topic, { state, freshAt: retained ? now - age : now });
    this.#next.get(topic)?.resolve(state);
    this.#next.delete(topic);
    this.#tell(topic);
  }

  /**
   * Tells every state; who wants changes only leaves out what is the same. Returns the way to stop, which
   * says whether nobody is left who needs the topic: the last state is then forgotten, as it would go stale.
   */
  listen(topic: string, listener: SeenListener): () => boolean {
    const told: SeenListener = (seen) => listener(seen);
    const listeners = this.#listeners.get(topic) ?? new Set();
    this.#listeners.set(topic, listeners.add(told));
    if (this.#known.has(topic)) told(this.reading(topic));
    return () => {
      listeners.delete(told);
      if (listeners.size > 0 || this.#listeners.get(topic) !== listeners) return false;
      this.#listeners.delete(topic);
      if (this.#next.has(topic)) return false;
      this.#known.delete(topic);
      return true;
    };
  }

  #tell(topic: string): void {
    for (const listener of [...(this.#listeners.get(topic) ?? [])]) listener(this.reading(topic));
  }
}

function newWaiting(): Waiting {
  let settle: Pick<Waiting, 'resolve' | 'reject'> | undefined;
  const promise = new Promise<MqttState>((resolve, reject) => {
    settle = { resolve, reject };
  });
  return {
    promise,
    resolve: (state) => settle?.resolve(state),
    reject: (error) => settle?.reject(error),
  };
}
