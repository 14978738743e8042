/**
 * What of a gate may be changed while the line runs, within bounds the engineer of the flow has set.
 * Every change has a version, a person and a reason, and outlives a restart; a deploy with other settings
 * replaces them all and counts on.
 */
import type { Budget } from './budget.ts';
import { GateError } from './errors.ts';
import { remembered, usable, type Remembering } from './judgement.ts';

export interface Settings extends Budget {
  /** Parts an hour that people can look at; null where the review band is a fixed share. */
  reviewsPerHour: number | null;
}

/** Smallest and largest value a person may set; equal where it may not be moved. */
export type SettingsBounds = Record<keyof Settings, readonly [number, number]>;

export type SettingsChange = Partial<Record<keyof Settings, number>>;

export interface By {
  actor: string;
  reason: string;
}

export interface SettingsView extends By {
  version: number;
  settings: Settings;
  bounds: SettingsBounds;
  /** ISO 8601 in UTC; for people. */
  at: string;
}

const NAMES = ['alpha', 'delta', 'reviewsPerHour'] as const satisfies readonly (keyof Settings)[];

export class GateSettings implements Remembering {
  readonly #deployed: Settings;
  readonly #bounds: SettingsBounds;
  #view: Omit<SettingsView, 'bounds'>;

  constructor(deployed: Settings, bounds: SettingsBounds, at = new Date()) {
    this.#deployed = deployed;
    this.#bounds = bounds;
    this.#view = { version: 1, settings: deployed, ...byDeploy(at) };
  }

  get view(): SettingsView {
    return { ...this.#view, bounds: this.#bounds };
  }

  get settings(): Settings {
    return this.#view.settings;
  }

  get version(): number {
    return this.#view.version;
  }

  /** The settings after a change that has not been made. @throws GateError `TOLERANCE_OUT_OF_BOUNDS` */
  check(change: SettingsChange): Settings {
    const settings = { ...this.#view.settings };
    for (const name of NAMES) {
      const value = change[name];
      if (value === undefined) continue;
      const [min, max] = this.#bounds[name];
      if (!(value >= min && value <= max) || settings[name] === null) {
        throw new GateError('TOLERANCE_OUT_OF_BOUNDS', `${name}: ${value} is not between ${min} and ${max}`, {
          hint: 'Only the engineer of the flow can move the bounds.',
        });
      }
      settings[name] = value;
    }
    return settings;
  }

  /** @throws GateError `TOLERANCE_OUT_OF_BOUNDS` */
  change(change: SettingsChange, { actor, reason }: By, at = new Date()): void {
    const settings = this.check(change);
    this.#view = { version: this.#view.version + 1, settings, actor, reason, at: at.toISOString() };
  }

  /** What was deployed is in force again, and that is a change like any other. */
  deploy(at = new Date()): void {
    this.#view = { version: this.#view.version + 1, settings: this.#deployed, ...byDeploy(at) };
  }

  state(): unknown {
    return { ...this.#view, deployed: this.#deployed };
  }

  restore(state: unknown): void {
    const version = usable(remembered(state, 'version'));
    if (version === undefined) return;
    if (!sameSettings(remembered(state, 'deployed'), this.#deployed)) {
      this.#view = { ...this.#view, version: version + 1 };
      return;
    }
    const saved = remembered(state, 'settings');
    const change: SettingsChange = {};
    for (const name of NAMES) {
      const value = usable(remembered(saved, name));
      if (value !== undefined && value !== this.#deployed[name]) change[name] = value;
    }
    const text = (name: string): string => {
      const value = remembered(state, name);
      return typeof value === 'string' ? value : '';
    };
    try {
      const settings = this.check(change);
      this.#view = { version, settings, actor: text('actor'), reason: text('reason'), at: text('at') };
    } catch {
      // The engineer has drawn the bounds closer since.
      this.#view = { ...this.#view, version: version + 1 };
    }
  }
}

function byDeploy(at: Date): By & { at: string } {
  return { actor: 'system', reason: 'deployed', at: at.toISOString() };
}

function sameSettings(saved: unknown, settings: Settings): boolean {
  return NAMES.every((name) => remembered(saved, name) === settings[name]);
}
