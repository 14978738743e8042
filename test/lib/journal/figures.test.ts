/** What a shift amounts to, read from the parts on record. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Decision, Inspection } from '../../../lib/inspection/inspection.ts';
import { openDatabase } from '../../../lib/journal/database.ts';
import { FIGURE_ROWS, FigureReader, LABEL_ROWS, ShiftCounter } from '../../../lib/journal/figures.ts';
import { openJournal } from '../../../lib/journal/journal.ts';
import { Tables } from '../../../lib/journal/tables.ts';
import type { Journal } from '../../../lib/journal/types.ts';

const SHIFT = '2026-03-02T06:00:00.000Z';

interface PartFacts {
  decision?: Decision;
  score?: number;
  age?: number;
  found?: string;
}

/** Part n was captured n minutes after the shift began; with a negative n, before. */
function part(sequence: number, minutes: number, facts: PartFacts = {}): Inspection {
  const { decision = 'accept', score = 1, age = 20, found } = facts;
  return {
    part: {
      id: `p${sequence}`,
      station: 'Press 4',
      sequence,
      capturedAt: new Date(Date.parse(SHIFT) + minutes * 60_000).toISOString(),
      deadlineMs: 900,
      startedAt: 0,
    },
    verdict: { decision, score, threshold: 3, reason: 'x', mode: 'NORMAL', calibration: 'c' },
    ...(found === undefined
      ? {}
      : {
          inference: [
            {
              model: { name: 'm', version: '1', digest: 'sha256:aa' },
              provider: 'cpu',
              ms: 1,
              task: 'detect',
              count: 1,
              objects: [{ label: found, score: 1, box: [0, 0, 1, 1] }],
            },
          ],
        }),
    timings: { age },
  };
}

describe('the figures of a shift', () => {
  let folder: string;
  let journal: Journal;

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'jidoka-figures-'));
    journal = await openJournal({ folder, ballastBytes: 0 });
  });
  afterEach(async () => {
    await journal.close();
    rmSync(folder, { recursive: true, force: true });
  });

  const label = (partId: string, truth: 'good' | 'defect', defectClass?: string) =>
    journal.recordLabel({
      partId,
      truth,
      actor: 'mara',
      reason: 'looked at it',
      station: 'Press 4',
      ...(defectClass === undefined ? {} : { defectClass }),
    });

  it('leave out what was before it, and are there again after a restart', async () => {
    await journal.recordPart(part(1, -1, { decision: 'reject' }));
    await journal.recordPart(part(2, 0));
    await journal.recordPart(part(3, 1, { decision: 'reject', score: 4 }));
    await journal.recordPart(part(4, 2, { decision: 'review', score: 2.5 }));
    const before = await journal.figures(SHIFT);
    assert.deepEqual([before.parts, before.accept, before.review, before.reject], [3, 1, 1, 1]);
    await journal.close();
    journal = await openJournal({ folder, ballastBytes: 0 });
    assert.deepEqual(await journal.figures(SHIFT), before);
  });

  it('are all nought of a shift without a part', async () => {
    await journal.recordPart(part(1, -1));
    const { parts, defects, trend, latency } = await journal.figures(SHIFT);
    assert.deepEqual(
      { parts, defects, trend, latency },
      {
        parts: 0,
        defects: [],
        trend: [],
        latency: { p50: null, p99: null },
      },
    );
  });

  it('follow what comes later: another part, and the verdict of one that had none', async () => {
    const { verdict, ...unjudged } = part(1, 1);
    await journal.recordPart(unjudged);
    assert.equal((await journal.figures(SHIFT)).accept, 0);
    assert.ok(verdict);
    await journal.recordPart({ ...unjudged, verdict });
    await journal.recordPart(part(2, 2));
    const { parts, accept } = await journal.figures(SHIFT);
    assert.deepEqual([parts, accept], [2, 2]);
  });

  it('name defects as a person does, before a model does, and say where either was wrong', async () => {
    await journal.recordPart(part(1, 1, { decision: 'reject', found: 'stain' }));
    await journal.recordPart(part(2, 2, { decision: 'reject', found: 'stain' }));
    await journal.recordPart(part(3, 3, { decision: 'reject', found: 'stain' }));
    await journal.recordPart(part(4, 4, { decision: 'reject' }));
    await journal.recordPart(part(5, 5, { decision: 'accept' }));
    await label('p2', 'good');
    await label('p3', 'good');
    await label('p3', 'defect', 'crack');
    await label('p5', 'defect', 'crack');
    const { defects, labels } = await journal.figures(SHIFT);
    assert.deepEqual(defects, [
      { name: 'crack', count: 2 },
      { name: 'stain', count: 1 },
      { name: null, count: 1 },
    ]);
    assert.deepEqual(labels, { good: 1, defect: 2, overkill: 1, escapes: 1 });
  });

  it('give latencies to within five percent, and a trend of bounded length that loses no extreme', async () => {
    const total = 2000;
    await Promise.all(
      Array.from({ length: total }, (_, index) =>
        journal.recordPart(
          part(index + 1, index / 60, { age: index < total / 2 ? 20 : 100, score: index === 777 ? 9 : 1 }),
        ),
      ),
    );
    const { latency, trend, parts } = await journal.figures(SHIFT);
    assert.equal(parts, total);
    assert.ok(latency.p50 !== null && latency.p99 !== null);
    assert.ok(Math.abs(latency.p50 / 20 - 1) < 0.05 && Math.abs(latency.p99 / 100 - 1) < 0.05);
    assert.ok(trend.length > 50 && trend.length <= 160, `${trend.length} points`);
    assert.equal(
      trend.reduce((sum, point) => sum + point.parts, 0),
      total,
    );
    assert.equal(Math.max(...trend.map(({ max }) => max)), 9);
    assert.ok(trend.every(({ threshold }) => threshold === 3));
  });
});

