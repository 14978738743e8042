/** The trials of this Node-RED: few, one for each dialog, and none that nobody looks at. */
import { systemClock, type Clock } from '../../lib/clock.ts';
import { Trial, TrialError, type TrialOptions } from './trial.ts';

/** A trial nobody asked of for so long has been left: the dialog's page is gone. */
export const IDLE_MS = 15_000;
/** Each holds a model in memory; those that still end count too. */
export const MAX_TRIALS = 2;

interface Entry {
  trial: Trial;
  dialog: string;
  /** Requests under way. */
  asking: number;
  leave: () => void;
}

export class Trials {
  readonly #clock: Clock;
  readonly #open = new Map<string, Entry>();
  /** With the dialog each belongs to. */
  readonly #ending = new Map<Promise<void>, string>();

  constructor(clock: Clock = systemClock) {
    this.#clock = clock;
  }

  /** Dialogs of which a trial holds a model, loads one or still ends; no dialog holds two. */
  get count(): number {
    return this.#dialogs().size;
  }

  /** Replaces the trial this dialog has, as soon as that has ended. @throws TrialError `TRIAL_LIMIT` */
  start(dialog: string, options: TrialOptions): Trial {
    for (const [id, entry] of this.#open) if (entry.dialog === dialog) void this.close(id);
    const dialogs = this.#dialogs();
    if (!dialogs.has(dialog) && dialogs.size >= MAX_TRIALS) {
      throw new TrialError('TRIAL_LIMIT', `${MAX_TRIALS} models are being tried already`, {
        hint: 'Wait until one has ended, or close a dialog elsewhere.',
      });
    }
    const before = [...this.#ending].filter(([, owner]) => owner === dialog).map(([ended]) => ended);
    const trial = new Trial(options, before.length === 0 ? undefined : Promise.all(before));
    this.#open.set(trial.id, { trial, dialog, asking: 0, leave: () => undefined });
    this.#watch(trial.id);
    return trial;
  }

  /** Runs a request of the dialog; the trial does not end while it is under way. */
  async use<Result>(id: string, request: (trial: Trial) => Result | Promise<Result>): Promise<Result> {
    const entry = this.#open.get(id);
    if (entry === undefined) throw new TrialError('NOT_FOUND', 'this trial has ended');
    entry.leave();
    entry.asking += 1;
    try {
      return await request(entry.trial);
    } finally {
      entry.asking -= 1;
      if (entry.asking === 0) this.#watch(id);
    }
  }

  async close(id: string): Promise<void> {
    const entry = this.#open.get(id);
    if (entry === undefined) return;
    this.#open.delete(id);
    entry.leave();
    const ended = entry.trial.close().catch(() => undefined);
    this.#ending.set(ended, entry.dialog);
    await ended;
    this.#ending.delete(ended);
  }

  async closeAll(): Promise<void> {
    await Promise.all([...this.#open.keys()].map((id) => this.close(id)));
  }

  #dialogs(): Set<string> {
    const open = [...this.#open.values()].map(({ dialog }) => dialog);
    return new Set([...open, ...this.#ending.values()]);
  }

  #watch(id: string): void {
    const entry = this.#open.get(id);
    if (entry === undefined) return;
    entry.leave();
    entry.leave = this.#clock.after(IDLE_MS, () => void this.close(id));
  }
}
