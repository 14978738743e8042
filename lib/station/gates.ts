/** The gates of a station whose numbers a person may change, within the bounds the engineer has set. */
import { StationError } from './errors.ts';
import type { By } from './arming.ts';
import type { Adjustable, AdjustableSettings } from './types.ts';

type Tolerance = ReturnType<Adjustable['tolerance']>;

/** A gate as people see it: its tolerance, and its further settings where it has some. */
export type ToleranceView = Tolerance &
  Pick<Adjustable, 'name' | 'id'> & { settings?: ReturnType<AdjustableSettings['view']> };

/** A change that is allowed: what the ledger is told, and the way to make it. */
export interface Change {
  detail: Record<string, unknown>;
  apply: (by: By) => Promise<void>;
}

export class Gates {
  readonly #adjustables = new Set<Adjustable>();

  add(adjustable: Adjustable): () => void {
    this.#adjustables.add(adjustable);
    return () => this.#adjustables.delete(adjustable);
  }

  views(): ToleranceView[] {
    return [...this.#adjustables].map((adjustable) => ({
      name: adjustable.name,
      ...(adjustable.id === undefined ? {} : { id: adjustable.id }),
      ...adjustable.tolerance(),
      ...(adjustable.settings === undefined ? {} : { settings: adjustable.settings.view() }),
    }));
  }

  /** Of the threshold of every gate. Throws `NOT_FOUND` or `TOLERANCE_OUT_OF_BOUNDS`; changes nothing yet. */
  toleranceChange(threshold: number): Change {
    const movable = this.#movable();
    if (movable.length === 0) {
      throw new StationError('NOT_FOUND', 'no gate of this station has a tolerance that can be moved');
    }
    for (const [{ name }, tolerance] of movable) assertWithinBounds(threshold, name, tolerance);
    const from = movable.map(([{ name }, tolerance]) => ({ name, from: tolerance.threshold }));
    return {
      detail: { to: threshold, from },
      apply: async (by) => {
        for (const [adjustable] of this.#movable()) await adjustable.setTolerance(threshold, by);
      },
    };
  }

  /** Of settings of one gate, by its id or name. Throws `NOT_FOUND`, or what the gate says; changes nothing yet. */
  settingsChange(gate: string, change: Readonly<Record<string, number>>): Change & { name: string } {
    const adjustables = [...this.#adjustables];
    const found = adjustables.find(({ id }) => id === gate) ?? adjustables.find(({ name }) => name === gate);
    const settings = found?.settings;
    if (settings === undefined) {
      throw new StationError('NOT_FOUND', `no gate ${gate} of this station has settings that can be changed`);
    }
    settings.check(change);
    const { version, settings: from } = settings.view();
    return {
      name: found?.name ?? gate,
      detail: { gate: found?.name, from, version, change },
      apply: (by) => settings.apply(change, by),
    };
  }

  /** A gate that has no threshold, or none yet, has nothing to move. */
  #movable(): [Adjustable, Tolerance][] {
    return [...this.#adjustables]
      .map((adjustable): [Adjustable, Tolerance] => [adjustable, adjustable.tolerance()])
      .filter(([, { threshold }]) => threshold !== null);
  }
}

function assertWithinBounds(threshold: number, name: string, { min, max }: Tolerance): void {
  if (Number.isFinite(threshold) && threshold >= (min ?? -Infinity) && threshold <= (max ?? Infinity)) return;
  throw new StationError(
    'TOLERANCE_OUT_OF_BOUNDS',
    `${threshold} is not between ${min ?? '-∞'} and ${max ?? '∞'} (${name})`,
    { hint: 'Only the engineer of the flow can move the bounds.' },
  );
}
