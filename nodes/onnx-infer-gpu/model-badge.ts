/** What the badge under the node says: what runs the model and how fast, and what does not go as it should. */
import type { Status } from '../runtime/status.ts';

/** What runs a model, and how long a warm run takes. */
interface Running {
  provider: string;
  warmMs: number;
}

/** Short enough to stand beside a provider and its time. */
function short(count: number): string {
  if (count < 1000) return String(count);
  return count < 1_000_000 ? `${Math.floor(count / 1000)}k` : `${Math.floor(count / 1_000_000)}M`;
}

export class ModelBadge {
  readonly #status: Pick<Status, 'show' | 'fail'>;
  readonly #providers: readonly string[];
  #dropped = 0;
  /** True while the badge says something that the next result takes back. */
  #isPassing = false;
  /** Why a new model was refused, until there is another one. */
  #kept: string | undefined;

  constructor(status: Pick<Status, 'show' | 'fail'>, providers: readonly string[]) {
    this.#status = status;
    this.#providers = providers;
  }

  loading(): void {
    this.#status.show('connecting', 'loading');
  }

  /** The model that serves from now on. */
  ready(info: Running): void {
    this.#isPassing = false;
    if (this.#kept !== undefined) {
      this.#status.show('degraded', 'kept', { code: this.#kept });
      return;
    }
    const [first] = this.#providers;
    const isFirstChoice = first === 'auto' || info.provider === first;
    const parameters = { provider: info.provider, ms: info.warmMs.toPrecision(3) };
    const look = isFirstChoice ? 'ready' : 'degraded';
    if (this.#dropped === 0) this.#status.show(look, 'provider', parameters);
    else this.#status.show(look, 'dropping', { ...parameters, dropped: short(this.#dropped) });
  }

  /** A result came: what failed before is over. */
  succeeded(info: Running): void {
    if (this.#isPassing) this.ready(info);
  }

  /** A frame gave way to a newer one, as the queue is meant to work. */
  dropped(info: Running): void {
    this.#dropped += 1;
    if (!this.#isPassing) this.ready(info);
  }

  failed(code: string): void {
    this.#isPassing = true;
    this.#status.fail(code);
  }

  /** Another model serves. */
  swapped(version: string): void {
    this.#isPassing = true;
    this.#kept = undefined;
    this.#status.show('ready', 'swapped', { version });
  }

  /** The file holds the model again that serves: what was refused is gone. */
  restored(info: Running): void {
    this.#kept = undefined;
    if (!this.#isPassing) this.ready(info);
  }

  /** The new model was refused; the one before it goes on. */
  kept(code: string, info: Running): void {
    this.#kept = code;
    this.ready(info);
  }
}
