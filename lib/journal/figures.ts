/**
 * What a shift amounts to: parts by decision, defects by class, the scores against their threshold, the latency.
 *
 * Read from the parts on record, so that a restart loses nothing, and in short stretches along the index of
 * sequences, so that people who look at a station do not hold up what it writes. What was read once is kept: asking
 * again reads the parts that came since, and the newest ones again, because their ticket and command come later.
 * Memory is bounded whatever the number of parts.
 */
import type { Decision } from '../inspection/inspection.ts';
import type { Tables } from './tables.ts';
import type { Truth } from './types.ts';

/** Parts of one stretch: on a busy machine of two cores 1 000 held the journal for 52 ms. */
const STRETCH = 400;
/** The newest parts may still change: they are read again with every question. */
const OPEN_PARTS = 200;
/** Points of the trend; two become one when there would be more. */
const TREND_POINTS = 160;
/** Width of a class of latencies: quantiles are right to 2.5 %. */
const LATENCY_STEP = 1.05;
/** Defect classes told by name; the rest counts as the last one. */
const MAX_CLASSES = 20;
/** Labels that are looked at for the classes of one shift. */
const MAX_LABELS = 10_000;

interface TrendPoint {
  /** ISO 8601, of the first and the last part of the point. */
  from: string;
  to: string;
  parts: number;
  min: number;
  mean: number;
  max: number;
  /** Of the last part; null where there was none. */
  threshold: number | null;
}

export interface ShiftFigures {
  /** ISO 8601: what was asked for. */
  since: string;
  parts: number;
  accept: number;
  review: number;
  reject: number;
  /** Rejects by class, most first; `null` where nobody and nothing has named one. A person's word counts before a model's. */
  defects: { name: string | null; count: number }[];
  /** What people found: rejects that were good, and parts let through that were not. */
  labels: { good: number; defect: number; overkill: number; escapes: number };
  trend: TrendPoint[];
  /** Milliseconds from the trigger to the verdict; null without a part. */
  latency: { p50: number | null; p99: number | null };
}

/** One part as the figures see it. */
export interface FigureRow {
  sequence: number;
  decision: Decision | null;
  at: string;
  score: number | null;
  threshold: number | null;
  age: number | null;
  /** What a detector found first. */
  found: string | null;
}

export interface LabelFigureRow {
  truth: Truth;
  decision: Decision | null;
  defectClass: string | null;
  found: string | null;
}

const FOUND = `json_extract(parts.inspection, '$.inference[#-1].objects[0].label')`;

/** @param tables of the journal. One stretch of parts from a sequence on, along the index. */
export const FIGURE_ROWS = `SELECT sequence, decision,
    json_extract(inspection, '$.part.capturedAt') AS at,
    json_extract(inspection, '$.verdict.score') AS score,
    json_extract(inspection, '$.verdict.threshold') AS threshold,
    json_extract(inspection, '$.timings.age') AS age,
    ${FOUND} AS found
  FROM parts INDEXED BY parts_sequence WHERE sequence >= ? ORDER BY sequence LIMIT ?`;

/** The last label of each inspection from a sequence on. */
export const LABEL_ROWS = `SELECT labels.truth, labels.decision, labels.defect_class AS defectClass, ${FOUND} AS found
  FROM labels LEFT JOIN parts ON parts.id = labels.part_id AND parts.sequence = labels.sequence
  WHERE labels.sequence >= ? AND NOT EXISTS (SELECT 1 FROM labels AS later WHERE later.part_id = labels.part_id
    AND later.sequence = labels.sequence AND later.row_id > labels.row_id)
  LIMIT ?`;

const CAPTURED = `SELECT sequence, json_extract(inspection, '$.part.capturedAt') AS at
  FROM parts INDEXED BY parts_sequence WHERE sequence >= ? ORDER BY sequence LIMIT 1`;
const ENDS = 'SELECT MIN(sequence) AS first, MAX(sequence) AS last FROM parts';

