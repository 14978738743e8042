import assert from 'node:assert/strict';
import { driftBaseline, embeddingBaseline, type DriftBaseline } from '../../../lib/drift/baseline.ts';
import { DriftMonitor, type DriftFinding, type DriftState } from '../../../lib/drift/monitor.ts';
import { seededRandom, type Random } from '../../../lib/statistics/random.ts';

const FEATURES = 24;
const normals = (random: Random, count: number): number[] =>
  Array.from({ length: count }, () => random.normal());

interface Part {
  score: number;
  embedding: number[];
}

/** A good part: features that vary together, more in some directions than in others. */
function goodPart(random: Random): Part {
  const [first = 0, second = 0] = normals(random, 2);
  const embedding = normals(random, FEATURES).map(
    (noise, feature) => 5 + Math.sin(feature) * first + 0.5 * Math.cos(2 * feature) * second + 0.1 * noise,
  );
  return { score: 4 + 0.2 * Math.exp(0.5 * random.normal()), embedding };
}

function baselineOf(seed: number, count: number): DriftBaseline {
  const random = seededRandom(seed);
  const parts = Array.from({ length: count }, () => goodPart(random));
  return driftBaseline(
    parts.map(({ score }) => score),
    embeddingBaseline(parts.map(({ embedding }) => embedding)),
  );
}

/** Parts until the first finding, and that finding. */
function firstFinding(
  monitor: DriftMonitor,
  count: number,
  part: (index: number) => Partial<Part>,
): { after: number; finding: DriftFinding } | undefined {
  for (let index = 0; index < count; index += 1) {
    const finding = monitor.add(part(index));
    if (finding !== undefined) return { after: index + 1, finding };
  }
  return undefined;
}

