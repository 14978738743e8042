/** The badge under a plc-watch: the value, and for how long it has been so. */
import type { Clock } from '../../lib/clock.ts';
import type { TagValue } from '../../lib/plc/tag-type.ts';
import type { NodeContext } from '../runtime/register.ts';

/** So that the age fits beside it. */
const VALUE_CHARACTERS = 10;
const REFRESH_MS = 1000;

export class WatchBadge {
  readonly #status: NodeContext<unknown>['status'];
  readonly #clock: Clock;
  readonly #stop: () => void;
  #value: { text: string; since: number; good: boolean } | undefined;
  #shown = '';

  constructor(status: NodeContext<unknown>['status'], clock: Clock) {
    this.#status = status;
    this.#clock = clock;
    this.#stop = clock.every(REFRESH_MS, () => this.#show());
  }

  value(value: TagValue, good: boolean): void {
    const whole = String(value);
    const text = whole.length > VALUE_CHARACTERS ? `${whole.slice(0, VALUE_CHARACTERS - 1)}…` : whole;
    this.#value = { text, since: this.#clock.now(), good };
    this.#show();
  }

  /** There is no value to show the age of. */
  clear(): void {
    this.#value = undefined;
    this.#shown = '';
  }

  close(): void {
    this.#stop();
    this.clear();
  }

  #show(): void {
    if (this.#value === undefined) return;
    const { text, since, good } = this.#value;
    const age = ageOf(this.#clock.now() - since);
    const shown = `${text} ${age} ${good}`;
    // The editor hears of what has changed, not of every second.
    if (shown === this.#shown) return;
    this.#shown = shown;
    if (good) this.#status.show('ready', 'value', { value: text, age });
    else this.#status.show('degraded', 'doubtful', { value: text, age });
  }
}

/** Coarse, so that the badge of a quiet tag is quiet too. */
function ageOf(ms: number): string {
  const seconds = Math.floor(ms / 1000);
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  return minutes < 60 ? `${minutes} min` : `${Math.floor(minutes / 60)} h`;
}
