/**
 * Watches whether parts still look like those the model was taught from; when they do not, the station steps
 * down. What has gathered survives a restart in the station's journal.
 */
import { readSideFile, type AnomalyModel } from '../../lib/anomaly/model.ts';
import { DriftError } from '../../lib/drift/errors.ts';
import { learnBaseline } from '../../lib/drift/learn-baseline.ts';
import { DriftMonitor, type DriftReading, type DriftState } from '../../lib/drift/monitor.ts';
import type { Mode } from '../../lib/inspection/inspection.ts';
import type { Station } from '../../lib/station/types.ts';
import { alarmsOf } from '../runtime/alarms.ts';
import type { SubjectContext } from './subject.ts';

interface Saved {
  /** Of the model it was gathered with. */
  digest: string;
  state: DriftState;
}

/** A part in so many is lost at most when the power goes; a write costs the journal one commit. */
const SAVE_EVERY = 50;

/** Parts after which a watch that could not begin is tried again: a disk or a journal may have been busy. */
const RETRY_AFTER = 50;

/** Topic of the message that says that parts no longer look as taught. */
export const DRIFT_TOPIC = 'jidoka/drift';

export class DriftWatch {
  readonly #context: SubjectContext;
  readonly #station: Station;
  readonly #key: string;
  #digest = '';
  #monitor: DriftMonitor | undefined;
  /** Parts until it is tried again; undefined where it began, or never can with this model. */
  #retryIn: number | undefined;
  #mode: Mode = 'NORMAL';

  constructor(context: SubjectContext, station: Station) {
    this.#context = context;
    this.#station = station;
    this.#key = `anomaly:${context.node.id}:drift`;
  }

  /** Takes the next part of this model. Never throws: a part goes on whatever is made of it here. */
  take(model: AnomalyModel, reading: DriftReading): void {
    if (this.#retryIn !== undefined) this.#retryIn -= 1;
    if (model.digest !== this.#digest || this.#retryIn === 0) {
      this.#digest = model.digest;
      this.#monitor = undefined;
      this.#retryIn = undefined;
      this.#begin(model).catch((error: unknown) => {
        const isHopeless = error instanceof DriftError && error.code === 'DRIFT_BASELINE_TOO_SMALL';
        if (this.#digest === model.digest && !isHopeless) this.#retryIn = RETRY_AFTER;
        this.#fail(error);
      });
    }
    const monitor = this.#monitor;
    if (monitor === undefined) return;
    // A person who resets the station says that the cause is gone: parts before that prove nothing any more.
    const { mode } = this.#station;
    if (mode === 'NORMAL' && this.#mode !== 'NORMAL') monitor.restart();
    this.#mode = mode;
    try {
      const finding = monitor.add(reading);
      if (finding !== undefined) {
        const { code, message } = finding;
        this.#station.degrade('CONSERVATIVE', { code, message });
        alarmsOf(this.#context.node, this.#station).raise('DRIFT', message);
        this.#context.emit([null, { topic: DRIFT_TOPIC, payload: { ...finding } }]);
      }
      if (finding !== undefined || monitor.parts % SAVE_EVERY === 0) void this.#save();
    } catch (error) {
      this.#fail(error);
    }
  }

  async close(): Promise<void> {
    await this.#save();
  }

  /** Half a second in a thread of its own; parts that pass meanwhile are not watched. */
  async #begin(model: AnomalyModel): Promise<void> {
    const { goodScores, parts, digest } = model;
    const bytes = await readSideFile(model, 'embeddings');
    const features = bytes === undefined ? 0 : bytes.length / 4 / parts.length;
    const embeddings =
      bytes === undefined || !Number.isInteger(features)
        ? undefined
        : { rows: new Float32Array(Uint8Array.from(bytes).buffer), features };
    const baseline = await learnBaseline(goodScores, embeddings, this.#context.signal);
    const journal = await this.#station.journal();
    const saved = (await journal.getValue(this.#key)) as Saved | undefined;
    if (this.#digest !== digest) return;
    this.#monitor = new DriftMonitor(baseline, saved?.digest === digest ? saved.state : undefined);
  }

  async #save(): Promise<void> {
    if (this.#monitor === undefined) return;
    const saved: Saved = { digest: this.#digest, state: this.#monitor.toJSON() };
    try {
      await (await this.#station.journal()).setValue(this.#key, saved);
    } catch (error) {
      this.#fail(error);
    }
  }

  #fail(error: unknown): void {
    if (!this.#context.signal.aborted) this.#context.fail(error);
  }
}
