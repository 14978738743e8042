import assert from 'node:assert/strict';
import fc from 'fast-check';
import { BaselineLearner } from '../../../lib/frame/baseline-learner.ts';
import { Baseline, MEASURES } from '../../../lib/frame/baseline.ts';
import { bandOf } from '../../../lib/frame/band.ts';
import { measurePixels, type Luminance, type Thumbnail } from '../../../lib/frame/luminance.ts';

const WIDTH = 256;
const HEIGHT = 128;

function sample(part: number): { luminance: Luminance; thumbnail: Thumbnail } {
  const data = Uint8Array.from({ length: WIDTH * HEIGHT }, (_, i) => {
    const x = i % WIDTH;
    const y = Math.floor(i / WIDTH);
    return 110 + 70 * Math.sin(x / 9) * Math.cos(y / 6) + ((x * 29 + y * 13 + part * 5) % 11);
  });
  return measurePixels({ data, width: WIDTH, height: HEIGHT, channels: 1 });
}

function learned(): Baseline {
  const learner = new BaselineLearner(10);
  let baseline: Baseline | undefined;
  for (let part = 0; part < 10; part += 1) baseline = learner.add(WIDTH, HEIGHT, sample(part), false);
  assert.ok(baseline);
  return baseline;
}

const hostile = { code: 'BASELINE_INVALID' };

