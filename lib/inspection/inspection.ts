/**
 * The envelope of one part: what `msg.inspection` holds on a wire and what the journal keeps.
 * Plain JSON only. Each node fills its own section and touches no other.
 */
import { ulid } from 'ulid';
import type { Alignment } from '../frame/align.ts';
import type { HealthTrendSection } from '../series/health-trend.ts';

export type Decision = 'accept' | 'review' | 'reject';

/** The ladder a station steps down by itself and climbs only by a person. */
export type Mode = 'NORMAL' | 'CONSERVATIVE' | 'RULES' | 'STOPPED';

/** Axis-aligned box in pixels of the whole frame: left, top, width, height. */
export type Box = [x: number, y: number, width: number, height: number];

interface PartSection {
  id: string;
  station: string;
  /** Counts the parts of a station upwards from 1; survives restarts where a journal exists. */
  sequence: number;
  /** ISO 8601 in UTC. For people; deadlines are measured with `startedAt`. */
  capturedAt: string;
  /** Milliseconds after `startedAt` in which the verdict must have acted. */
  deadlineMs: number;
  /** Monotonic clock of this process, in milliseconds (`performance.now()`), when the part was triggered. */
  startedAt: number;
}

/** What is wrong with how a camera sees. */
export type HealthReason =
  'blurred' | 'too-dark' | 'too-bright' | 'low-contrast' | 'frozen' | 'shifted' | 'colour-cast';

export interface HealthSection {
  /** Variance of the Laplacian in squared grey levels, 0 (flat) and up; compare with the station's own baseline. */
  sharpness: number;
  /** Finest detail against coarser, about 1 for noise, less for every blur; the part hardly matters. */
  fineness: number;
  /** Mean luminance, 0..1. */
  brightness: number;
  /** Standard deviation of the luminance, 0..0.5. */
  contrast: number;
  /** Share of pixels at the black and at the white end of the range, and at either, 0..1. */
  clippedDark: number;
  clippedBright: number;
  clipped: number;
  /** How far the picture leans to blue (Cb) and to red (Cr) against neutral grey, -0.5..0.5. */
  castBlue: number;
  castRed: number;
  /** True when this frame is byte for byte the one before. */
  frozen: boolean;
  /** Pixels of the whole frame to the right and down against the baseline; absent without one. */
  shift?: { x: number; y: number; quality: number };
  /** `ready` is the only state in which findings but `frozen` can be made. */
  baseline: 'none' | 'learning' | 'ready' | 'other-size';
  /** What is outside the baseline's bands in this frame. */
  findings: HealthReason[];
}

export interface FrameSection {
  id: string;
  width: number;
  height: number;
  format: string;
  capturedAt: string;
  source: string;
  sha256: string;
  /** Name of the region of the camera's picture this is, and where it lies there. */
  region?: string;
  box?: Box;
  health?: HealthSection;
}

export interface ModelReference {
  name: string;
  version: string;
  /** `sha256:` and 64 hexadecimal digits. */
  digest: string;
}

export interface InferenceSection {
  model: ModelReference;
  /** The execution provider that really ran the graph. */
  provider: string;
  /** Milliseconds in the graph itself. */
  ms: number;
  task: string;
  /** Number of predictions. */
  count: number;
  /** What a detector found, best first: the record keeps it, and a later node may look at each. */
  objects?: { label: string; score: number; box: Box }[];
  /** Where the part lay against where the model expects it; boxes are in the frame as it came. */
  alignment?: Alignment;
}

export interface AnomalySection {
  /** Distance from normal, in the model's own units; higher is worse. */
  score: number;
  /** Share of good parts expected to score at least this high, 0..1. */
  pValue: number;
  method: string;
  model: ModelReference;
  provider: string;
  boxes: Box[];
  /** Of signals: the features that make the score what it is, the most telling first; shares of 1. */
  contributions?: { name: string; share: number }[];
  /** Of signals: where the score is heading; absent unless asked for, and while too little is known. */
  trend?: HealthTrendSection;
  /** Where the part lay against where it lay when it was taught; boxes are in the frame as it came. */
  alignment?: Alignment;
}