describe('the figures of a shift on a long record', function () {
  this.timeout(120_000);
  const PARTS = Number(process.env['JIDOKA_FIGURE_PARTS'] ?? 100_000);
  const SHIFT_PARTS = 5000;
  let folder: string;
  let database: ReturnType<typeof openDatabase>;

  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'jidoka-figures-'));
    database = openDatabase(folder);
    // One part a second, the last of them five thousand seconds into the shift.
    database
      .prepare(
        `INSERT INTO parts (id, sequence, decision, inspection)
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < @parts)
         SELECT 'p' || i, i, 'accept', json_set(@inspection, '$.part.id', 'p' || i, '$.part.sequence', i,
           '$.part.capturedAt', strftime('%Y-%m-%dT%H:%M:%fZ', @shift, (i - @parts + @late - 1) || ' seconds'))
         FROM n`,
      )
      .run({ parts: PARTS, late: SHIFT_PARTS, shift: SHIFT, inspection: JSON.stringify(part(0, 0)) });
  });
  after(() => {
    database.close();
    rmSync(folder, { recursive: true, force: true });
  });

  it('go along the indexes of sequences, never through all parts', () => {
    const plan = (sql: string, values: number[]): string =>
      (database.prepare(`EXPLAIN QUERY PLAN ${sql}`).all(...values) as { detail: string }[])
        .map(({ detail }) => detail)
        .join('; ');
    assert.match(plan(FIGURE_ROWS, [1, 10]), /^SEARCH parts USING INDEX parts_sequence \(sequence>\?\)$/);
    const labels = plan(LABEL_ROWS, [1, 10]);
    assert.match(labels, /SEARCH labels USING INDEX labels_sequence/);
    assert.match(labels, /SEARCH parts USING INDEX/);
    assert.doesNotMatch(labels, /SCAN/);
  });

  it('read only the parts of the shift, and then only what came since', async () => {
    const reader = new FigureReader(new Tables(database));
    let read = 0;
    let longestMs = 0;
    const timed = <Value>(work: () => Value): Promise<Value> => {
      const startedAt = performance.now();
      const value = work();
      longestMs = Math.max(longestMs, performance.now() - startedAt);
      return Promise.resolve(value);
    };
    const counter = new ShiftCounter(SHIFT, {
      firstSince: (since) => timed(() => reader.firstSince(since)),
      rows: async (from) => {
        const rows = await timed(() => reader.rows(from));
        read += rows.length;
        return rows;
      },
      labels: (from) => timed(() => reader.labels(from)),
    });
    const startedAt = performance.now();
    const figures = await counter.read();
    const firstMs = performance.now() - startedAt;
    assert.equal(figures.parts, SHIFT_PARTS);
    assert.equal(read, SHIFT_PARTS);
    read = 0;
    const againAt = performance.now();
    assert.deepEqual(await counter.read(), figures);
    assert.ok(read <= 200, `${read} parts were read again`);
    console.log(
      `      ${SHIFT_PARTS} of ${PARTS} parts: ${firstMs.toFixed(0)} ms, then ${(performance.now() - againAt).toFixed(1)} ms; ` +
        `the journal was held for ${longestMs.toFixed(1)} ms at most`,
    );
  });
});