describe('health baseline', () => {
  it('comes back from its text and judges as before', () => {
    const baseline = learned();
    const text = baseline.toText();
    assert.ok(text.length <= 12_000, `${text.length} characters`);
    const again = Baseline.fromText(text);
    assert.equal(again.toText(), text);
    const { luminance, thumbnail } = sample(77);
    const shift = baseline.shiftOf(thumbnail);
    const shiftAgain = again.shiftOf(thumbnail);
    assert.ok(shift && shiftAgain && Math.hypot(shift.x - shiftAgain.x, shift.y - shiftAgain.y) < 0.3);
    assert.deepEqual(again.judge({ luminance, shift: shiftAgain, frozen: false }), []);
    for (const [measure, reason, value] of [
      ['sharpness', 'blurred', 0],
      ['fineness', 'blurred', 0],
      ['brightness', 'too-dark', 0],
      ['brightness', 'too-bright', 1],
      ['contrast', 'low-contrast', 0],
      ['clippedDark', 'too-dark', 0.5],
      ['clippedBright', 'too-bright', 0.5],
      ['castBlue', 'colour-cast', -0.3],
      ['castRed', 'colour-cast', 0.3],
    ] as const) {
      const findings = again.judge({ luminance: { ...luminance, [measure]: value }, frozen: false });
      assert.deepEqual(
        findings.map((finding) => [finding.reason, finding.measure, finding.value]),
        [[reason, measure, value]],
      );
    }
    assert.deepEqual(
      again.judge({ luminance, frozen: true }).map(({ reason }) => reason),
      ['frozen'],
    );
  });

  it('reads a shift only where the picture fits the reference', () => {
    const baseline = learned();
    const { luminance } = sample(1);
    const reasons = (quality: number): string[] =>
      baseline
        .judge({ luminance, shift: { x: 30, y: 0, quality }, frozen: false })
        .map(({ reason }) => reason);
    assert.deepEqual(reasons(0.9), ['shifted']);
    assert.deepEqual(reasons(0.1), []);
  });

  it('refuses text that is not a baseline, with a code and what to do', () => {
    const text = learned().toText();
    const changed = (change: (fields: Record<string, unknown>) => void): string => {
      const fields = JSON.parse(text) as Record<string, unknown>;
      change(fields);
      return JSON.stringify(fields);
    };
    const framing = (change: Record<string, unknown>): string =>
      changed((fields) => {
        fields['framing'] = { ...(fields['framing'] as object), ...change };
      });
    for (const bad of [
      '',
      'null',
      '[]',
      '{}',
      '{"version":1}',
      text.slice(0, -1),
      'x'.repeat(1_000_000),
      changed((fields) => (fields['version'] = 2)),
      changed((fields) => (fields['width'] = 0)),
      changed((fields) => (fields['width'] = 1e9)),
      changed((fields) => (fields['width'] = '256')),
      changed((fields) => (fields['frames'] = 1.5)),
      changed((fields) => (fields['bands'] = {})),
      changed((fields) => ((fields['bands'] as Record<string, unknown>)['contrast'] = [2, 1])),
      changed((fields) => ((fields['bands'] as Record<string, unknown>)['contrast'] = ['0', '1'])),
      framing({ thumbnail: 'AAAA' }),
      framing({ thumbnail: 7 }),
      framing({ steadiness: '' }),
      framing({ quality: 2 }),
      framing({ x: [0] }),
      changed((fields) => (fields['framing'] = 'no')),
    ]) {
      assert.throws(() => Baseline.fromText(bad), hostile, bad.slice(0, 60));
    }
  });

  it('never throws anything but its coded error', () => {
    const anything = fc.oneof(
      fc.string(),
      fc.json(),
      fc.jsonValue().map((value) => JSON.stringify({ version: 1, value })),
    );
    fc.assert(
      fc.property(anything, (text) => {
        assert.throws(() => Baseline.fromText(text), hostile);
      }),
    );
  });

  it('leaves frames out that are unlike the others, but not a kind of part', () => {
    const learner = new BaselineLearner(12);
    const dim = sample(3);
    dim.luminance.brightness /= 4;
    let baseline = learner.add(WIDTH, HEIGHT, dim, false);
    for (let part = 0; part < 11; part += 1) baseline ??= learner.add(WIDTH, HEIGHT, sample(part), false);
    assert.equal(baseline, undefined, 'eleven are alike');
    assert.equal(learner.learned, 11);
    baseline = learner.add(WIDTH, HEIGHT, sample(11), false);
    assert.ok(baseline && baseline.bands.brightness.low > dim.luminance.brightness);

    const kinds = new BaselineLearner(12);
    let ofBoth: Baseline | undefined;
    for (let part = 0; part < 12; part += 1) {
      const one = sample(part);
      if (part % 3 === 0) one.luminance.brightness /= 2;
      ofBoth = kinds.add(WIDTH, HEIGHT, one, false);
    }
    assert.ok(ofBoth && ofBoth.bands.brightness.low <= sample(0).luminance.brightness / 2);
  });

  it('begins again when the size of the frames changes', () => {
    const learner = new BaselineLearner(2);
    assert.equal(learner.add(10, 10, sample(0), false), undefined);
    assert.equal(learner.add(WIDTH, HEIGHT, sample(0), false), undefined);
    assert.ok(learner.add(WIDTH, HEIGHT, sample(1), false)?.fits(WIDTH, HEIGHT));
  });

  it('sees no framing in a scene in which nothing stands still', () => {
    const learner = new BaselineLearner(8);
    let baseline: Baseline | undefined;
    for (let part = 0; part < 8; part += 1) {
      const one = sample(part);
      const { thumbnail } = one;
      // blots that lie elsewhere each time
      thumbnail.data.forEach((_, i) => {
        thumbnail.data[i] = (Math.floor(i / 5) * 7919 * (part + 3) + Math.floor(i / 640) * 31 * part) % 200;
      });
      baseline = learner.add(WIDTH, HEIGHT, one, false);
    }
    assert.ok(baseline);
    assert.equal(baseline.shift, undefined);
    assert.equal(baseline.shiftOf(sample(1).thumbnail), undefined);
    assert.equal(Baseline.fromText(baseline.toText()).shift, undefined);
  });

  it('has bands around all values it was learned from', () => {
    fc.assert(
      fc.property(
        fc.array(fc.double({ min: -1e3, max: 1e3, noNaN: true }), { minLength: 1, maxLength: 30 }),
        fc.double({ min: 0.01, max: 10, noNaN: true }),
        (values, floor) => {
          const { low, high } = bandOf(values, floor);
          assert.ok(values.every((value) => value >= low && value <= high));
          assert.ok(high - low >= 2 * floor - 1e-9);
        },
      ),
    );
    assert.equal(MEASURES.length, 8);
  });
});
