import assert from 'node:assert/strict';
import { featureExtractor, statisticsOf, type FeatureOptions } from '../../../lib/series/features.ts';
import { bandPower, peakHz, SpectrumAnalyser } from '../../../lib/series/spectrum.ts';
import { velocityRms, zoneOf } from '../../../lib/series/vibration.ts';
import type { SeriesWindow } from '../../../lib/series/window.ts';
import { seededRandom } from '../../../lib/statistics/random.ts';

const RATE = 4096;

function signal(count: number, value: (seconds: number, index: number) => number, rate = RATE): Float64Array {
  return Float64Array.from({ length: count }, (_, index) => value(index / rate, index));
}

function sine(hz: number, amplitude = 1, phase = 0.3): (seconds: number) => number {
  return (seconds) => amplitude * Math.sin(2 * Math.PI * hz * seconds + phase);
}

function near(actual: number | undefined, expected: number, share: number): void {
  assert.ok(
    actual !== undefined && Math.abs(actual - expected) <= share * Math.abs(expected),
    `${actual ?? 'nothing'} is not ${expected} ± ${100 * share} %`,
  );
}

function windowOf(x: Float64Array, unit = 'm/s²'): SeriesWindow {
  return { startedAtMs: 0, rateHz: RATE, channels: { x }, units: { x: unit } };
}

function codeOf(action: () => unknown): string {
  try {
    action();
  } catch (error) {
    return (error as { code: string }).code;
  }
  return 'none';
}