/** The journal's side: each call is short. */
export class FigureReader {
  readonly #tables: Tables;

  constructor(tables: Tables) {
    this.#tables = tables;
  }

  /**
   * Sequence of the first part captured at or after a moment, in ISO 8601; one after the last where there is none.
   * Parts are captured in the order of their sequence, unless somebody set the clock back.
   */
  firstSince(since: string): number {
    const [ends] = this.#tables.all<{ first: number | null; last: number | null }>(ENDS);
    if (ends === undefined || ends.first === null || ends.last === null) return 1;
    let [low, high] = [ends.first, ends.last + 1];
    while (low < high) {
      const middle = Math.floor((low + high) / 2);
      const [part] = this.#tables.all<{ sequence: number; at: string }>(CAPTURED, middle);
      if (part === undefined || part.at >= since) high = middle;
      else low = part.sequence + 1;
    }
    return low;
  }

  rows(from: number): FigureRow[] {
    return this.#tables.all<FigureRow>(FIGURE_ROWS, from, STRETCH);
  }

  labels(from: number): LabelFigureRow[] {
    return this.#tables.all<LabelFigureRow>(LABEL_ROWS, from, MAX_LABELS);
  }
}

/** What the station's side asks the reader for, through the journal's thread. */
export interface FigureSource {
  firstSince(since: string): Promise<number>;
  rows(from: number): Promise<FigureRow[]>;
  labels(from: number): Promise<LabelFigureRow[]>;
}

interface Sums {
  counts: Record<Decision, number>;
  parts: number;
  /** Rejects by what a model found in them. */
  found: Map<string | null, number>;
  /** Latencies by class: the class of 1.05ⁿ ms is n. */
  ages: Map<number, number>;
  trend: TrendPoint[];
  /** How many parts a point of the trend stands for. */
  perPoint: number;
}

/** The running sums of one shift. */
export class ShiftCounter {
  readonly #since: string;
  readonly #source: FigureSource;
  #settled: Sums = emptySums();
  #first: number | undefined;
  #next = 0;
  #turn: Promise<unknown> = Promise.resolve();

  /** @param since ISO 8601 in UTC, as parts carry it */
  constructor(since: string, source: FigureSource) {
    this.#since = since;
    this.#source = source;
  }

  /** Rejects with what the journal rejects with. */
  read(): Promise<ShiftFigures> {
    const read = this.#turn.then(() => this.#read());
    this.#turn = read.catch(() => undefined);
    return read;
  }

  async #read(): Promise<ShiftFigures> {
    if (this.#first === undefined) {
      this.#first = await this.#source.firstSince(this.#since);
      this.#next = this.#first;
    }
    let open: FigureRow[] = [];
    let from = this.#next;
    for (;;) {
      const rows = await this.#source.rows(from);
      open.push(...rows);
      const settled = open.slice(0, Math.max(0, open.length - OPEN_PARTS));
      for (const row of settled) add(this.#settled, row);
      open = open.slice(settled.length);
      this.#next = open[0]?.sequence ?? from;
      const last = rows.at(-1);
      if (last === undefined || rows.length < STRETCH) break;
      from = last.sequence + 1;
    }
    const sums = copySums(this.#settled);
    for (const row of open) add(sums, row);
    return this.#figures(sums, await this.#source.labels(this.#first));
  }

  #figures(sums: Sums, labels: LabelFigureRow[]): ShiftFigures {
    return {
      since: this.#since,
      parts: sums.parts,
      ...sums.counts,
      defects: pareto(sums.found, labels),
      labels: labelFigures(labels),
      trend: sums.trend,
      latency: { p50: quantile(sums.ages, 0.5), p99: quantile(sums.ages, 0.99) },
    };
  }
}

function emptySums(): Sums {
  return {
    counts: { accept: 0, review: 0, reject: 0 },
    parts: 0,
    found: new Map(),
    ages: new Map(),
    trend: [],
    perPoint: 1,
  };
}

