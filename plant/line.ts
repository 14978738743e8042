/**
 * The stamping line behind the camera: parts arrive at a takt, pass under the camera, travel to the
 * reject gate and are diverted or passed there, as the PLC's bit says at that moment. Only the line knows
 * the truth, and it keeps the score against it.
 *
 * Time is the line's own: `step(ms)` moves it, `start()` makes it follow a clock. Which parts come, and
 * with which defects, follows from the seed alone.
 */
import { EventEmitter } from 'node:events';
import { DEFECT_KINDS, type DefectKind } from './defects.ts';
import { PlcMemory } from './plc-memory.ts';
import { mixSeed, randomFrom } from './random.ts';

export interface LineOptions {
  seed?: number;
  /** Milliseconds between two parts; 1500 unless told. */
  taktMs?: number;
  /** Milliseconds from the camera to the reject gate; 900 unless told. */
  travelMs?: number;
  /** The first parts, made while setting up, have no defect; 80 unless told. */
  goodParts?: number;
  /** Share of the parts after those that carry a defect, 0..1; 0.03 unless told. */
  defectShare?: number;
  /** About every so many parts a broken die cracks three in a row; 150 unless told, 0 for never. */
  burstEvery?: number;
  /** Begins each part's id, so that two runs do not share ids; `A` unless told. */
  batch?: string;
  /** The PLC that runs the line; one of its own unless told. */
  plc?: PlcMemory;
  /** Monotonic milliseconds; `performance.now` unless told. */
  clock?: () => number;
}

/** What is known of a part before it exists. */
export interface PartPlan {
  id: string;
  /** Counts from 1. */
  sequence: number;
  seed: number;
  defect: DefectKind | null;
  /** Where the defect lies; the three parts of a burst share it. */
  defectSeed: number;
}

export type Fate = 'on-belt' | 'passed' | 'diverted';

export interface Part extends PartPlan {
  /** Is it bad? Null where nobody knows (the user's own images). */
  bad: boolean | null;
  fate: Fate;
  /** The line's own time at the camera, in milliseconds. */
  atCameraMs: number;
}

export interface LineCounts {
  /** Parts that passed the camera. */
  seen: number;
  passed: number;
  diverted: number;
  /** Of those whose fate is sealed and whose truth is known: bad ones. */
  defective: number;
  /** Bad and passed. */
  escapes: number;
  /** Good and diverted. */
  overkill: number;
  /** Bad and diverted, or good and passed. */
  correct: number;
}

interface LineEvents {
  /** A part is under the camera; the PLC's PartId and PartCounter are set, PartPresent rises just after. */
  part: [part: Part];
  /** A part has passed the gate, one way or the other. */
  fate: [part: Part];
}

const BURST_LENGTH = 3;
/** Long enough for a subscription that samples every 50 ms. */
const PULSE_MS = 150;
const MAX_CATCH_UP_MS = 10_000;

export class Line extends EventEmitter<LineEvents> {
  readonly plc: PlcMemory;
  readonly counts: LineCounts = {
    seen: 0,
    passed: 0,
    diverted: 0,
    defective: 0,
    escapes: 0,
    overkill: 0,
    correct: 0,
  };
  readonly taktMs: number;
  readonly travelMs: number;
  readonly #options: Required<Omit<LineOptions, 'plc' | 'taktMs' | 'travelMs'>>;
  readonly #onBelt: Part[] = [];
  #nowMs = 0;
  #nextArrivalMs: number;
  #pulseEndMs = Infinity;
  #sequence = 0;
  #timer: NodeJS.Timeout | undefined;
  /** What the clock showed when the line's time was 0. */
  #startedAt = 0;
  /** Overrides what a plan says about good and bad, for images the line did not draw. */
  #judge: (plan: PartPlan) => boolean | null = (plan) => plan.defect !== null;