export interface VerdictSection {
  decision: Decision;
  /** Null when there was no usable score. */
  score: number | null;
  threshold: number | null;
  /** `above-threshold`, `below-threshold`, `review-band`, `no-score`, `late`, … */
  reason: string;
  mode: Mode;
  /** Names the calibration the threshold came from; `fixed` for one typed in by a person. */
  calibration: string;
  /** Share of good parts expected to score at least this high, 0..1; where the judging gives one. */
  pValue?: number;
  /** What would have been decided, by a gate that does not know enough yet to decide (`advise`). */
  advice?: Decision;
  /** Version of the gate's settings, counted up by every change that a person or the gate made. */
  settings?: number;
  /** What each further rule found, in the order they were asked. */
  rules?: { rule: string; decision: Decision; reason: string }[];
}

export type CommandOutcome = 'confirmed' | 'refused' | 'clamped' | 'unknown';

interface CommandSection {
  id: string;
  outcome: CommandOutcome;
  /** Reason code when the outcome is not `confirmed`. */
  reason?: string;
  /** The same for people, e.g. `61 is above 60`. */
  detail?: string;
  endpoint: string;
  tag: string;
  requested: unknown;
  readBack: unknown;
  ms: number;
}

interface TicketSection {
  /** The number the MES gave it; empty until it has. */
  id: string;
  state: 'queued' | 'acknowledged' | 'failed';
  /** Idempotency key, made once. */
  key: string;
  /** What the MES has said of it since, in its own word (`said`), where its state comes back. */
  receiver?: { state: 'open' | 'closed'; said: string; at: string };
}

export interface Inspection {
  part: PartSection;
  frame?: FrameSection;
  inference?: InferenceSection[];
  anomaly?: AnomalySection;
  verdict?: VerdictSection;
  command?: CommandSection;
  ticket?: TicketSection;
  /** Milliseconds per stage; `age` is measured from the trigger. */
  timings: Record<string, number>;
}

/** What nodes fill in besides what models say. */
const SECTIONS = ['frame', 'verdict', 'command', 'ticket'] as const;

export interface NewPart {
  station: string;
  sequence: number;
  deadlineMs: number;
  /** From the PLC or a barcode; a ULID is made when absent. */
  id?: string;
  now?: Date;
  monotonicNow?: number;
}

/** Opens the envelope of a part at the moment it was triggered. */
export function openInspection(part: NewPart): Inspection {
  const now = part.now ?? new Date();
  return {
    part: {
      id: part.id ?? ulid(now.getTime()),
      station: part.station,
      sequence: part.sequence,
      capturedAt: now.toISOString(),
      deadlineMs: part.deadlineMs,
      startedAt: part.monotonicNow ?? performance.now(),
    },
    timings: {},
  };
}

/** Milliseconds since the part was triggered, by the monotonic clock. */
export function ageMs(inspection: Inspection, monotonicNow = performance.now()): number {
  return monotonicNow - inspection.part.startedAt;
}

/**
 * True when the part's deadline has passed, so that nothing may act on it any more. A part
 * that seems triggered in the future carries the clock of an earlier process: nobody knows its age.
 */
export function isLate(inspection: Inspection, monotonicNow = performance.now()): boolean {
  const age = ageMs(inspection, monotonicNow);
  return !(age >= 0 && age <= inspection.part.deadlineMs);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** What a model says is of no use without saying which model. */
function isOfModel(section: unknown): boolean {
  return isRecord(section) && isRecord(section['model']) && typeof section['model']['digest'] === 'string';
}

/** Recognises an envelope on an untrusted message: its part, and each section either absent or a section. */
export function isInspection(value: unknown): value is Inspection {
  if (!isRecord(value)) return false;
  const { part, timings, inference = [], anomaly, ...sections } = value;
  return (
    isRecord(part) &&
    typeof part['id'] === 'string' &&
    typeof part['startedAt'] === 'number' &&
    typeof part['deadlineMs'] === 'number' &&
    isRecord(timings) &&
    Array.isArray(inference) &&
    inference.every(isOfModel) &&
    (anomaly === undefined || isOfModel(anomaly)) &&
    SECTIONS.every((name) => sections[name] === undefined || isRecord(sections[name]))
  );
}