describe('the drift monitor', () => {
  const baseline = baselineOf(1, 100);

  it('says nothing over ten thousand parts as good as the taught ones', () => {
    const random = seededRandom(2);
    assert.equal(
      firstFinding(new DriftMonitor(baseline), 10_000, () => goodPart(random)),
      undefined,
    );
  });

  it('is not moved by defects: one part in ten, or eight in a row', () => {
    for (const [share, inARow] of [
      [0.1, 0],
      [0.03, 8],
    ] as const) {
      const random = seededRandom(3);
      const found = firstFinding(new DriftMonitor(baseline), 5000, (index) => {
        const { score, embedding } = goodPart(random);
        const isDefect = random.uniform() < share || index % 500 < inARow;
        return isDefect
          ? { score: 40, embedding: embedding.map((value) => value * 3) }
          : { score, embedding };
      });
      assert.equal(found, undefined);
    }
  });

  it('finds within fifteen parts that the pictures have become others, and says so', () => {
    const random = seededRandom(4);
    const monitor = new DriftMonitor(baseline);
    for (let part = 0; part < 300; part += 1) monitor.add(goodPart(random));
    const found = firstFinding(monitor, 200, () => {
      const { score, embedding } = goodPart(random);
      return { score, embedding: embedding.map((value) => value * 0.8) };
    });
    assert.ok(found !== undefined && found.after <= 15);
    assert.equal(found.finding.code, 'DRIFT');
    assert.equal(found.finding.what, 'embedding');
    assert.ok(found.finding.since <= 15);
    assert.match(found.finding.message, /pictures of the last \d+ parts/);
  });

  it('finds that scores have risen by more than a standard deviation, and that they have fallen', () => {
    for (const shift of [0.15, -0.1]) {
      const random = seededRandom(5);
      const monitor = new DriftMonitor(driftBaseline(baseline.scores));
      for (let part = 0; part < 300; part += 1) monitor.add(goodPart(random));
      const found = firstFinding(monitor, 200, () => ({ score: goodPart(random).score + shift }));
      assert.ok(found !== undefined && found.after <= 200, `${shift}`);
      assert.match(found.finding.message, /scores of the last \d+ parts/);
    }
  });

  it('finds what creeps while every part is still within the range of the good ones', () => {
    const random = seededRandom(6);
    const top = baseline.scores.at(-1) ?? 0;
    const monitor = new DriftMonitor(driftBaseline(baseline.scores));
    const found = firstFinding(monitor, 400, (index) => {
      const { score } = goodPart(random);
      const aim = baseline.scores[88] ?? 0;
      return { score: Math.min(top - 1e-6, score + Math.min(1, index / 300) * Math.max(0, aim - score)) };
    });
    assert.ok(found !== undefined);
    assert.equal(found.finding.what, 'score');
  });

  it('begins anew after a finding, and finds again what lasts', () => {
    const random = seededRandom(7);
    const monitor = new DriftMonitor(baseline);
    const dark = (): Part => {
      const { score, embedding } = goodPart(random);
      return { score, embedding: embedding.map((value) => value * 0.8) };
    };
    const found = Array.from({ length: 60 }, () => monitor.add(dark())).filter((item) => item !== undefined);
    assert.ok(found.length >= 3 && found.length <= 6);
    monitor.add(dark());
    monitor.restart();
    assert.equal(
      firstFinding(monitor, 500, () => goodPart(random)),
      undefined,
    );
  });

  it('goes on after a restart as if it had never stopped', () => {
    for (const stop of [7, 120, 333]) {
      const parts = ((random) => Array.from({ length: 400 }, () => goodPart(random)))(seededRandom(8));
      parts.slice(330).forEach((part) => (part.embedding = part.embedding.map((value) => value * 0.8)));
      const whole = new DriftMonitor(baseline);
      const expected = parts.map((part) => whole.add(part));
      const before = new DriftMonitor(baseline);
      const first = parts.slice(0, stop).map((part) => before.add(part));
      const state = JSON.parse(JSON.stringify(before)) as DriftState;
      const after = new DriftMonitor(JSON.parse(JSON.stringify(baseline)) as DriftBaseline, state);
      assert.equal(after.parts, stop);
      assert.deepEqual([...first, ...parts.slice(stop).map((part) => after.add(part))], expected);
      assert.ok(expected.some((finding) => finding !== undefined));
    }
  });

  it('remembers no more after fifty thousand parts than a few kilobytes', () => {
    const random = seededRandom(9);
    const monitor = new DriftMonitor(driftBaseline(baseline.scores));
    for (let part = 0; part < 50_000; part += 1) monitor.add({ score: goodPart(random).score });
    assert.equal(monitor.parts, 50_000);
    assert.ok(JSON.stringify(monitor).length < 20_000);
  });

  it('takes a part without score or embedding for what it is: nothing known', () => {
    const monitor = new DriftMonitor(baseline);
    for (let part = 0; part < 300; part += 1) assert.equal(monitor.add({ score: NaN }), undefined);
    for (let part = 0; part < 300; part += 1) assert.equal(monitor.add({}), undefined);
  });

  it('refuses an embedding that is not of its model, and too few good parts', () => {
    const monitor = new DriftMonitor(baseline);
    assert.throws(() => monitor.add({ score: 4, embedding: [1, 2, 3] }), { code: 'DRIFT_EMBEDDING_INVALID' });
    const broken = new Array<number>(FEATURES).fill(NaN);
    assert.throws(() => monitor.add({ score: 4, embedding: broken }), { code: 'DRIFT_EMBEDDING_INVALID' });
    assert.throws(() => driftBaseline([1, 2, 3]), { code: 'DRIFT_BASELINE_TOO_SMALL' });
    assert.throws(() => embeddingBaseline([[1], [2]]), { code: 'DRIFT_BASELINE_TOO_SMALL' });
  });

  it('works from as few as a dozen good parts, later and not more loosely', () => {
    const few = baselineOf(10, 12);
    const random = seededRandom(11);
    assert.equal(
      firstFinding(new DriftMonitor(few), 3000, () => goodPart(random)),
      undefined,
    );
    const found = firstFinding(new DriftMonitor(few), 200, () => {
      const { score, embedding } = goodPart(random);
      return { score: score + 5, embedding: embedding.map((value) => value * 0.5) };
    });
    assert.ok(found !== undefined);
  });
});
