/**
 * Which changes of a watched tag count: those in the wanted direction, larger than the deadband, that have
 * lasted for the debounce time. What is found when the watch begins, and after a lost link, is a state and
 * no edge, since nobody saw when it arose.
 */
import { systemClock, type Clock } from '../clock.ts';
import { PlcError } from './plc-error.ts';
import type { TagValue } from './tag-type.ts';
import type { Reading } from './transport.ts';

type Direction = 'change' | 'rising' | 'falling';

export interface EdgeOptions {
  direction: Direction;
  /** How long a value must have lasted; 0 takes it at once. */
  debounceMs: number;
  /** Numbers that differ by no more from the last one that counted are the same. */
  deadband: number;
  /** Lets the state that was found count too: any with `change`, true with `rising`, false with `falling`. */
  countState: boolean;
  clock?: Clock;
}

export interface Edge {
  /** `state` where nothing came before. */
  kind: 'rising' | 'falling' | 'change' | 'state';
  reading: Reading;
  /** The value that counted before; null for a state. */
  previous: TagValue | null;
}

export class EdgeFilter {
  readonly #options: EdgeOptions;
  readonly #clock: Clock;
  readonly #told: (edge: Edge) => void;
  /** The last value that counted. */
  #settled: TagValue | undefined;
  #pending: { reading: Reading; cancel: () => void } | undefined;

  constructor(options: EdgeOptions, told: (edge: Edge) => void) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#told = told;
  }

  /** Takes a value that may be used. Throws `PLC_TAG_UNUSABLE` for text that should rise or fall. */
  see(reading: Reading): void {
    const { debounceMs, direction } = this.#options;
    if (typeof reading.value === 'string' && direction !== 'change') {
      throw new PlcError('PLC_TAG_UNUSABLE', 'the tag holds text, which neither rises nor falls', {
        hint: 'Watch for every change, or choose a tag that is a Boolean or a number.',
      });
    }
    if (this.#settled !== undefined && this.#isSame(this.#settled, reading.value)) {
      this.hold();
      return;
    }
    // The time of a change is when it came, not when it had lasted long enough.
    if (this.#pending !== undefined && this.#isSame(this.#pending.reading.value, reading.value)) return;
    this.hold();
    if (debounceMs === 0) this.#settle(reading);
    else {
      const cancel = this.#clock.after(debounceMs, () => {
        this.#pending = undefined;
        this.#settle(reading);
      });
      this.#pending = { reading, cancel };
    }
  }

  /** Nothing is known for a moment: what has not lasted yet does not count, what counted before still does. */
  hold(): void {
    this.#pending?.cancel();
    this.#pending = undefined;
  }

  /** The link is lost: what comes next is a state. */
  forget(): void {
    this.hold();
    this.#settled = undefined;
  }

  #settle(reading: Reading): void {
    const previous = this.#settled;
    this.#settled = reading.value;
    const { direction, countState } = this.#options;
    if (previous === undefined) {
      const counts =
        direction === 'change' ||
        (typeof reading.value === 'boolean' && reading.value === (direction === 'rising'));
      if (countState && counts) this.#told({ kind: 'state', reading, previous: null });
      return;
    }
    const kind = kindOf(previous, reading.value);
    if (direction === 'change' || direction === kind) this.#told({ kind, reading, previous });
  }

  #isSame(one: TagValue, other: TagValue): boolean {
    if (typeof one !== 'number' || typeof other !== 'number') return one === other;
    return Math.abs(one - other) <= this.#options.deadband;
  }
}

/** A Boolean rises to true, a number to a larger one; text only changes. */
function kindOf(previous: TagValue, value: TagValue): 'rising' | 'falling' | 'change' {
  if (typeof previous === 'string' || typeof value === 'string') return 'change';
  return Number(value) > Number(previous) ? 'rising' : 'falling';
}