describe('features of a window', () => {
  let analyser: SpectrumAnalyser;
  before(async () => {
    analyser = await SpectrumAnalyser.load();
  });

  it('of a sine on an offset: what the textbook says', () => {
    const offset = sine(64, 3);
    const found = statisticsOf(
      signal(RATE, (t) => 10 + offset(t)),
      RATE,
    );
    near(found.mean, 10, 1e-9);
    near(found.rms, 3 / Math.SQRT2, 1e-9);
    near(found.peak, 3, 1e-3);
    near(found.peakToPeak, 6, 1e-3);
    near(found.crest, Math.SQRT2, 1e-3);
    near(found.kurtosis, 1.5, 1e-9);
    assert.ok(Math.abs(found.skewness) < 1e-9);
  });

  it('of normal noise: kurtosis 3; of a ramp: its slope and kurtosis 1.8; of a spike: N', () => {
    const random = seededRandom(5);
    near(
      statisticsOf(
        signal(200_000, () => random.normal()),
        RATE,
      ).kurtosis,
      3,
      0.02,
    );
    const ramp = statisticsOf(
      signal(1001, (t) => 7 * t),
      RATE,
    );
    near(ramp.slope, 7, 1e-9);
    near(ramp.kurtosis, 1.8, 1e-3);
    near(
      statisticsOf(
        signal(1000, (_, index) => (index === 400 ? 1 : 0)),
        RATE,
      ).kurtosis,
      998,
      0.001,
    );
  });

  it('of a signal that does not move: numbers, not NaN', () => {
    const still = statisticsOf(
      signal(100, () => 0.1),
      RATE,
    );
    assert.deepEqual([still.crest, still.kurtosis, still.skewness], [0, 0, 0]);
    assert.ok(Object.values(still).every(Number.isFinite));
  });

  it('keeps the power: the density adds up to the mean square (Parseval)', () => {
    const random = seededRandom(7);
    const noise = signal(8192, () => random.normal());
    near(
      bandPower(analyser.density(noise, RATE, 1024), 0, RATE / 2),
      statisticsOf(noise, RATE).rms ** 2,
      0.03,
    );
  });

  it('finds a sine between two lines of the spectrum, and its power in its band only', () => {
    const spectrum = analyser.density(signal(3000, sine(100.7, 2)), RATE);
    near(peakHz(spectrum), 100.7, 0.002);
    near(bandPower(spectrum, 80, 120), 2, 0.01);
    assert.ok(bandPower(spectrum, 200, 2000) < 1e-6);
  });

  it('splits a mix of sines into the RMS of each band', async () => {
    const [low, high] = [sine(50, 1), sine(900, 0.5)];
    const options: FeatureOptions = {
      features: ['bands'],
      bandsHz: [
        [10, 200],
        [200, 2048],
      ],
    };
    const extract = await featureExtractor(options);
    const { features } = extract(windowOf(signal(RATE, (t) => low(t) + high(t))));
    near(features['x.band.10-200'], 1 / Math.SQRT2, 0.005);
    near(features['x.band.200-2048'], 0.5 / Math.SQRT2, 0.005);
  });

  it('integrates acceleration to velocity: v = a / 2πf, from 10 to 1000 Hz only', () => {
    const samples = signal(RATE, sine(80, 5));
    const expected = (1000 * 5) / (2 * Math.PI * 80) / Math.SQRT2;
    near(velocityRms(samples, RATE, 'm/s²', analyser), expected, 0.01);
    near(
      velocityRms(
        samples.map((value) => value / 9.80665),
        RATE,
        'g',
        analyser,
      ),
      expected,
      0.01,
    );
    near(velocityRms(signal(RATE, sine(80, 5)), RATE, 'mm/s', analyser), 5 / Math.SQRT2, 0.01);
    const [slow, fast] = [sine(2, 5), sine(1500, 5)];
    assert.ok(
      velocityRms(
        signal(4 * RATE, (t) => slow(t) + fast(t)),
        RATE,
        'm/s²',
        analyser,
      ) < 0.05,
    );
  });

  it('refuses a velocity from what cannot hold one', () => {
    const samples = signal(RATE, sine(80));
    assert.equal(
      codeOf(() => velocityRms(samples, RATE, '°C', analyser)),
      'FEATURE_UNSUITED',
    );
    assert.equal(
      codeOf(() => velocityRms(samples, 1000, 'g', analyser)),
      'FEATURE_UNSUITED',
    );
    assert.equal(
      codeOf(() => velocityRms(samples.subarray(0, 512), RATE, 'g', analyser)),
      'FEATURE_UNSUITED',
    );
  });

  it('zones velocities as the tables of ISO 10816-3 do', () => {
    const zones = (group: 1 | 2, support: 'rigid' | 'flexible'): string =>
      [1.4, 1.5, 2.3, 2.4, 2.8, 2.9, 4.5, 4.6, 7.1, 7.2, 11, 11.1]
        .map((velocity) => zoneOf(velocity, { group, support }))
        .join('');
    assert.equal(zones(2, 'rigid'), 'ABBBBCCDDDDD');
    assert.equal(zones(2, 'flexible'), 'AAABBBBCCDDD');
    assert.equal(zones(1, 'rigid'), 'AAABBBBCCDDD');
    assert.equal(zones(1, 'flexible'), 'AAAAAABBBCCD');
  });

  it('finds how often a resonance is struck in the envelope, where the plain spectrum shows only the resonance', async () => {
    // A bearing: every 1/37 s a hit that rings at 1200 Hz.
    const random = seededRandom(3);
    const samples = signal(2 * RATE, (t) => {
      const since = t % (1 / 37);
      return 3 * Math.exp(-400 * since) * Math.sin(2 * Math.PI * 1200 * since) + 0.2 * random.normal();
    });
    const extract = await featureExtractor({
      features: ['envelope', 'peakHz'],
      envelopeBandHz: [800, 1600],
      envelopeLinesHz: [37, 53],
    });
    const { features } = extract(windowOf(samples));
    assert.ok(Math.abs((features['x.peakHz'] ?? 0) - 1200) < 60);
    assert.ok((features['x.envelope.37'] ?? 0) > 8 * (features['x.envelope.53'] ?? 1));
  });

  it('has the envelope of a modulated carrier right, away from the ends', () => {
    const modulation = (t: number): number => 1 + 0.5 * Math.cos(2 * Math.PI * 8 * t);
    const carrier = sine(512);
    const envelope = analyser.envelope(
      signal(RATE, (t) => modulation(t) * carrier(t)),
      RATE,
    );
    for (let index = 200; index < RATE - 200; index += 50)
      near(envelope[index], modulation(index / RATE), 0.01);
  });

  it('names features by channel and zones only where a machine is known', async () => {
    const window = windowOf(signal(RATE, sine(80, 5)));
    const extract = await featureExtractor({
      features: ['rms', 'velocity'],
      machine: { group: 2, support: 'rigid' },
    });
    const { features, zones } = extract(window);
    assert.deepEqual(Object.keys(features), ['x.rms', 'x.velocity']);
    assert.deepEqual(zones, { x: 'D' });
    assert.deepEqual((await featureExtractor({ features: ['velocity'] }))(window).zones, {});
  });

  it('refuses bands that the sampling rate cannot show', async () => {
    const extract = await featureExtractor({ features: ['bands'], bandsHz: [[10, 3000]] });
    assert.equal(
      codeOf(() => extract(windowOf(signal(RATE, sine(80))))),
      'FEATURE_UNSUITED',
    );
  });
});
