/**
 * The few numbers that say what a window of samples looks like. Names are `channel.feature`, values
 * finite, so that they travel as plain JSON and a detector finds them again by name.
 */
import { SeriesError } from './errors.ts';
import { bandPower, peakHz, SpectrumAnalyser } from './spectrum.ts';
import { velocityRms, zoneOf, type Machine, type Zone } from './vibration.ts';
import type { SeriesWindow } from './window.ts';

export const FEATURES = [
  'mean',
  'rms',
  'peak',
  'peakToPeak',
  'crest',
  'kurtosis',
  'skewness',
  'slope',
  'peakHz',
  'bands',
  'envelope',
  'velocity',
] as const;
export type Feature = (typeof FEATURES)[number];

export interface FeatureOptions {
  features: readonly Feature[];
  /** Bands in Hz for `bands`, each an RMS of its own: `x.band.10-100`. */
  bandsHz?: readonly (readonly [fromHz: number, toHz: number])[];
  /** What the resonance carries, for `envelope`; the whole spectrum unless told. */
  envelopeBandHz?: readonly [fromHz: number, toHz: number];
  /** Lines looked for in the envelope spectrum, such as bearing defect frequencies: `x.envelope.107`. */
  envelopeLinesHz?: readonly number[];
  /** Channels whose vibration velocity is judged by ISO 10816-3. */
  machine?: Machine;
}

export interface WindowFeatures {
  features: Record<string, number>;
  /** Zone of each channel with a velocity, where a machine was given. */
  zones: Record<string, Zone>;
}

/** A line of the envelope spectrum is looked for within so many bins of where it should be: speed varies. */
const LINE_HALF_WIDTH_BINS = 2;

/** Throws `SERIES_LIBRARY_MISSING`. One extractor serves all windows; a window of 4096 samples takes about 1 ms. */
export async function featureExtractor(
  options: FeatureOptions,
): Promise<(window: SeriesWindow) => WindowFeatures> {
  const analyser = await SpectrumAnalyser.load();
  return (window) => featuresOf(window, options, analyser);
}

/**
 * Throws `FEATURE_UNSUITED`: a band beyond half the sampling rate, a velocity that cannot be told
 * (see `velocityRms`).
 */
function featuresOf(
  { channels, rateHz, units }: SeriesWindow,
  options: FeatureOptions,
  analyser: SpectrumAnalyser,
): WindowFeatures {
  const features: Record<string, number> = {};
  const zones: Record<string, Zone> = {};
  const wanted = new Set(options.features);
  for (const [channel, samples] of Object.entries(channels)) {
    const put = (name: string, value: number): void => {
      if (!Number.isFinite(value)) throw new SeriesError('SAMPLE_INVALID', `${channel}.${name} is ${value}`);
      features[`${channel}.${name}`] = value;
    };
    const statistics = statisticsOf(samples, rateHz);
    for (const [name, value] of Object.entries(statistics)) if (wanted.has(name as Feature)) put(name, value);
    if (wanted.has('peakHz')) put('peakHz', peakHz(analyser.density(samples, rateHz)));
    if (wanted.has('bands')) {
      const spectrum = analyser.density(samples, rateHz);
      for (const [from, to] of options.bandsHz ?? []) {
        requireBand(from, to, rateHz);
        put(`band.${from}-${to}`, Math.sqrt(bandPower(spectrum, from, to)));
      }
    }
    if (wanted.has('envelope')) {
      for (const [name, value] of envelopeFeatures(samples, rateHz, options, analyser)) put(name, value);
    }
    if (wanted.has('velocity')) {
      const velocity = velocityRms(samples, rateHz, units[channel], analyser);
      put('velocity', velocity);
      if (options.machine !== undefined) zones[channel] = zoneOf(velocity, options.machine);
    }
  }
  return { features, zones };
}

/**
 * RMS, peak, crest, skewness and kurtosis are of the signal without its mean, which an accelerometer
 * shows as gravity or offset. Kurtosis is m₄/m₂² (3 for normal noise, 1.5 for a sine), skewness
 * m₃/m₂^1.5, crest peak/RMS (ISO 13373-1); all three are 0 for a signal that does not move. The slope is
 * least squares, in units a second.
 */
export function statisticsOf(
  samples: ArrayLike<number>,
  rateHz: number,
): Record<'mean' | 'rms' | 'peak' | 'peakToPeak' | 'crest' | 'kurtosis' | 'skewness' | 'slope', number> {
  const count = samples.length;
  let mean = 0;
  for (let n = 0; n < count; n += 1) mean += ((samples[n] ?? NaN) - mean) / (n + 1);
  let [second, third, fourth, high, low, tilt] = [0, 0, 0, -Infinity, Infinity, 0];
  for (let n = 0; n < count; n += 1) {
    const value = (samples[n] ?? NaN) - mean;
    second += value ** 2 / count;
    third += value ** 3 / count;
    fourth += value ** 4 / count;
    tilt += value * (n - (count - 1) / 2);
    high = Math.max(high, value);
    low = Math.min(low, value);
  }
  const rms = Math.sqrt(second);
  const peak = Math.max(high, -low);
  // What rounding leaves of a constant is no movement.
  const still = rms <= Math.abs(mean) * 1e-12;
  return {
    mean,
    rms,
    peak,
    peakToPeak: high - low,
    crest: still ? 0 : peak / rms,
    kurtosis: still ? 0 : fourth / second ** 2,
    skewness: still ? 0 : third / second ** 1.5,
    // Σ (n − n̄)² = N(N² − 1)/12
    slope: count < 2 ? 0 : (tilt * 12 * rateHz) / (count * (count ** 2 - 1)),
  };
}

/** RMS of the envelope's own movement, and the amplitude of each line looked for, in units of the samples. */
function envelopeFeatures(
  samples: ArrayLike<number>,
  rateHz: number,
  { envelopeBandHz, envelopeLinesHz = [] }: FeatureOptions,
  analyser: SpectrumAnalyser,
): [name: string, value: number][] {
  if (envelopeBandHz !== undefined) requireBand(...envelopeBandHz, rateHz);
  const envelope = analyser.envelope(samples, rateHz, envelopeBandHz);
  const spectrum = analyser.density(envelope, rateHz);
  const { resolutionHz } = spectrum;
  return [
    ['envelope', Math.sqrt(bandPower(spectrum, resolutionHz / 2, rateHz / 2))],
    ...envelopeLinesHz.map((hz): [string, number] => {
      const reach = LINE_HALF_WIDTH_BINS * resolutionHz;
      requireBand(hz - reach, hz + reach, rateHz);
      return [`envelope.${hz}`, Math.sqrt(2 * bandPower(spectrum, hz - reach, hz + reach))];
    }),
  ];
}

function requireBand(fromHz: number, toHz: number, rateHz: number): void {
  if (fromHz >= 0 && toHz > fromHz && toHz <= rateHz / 2) return;
  throw new SeriesError(
    'FEATURE_UNSUITED',
    `no frequencies from ${fromHz} to ${toHz} Hz at ${rateHz} samples a second`,
    {
      hint: 'A window shows frequencies above 0 and up to half the sampling rate.',
    },
  );
}