  constructor(options: LineOptions = {}) {
    super();
    this.plc = options.plc ?? new PlcMemory();
    this.taktMs = positive('taktMs', options.taktMs ?? 1500);
    this.travelMs = positive('travelMs', options.travelMs ?? 900);
    this.#options = {
      seed: options.seed ?? 1,
      goodParts: options.goodParts ?? 80,
      defectShare: options.defectShare ?? 0.03,
      burstEvery: options.burstEvery ?? 150,
      batch: options.batch ?? 'A',
      clock: options.clock ?? (() => performance.now()),
    };
    this.#nextArrivalMs = this.taktMs;
    this.plc.on('change', (tag, value) => {
      // A feeder that starts again needs one takt to bring the first part.
      if (tag === 'FeederEnable' && value === true) {
        this.#nextArrivalMs = this.#presentMs() + this.taktMs;
        this.#follow();
      }
    });
  }

  /** The line's own time in milliseconds. */
  get nowMs(): number {
    return this.#nowMs;
  }

  /** Parts between the camera and the gate, the foremost first. */
  get onBelt(): readonly Part[] {
    return this.#onBelt;
  }

  /** Which truth counts where the pictures are not the line's own. */
  judgeBy(judge: (plan: PartPlan) => boolean | null): void {
    this.#judge = judge;
  }

  /** What part number `sequence` (from 1) will be. */
  plan(sequence: number): PartPlan {
    const { seed, batch, goodParts, defectShare } = this.#options;
    const own = mixSeed(seed, sequence);
    const random = randomFrom(mixSeed(own, 0x9a47));
    const plan = {
      id: `${batch}-${String(sequence).padStart(6, '0')}`,
      sequence,
      seed: own,
      defect: null,
      defectSeed: own,
    };
    if (sequence <= goodParts) return plan;
    const burst = this.#burstOf(sequence);
    if (burst !== null) return { ...plan, defect: 'crack', defectSeed: mixSeed(seed, burst, 0xd1e) };
    if (random.next() >= defectShare) return plan;
    return { ...plan, defect: random.pick(DEFECT_KINDS) };
  }

  /** Moves the line's time on; everything due in between happens in order. */
  step(ms: number): void {
    const until = this.#nowMs + ms;
    for (let due = this.#nextEventMs(); due <= until; due = this.#nextEventMs()) {
      this.#nowMs = Math.max(this.#nowMs, due);
      this.#happen();
    }
    this.#nowMs = until;
  }

  /** Lets the line's time follow the clock. */
  start(): void {
    if (this.#timer !== undefined) return;
    this.#startedAt = this.#options.clock() - this.#nowMs;
    this.#timer = setTimeout(() => undefined, 0);
    this.#follow();
  }

  /** Stands still until `start()`. */
  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  /** Where the line's time stands by the clock; `nowMs` moves only when something is due. */
  #presentMs(): number {
    return this.#timer === undefined ? this.#nowMs : this.#options.clock() - this.#startedAt;
  }

  #follow(): void {
    if (this.#timer === undefined) return;
    clearTimeout(this.#timer);
    // While the feeder stands still nothing may be due; look again now and then, so that time goes on.
    const waitMs = Math.min(1000, Math.max(0, this.#nextEventMs() - this.#presentMs()));
    this.#timer = setTimeout(() => {
      const elapsedMs = Math.max(0, this.#presentMs() - this.#nowMs);
      // A computer that slept does not owe the parts of the night.
      const lostMs = Math.max(0, elapsedMs - MAX_CATCH_UP_MS);
      this.#startedAt += lostMs;
      this.step(elapsedMs - lostMs);
      this.#follow();
    }, waitMs);
  }

  #nextEventMs(): number {
    const arrival = this.plc.get('FeederEnable') ? this.#nextArrivalMs : Infinity;
    const foremost = this.#onBelt[0];
    const gate = foremost === undefined ? Infinity : foremost.atCameraMs + this.travelMs;
    return Math.min(arrival, gate, this.#pulseEndMs);
  }

  /** Handles the one thing that is due now; the gate before the camera, as on the belt. */
  #happen(): void {
    const foremost = this.#onBelt[0];
    if (this.#pulseEndMs <= this.#nowMs) {
      this.#pulseEndMs = Infinity;
      this.plc.set('PartPresent', false);
    } else if (foremost !== undefined && foremost.atCameraMs + this.travelMs <= this.#nowMs) {
      this.#onBelt.shift();
      this.#passGate(foremost);
    } else {
      this.#nextArrivalMs += this.taktMs;
      this.#arrive();
    }
  }

  #arrive(): void {
    this.#sequence++;
    const plan = this.plan(this.#sequence);
    const part: Part = { ...plan, bad: this.#judge(plan), fate: 'on-belt', atCameraMs: this.#nowMs };
    this.#onBelt.push(part);
    this.counts.seen++;
    this.plc.set('PartId', part.id);
    this.plc.set('PartCounter', this.counts.seen);
    this.emit('part', part);
    this.#pulseEndMs = this.#nowMs + Math.min(PULSE_MS, this.taktMs / 2);
    this.plc.set('PartPresent', true);
  }

  #passGate(part: Part): void {
    const divert = this.plc.get('RejectGate');
    part.fate = divert ? 'diverted' : 'passed';
    if (divert) {
      this.counts.diverted++;
      this.plc.set('RejectedCount', this.counts.diverted);
      this.plc.set('RejectGate', false);
    } else {
      this.counts.passed++;
    }
    if (part.bad !== null) {
      if (part.bad) this.counts.defective++;
      if (part.bad && !divert) this.counts.escapes++;
      else if (!part.bad && divert) this.counts.overkill++;
      else this.counts.correct++;
    }
    this.emit('fate', part);
  }

  /** The number of the burst a part belongs to, or null. One burst lies somewhere in each stretch. */
  #burstOf(sequence: number): number | null {
    const { seed, burstEvery, goodParts } = this.#options;
    if (burstEvery < BURST_LENGTH) return null;
    const after = sequence - goodParts - 1;
    const stretch = Math.floor(after / burstEvery);
    const start = randomFrom(mixSeed(seed, stretch, 0xb0)).below(burstEvery - BURST_LENGTH + 1);
    const within = after - stretch * burstEvery - start;
    return within >= 0 && within < BURST_LENGTH ? stretch : null;
  }
}

function positive(name: string, value: number): number {
  if (Number.isFinite(value) && value > 0) return value;
  throw new RangeError(`${name} must be a number above 0, not ${value}`);
}