function copySums(sums: Sums): Sums {
  return {
    ...sums,
    counts: { ...sums.counts },
    found: new Map(sums.found),
    ages: new Map(sums.ages),
    trend: sums.trend.map((point) => ({ ...point })),
  };
}

function countUp<Key>(counts: Map<Key, number>, key: Key, by = 1): void {
  counts.set(key, (counts.get(key) ?? 0) + by);
}

function add(sums: Sums, { decision, at, score, threshold, age, found }: FigureRow): void {
  sums.parts += 1;
  if (decision !== null) sums.counts[decision] += 1;
  if (decision === 'reject') countUp(sums.found, found);
  if (age !== null)
    countUp(sums.ages, Math.max(0, Math.ceil(Math.log(Math.max(age, 1)) / Math.log(LATENCY_STEP))));
  if (score !== null) addToTrend(sums, at, score, threshold);
}

function addToTrend(sums: Sums, at: string, score: number, threshold: number | null): void {
  const last = sums.trend.at(-1);
  const point = { from: at, to: at, parts: 1, min: score, mean: score, max: score, threshold };
  if (last === undefined || last.parts >= sums.perPoint) {
    sums.trend.push(point);
    if (sums.trend.length <= TREND_POINTS) return;
    sums.perPoint *= 2;
    sums.trend = sums.trend.flatMap((one, index, all) => {
      const next = all[index + 1];
      if (index % 2 === 1) return [];
      return next === undefined ? [one] : [joined(one, next)];
    });
  } else sums.trend[sums.trend.length - 1] = joined(last, point);
}

function joined(one: TrendPoint, next: TrendPoint): TrendPoint {
  const parts = one.parts + next.parts;
  return {
    from: one.from,
    to: next.to,
    parts,
    min: Math.min(one.min, next.min),
    mean: (one.mean * one.parts + next.mean * next.parts) / parts,
    max: Math.max(one.max, next.max),
    threshold: next.threshold,
  };
}

/** Upper end of the class in which that share of latencies has been passed, in milliseconds. */
function quantile(ages: ReadonlyMap<number, number>, share: number): number | null {
  const total = [...ages.values()].reduce((sum, count) => sum + count, 0);
  let passed = 0;
  for (const [step, count] of [...ages].sort(([one], [other]) => one - other)) {
    passed += count;
    if (passed >= total * share) return LATENCY_STEP ** step;
  }
  return null;
}

function pareto(
  found: ReadonlyMap<string | null, number>,
  labels: readonly LabelFigureRow[],
): ShiftFigures['defects'] {
  const counts = new Map(found);
  for (const label of labels) {
    // What the model had named it is taken back, what the person named it counts.
    if (label.decision === 'reject') countUp(counts, label.found, -1);
    if (label.truth === 'defect') countUp(counts, label.defectClass ?? label.found);
  }
  const sorted = [...counts]
    .filter(([, count]) => count > 0)
    .map(([name, count]) => ({ name, count }))
    .sort((one, other) => other.count - one.count);
  const rest = sorted.slice(MAX_CLASSES - 1).reduce((sum, { count }) => sum + count, 0);
  return sorted.length <= MAX_CLASSES
    ? sorted
    : [...sorted.slice(0, MAX_CLASSES - 1), { name: '…', count: rest }];
}

function labelFigures(labels: readonly LabelFigureRow[]): ShiftFigures['labels'] {
  const count = (fits: (label: LabelFigureRow) => boolean): number => labels.filter(fits).length;
  return {
    good: count(({ truth }) => truth === 'good'),
    defect: count(({ truth }) => truth === 'defect'),
    overkill: count(({ truth, decision }) => truth === 'good' && decision === 'reject'),
    escapes: count(({ truth, decision }) => truth === 'defect' && decision === 'accept'),
  };
}
