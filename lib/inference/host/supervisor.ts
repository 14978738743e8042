/**
 * Keeps the one child of a device: starts it when asked to, counts the ends nobody asked for, and
 * after too many of them starts no other until it is told to begin again.
 */
import { HostChild } from './child.ts';
import { InferenceError } from '../errors.ts';

export interface SupervisorOptions {
  /** Limit of the child's data segment on the CPU device, where `prlimit` exists. Default 3 GiB. */
  memoryLimitBytes?: number;
  /** Crashes within `crashWindowMs` that trip the host. Default 3 in ten minutes. */
  crashLimit?: number;
  crashWindowMs?: number;
}

export type HostState = 'idle' | 'starting' | 'ready' | 'tripped' | 'closed';

const DEFAULT_CRASH_LIMIT = 3;
const DEFAULT_CRASH_WINDOW_MS = 600_000;
const QUIT_TIMEOUT_MS = 5000;

export class Supervisor {
  /** Ends of the child that nobody asked for, the watchdog's included. */
  crashes = 0;
  readonly #device: string;
  readonly #options: SupervisorOptions;
  readonly #onEnd: () => void;
  #state: HostState = 'idle';
  #child: HostChild | undefined;
  /** The child that tries a new graph: if it ends, the graph did it, and the host is sound. */
  #onTrial: HostChild | undefined;
  #crashedAt: number[] = [];

  /** `onEnd` is called when a child has ended that was ready before. */
  constructor(device: string, options: SupervisorOptions, onEnd: () => void) {
    this.#device = device;
    this.#options = options;
    this.#onEnd = onEnd;
  }

  get state(): HostState {
    return this.#state;
  }

  /** The child that can be asked; undefined while there is none. */
  get child(): HostChild | undefined {
    return this.#state === 'starting' || this.#child?.hasEnded !== false ? undefined : this.#child;
  }

  get pid(): number | undefined {
    return this.#child?.hasEnded === false ? this.#child.pid : undefined;
  }

  /** @throws InferenceError `HOST_CLOSED`, `HOST_TRIPPED` */
  check(): void {
    if (this.#state === 'closed') throw new InferenceError('HOST_CLOSED', 'the inference host was released');
    if (this.#state !== 'tripped') return;
    throw new InferenceError(
      'HOST_TRIPPED',
      `the inference host ended ${this.#crashedAt.length} times in a short while`,
      {
        hint: 'It stays off until a model is loaded again: check the models on this device, then deploy.',
      },
    );
  }

  /** Forgets the crashes; a tripped host may start again. */
  forgive(): void {
    if (this.#state === 'tripped') this.#state = 'idle';
    this.#crashedAt = [];
  }

  /** Lets `attempt` ask something of the child at whose end no other graph is to blame. */
  async onTrial<Result>(child: HostChild, attempt: () => Promise<Result>): Promise<Result> {
    this.#onTrial = child;
    try {
      return await attempt();
    } finally {
      if (!child.hasEnded) this.#onTrial = undefined;
    }
  }

  /** @throws InferenceError `HOST_CLOSED`, `HOST_TRIPPED`, `HOST_UNAVAILABLE` */
  async start(): Promise<HostChild> {
    // its end is counted first
    if (this.#child?.hasEnded === true) await this.#child.ended;
    this.check();
    this.#state = 'starting';
    const child = new HostChild({
      device: this.#device,
      memoryLimitBytes: this.#options.memoryLimitBytes,
    });
    this.#child = child;
    try {
      await child.started();
    } catch (error) {
      this.#endStart('idle');
      throw error;
    }
    this.#endStart('ready');
    this.check();
    void child.ended.then(() => this.#ended(child));
    return child;
  }

  /** It may have been closed meanwhile. */
  #endStart(state: HostState): void {
    if (this.#state === 'starting') this.#state = state;
  }

  #ended(child: HostChild): void {
    if (this.#state === 'closed') return;
    this.#state = 'idle';
    if (this.#onTrial !== child) this.#countCrash();
    this.#onEnd();
  }

  #countCrash(): void {
    this.crashes += 1;
    const { crashLimit = DEFAULT_CRASH_LIMIT, crashWindowMs = DEFAULT_CRASH_WINDOW_MS } = this.#options;
    const now = performance.now();
    this.#crashedAt = [...this.#crashedAt.filter((at) => now - at < crashWindowMs), now];
    if (this.#crashedAt.length >= crashLimit) this.#state = 'tripped';
  }

  /** Starts no child any more and ends the one there is, once `idle` says that nothing is asked of it. */
  async quit(idle: Promise<void>): Promise<void> {
    this.#state = 'closed';
    const child = this.#child;
    if (child === undefined || child.hasEnded) return;
    const timer = setTimeout(() => child.kill('did not end when asked to'), QUIT_TIMEOUT_MS);
    await idle;
    await child.ask('quit', {}).catch(() => undefined);
    await child.ended;
    clearTimeout(timer);
  }
}
