/**
 * What the badge under a camera says. Several things can be so at once: the worst is shown, and what
 * passes by itself (dropped frames) is no longer shown after a while.
 */
import type { CameraState } from '../../lib/capture/camera.ts';
import { systemClock, type Clock } from '../../lib/clock.ts';
import type { HealthReason } from '../../lib/inspection/inspection.ts';
import type { Status } from '../runtime/status.ts';

/** How long after the last dropped frame it is still told of. */
const DROPPING_MS = 10_000;

export class CameraBadge {
  readonly #status: Pick<Status, 'show' | 'fail'>;
  readonly #clock: Clock;
  #link: 'waiting' | 'connecting' | 'ready' | { code: string };
  #reason: HealthReason | undefined;
  #dropped: number | undefined;
  #forget: () => void = () => undefined;

  /** @param isAsked whether the camera is there is only known once it is asked */
  constructor(status: Pick<Status, 'show' | 'fail'>, isAsked: boolean, clock = systemClock) {
    this.#status = status;
    this.#clock = clock;
    this.#link = isAsked ? 'waiting' : 'connecting';
    if (isAsked) this.#show();
  }

  take(state: CameraState): void {
    if (state.kind === 'lost') this.#link = state.error;
    else if (state.kind === 'unwell') [this.#reason] = state.reasons;
    else if (state.kind === 'well') this.#reason = undefined;
    else if (state.kind === 'dropping') this.#drop(state.count);
    else this.#link = state.kind;
    this.#show();
  }

  close(): void {
    this.#forget();
  }

  #drop(count: number): void {
    this.#dropped = count;
    this.#forget();
    this.#forget = this.#clock.after(DROPPING_MS, () => {
      this.#dropped = undefined;
      this.#show();
    });
  }

  #show(): void {
    const status = this.#status;
    if (typeof this.#link === 'object') status.fail(this.#link.code);
    else if (this.#link === 'connecting') status.show('connecting', 'connecting');
    else if (this.#reason !== undefined) status.show('degraded', this.#reason);
    else if (this.#dropped !== undefined) status.show('degraded', 'skipped', { count: this.#dropped });
    else status.show('ready', this.#link);
  }
}
