/**
 * What frequencies a signal is made of: power spectral density after Welch, and the envelope that
 * shows how a high frequency is modulated (bearings, gears).
 */
import { fourier, type Fft } from './libraries.ts';

/** One-sided power spectral density: `density[k]` in unit²/Hz at the frequency k · resolutionHz. */
export interface Spectrum {
  density: Float64Array;
  resolutionHz: number;
}

export class SpectrumAnalyser {
  readonly #Fft: Awaited<ReturnType<typeof fourier>>;
  readonly #plans = new Map<number, Fft>();

  private constructor(Library: Awaited<ReturnType<typeof fourier>>) {
    this.#Fft = Library;
  }

  /** Throws `SERIES_LIBRARY_MISSING`. */
  static async load(): Promise<SpectrumAnalyser> {
    return new SpectrumAnalyser(await fourier());
  }

  /**
   * Welch's estimate: Hann windows of the largest power of two that fits (`segment` at most), half
   * overlapping, the last at the very end so that every sample counts; each without its mean.
   * Source: P. Welch, IEEE Trans. Audio Electroacoust. 15 (1967) 70–73; scaling by Σw² as in
   * G. Heinzel et al., Spectrum and spectral density estimation by the DFT (2002), eq. 23.
   */
  density(samples: ArrayLike<number>, rateHz: number, segment = samples.length): Spectrum {
    const size = 2 ** Math.floor(Math.log2(Math.max(Math.min(segment, samples.length), 2)));
    const last = samples.length - size;
    const steps = Math.ceil(last / (size / 2));
    const starts = Array.from({ length: steps + 1 }, (_, step) =>
      steps === 0 ? 0 : Math.round((last * step) / steps),
    );
    const window = Float64Array.from(
      { length: size },
      (_, n) => 0.5 - 0.5 * Math.cos((2 * Math.PI * n) / size),
    );
    const power = window.reduce((sum, weight) => sum + weight * weight, 0);
    const density = new Float64Array(size / 2 + 1);
    const input = new Float64Array(size);
    const output = new Float64Array(2 * size);
    const plan = this.#plan(size);
    for (const start of starts) {
      let mean = 0;
      for (let n = 0; n < size; n += 1) mean += (samples[start + n] ?? NaN) / size;
      for (let n = 0; n < size; n += 1) input[n] = ((samples[start + n] ?? NaN) - mean) * (window[n] ?? 0);
      plan.realTransform(output, input);
      for (let bin = 0; bin <= size / 2; bin += 1) {
        const squared = (output[2 * bin] ?? 0) ** 2 + (output[2 * bin + 1] ?? 0) ** 2;
        const sides = bin === 0 || bin === size / 2 ? 1 : 2;
        density[bin] = (density[bin] ?? 0) + (sides * squared) / (rateHz * power * starts.length);
      }
    }
    return { density, resolutionHz: rateHz / size };
  }

  /**
   * Magnitude of the analytic signal, sample by sample: the Hilbert transform by dropping negative
   * frequencies (S. L. Marple, IEEE Trans. Signal Process. 47 (1999) 2600–2603). `band` in Hz keeps
   * only what a resonance carries. The mean is taken off first; the signal is padded with zeros to
   * a power of two, so a few samples at either end are too small.
   */
  envelope(
    samples: ArrayLike<number>,
    rateHz: number,
    band?: readonly [fromHz: number, toHz: number],
  ): Float64Array {
    const count = samples.length;
    const size = 2 ** Math.ceil(Math.log2(Math.max(count, 2)));
    const plan = this.#plan(size);
    const signal = new Float64Array(2 * size);
    let mean = 0;
    for (let n = 0; n < count; n += 1) mean += (samples[n] ?? NaN) / count;
    for (let n = 0; n < count; n += 1) signal[2 * n] = (samples[n] ?? NaN) - mean;
    const spectrum = new Float64Array(2 * size);
    plan.transform(spectrum, signal);
    const [from, to] = band ?? [0, rateHz / 2];
    for (let bin = 0; bin < size; bin += 1) {
      const hz = (bin * rateHz) / size;
      const inside = bin <= size / 2 && hz >= from && hz <= to;
      const gain = inside ? (bin === 0 || bin === size / 2 ? 1 : 2) : 0;
      spectrum[2 * bin] = gain * (spectrum[2 * bin] ?? 0);
      spectrum[2 * bin + 1] = gain * (spectrum[2 * bin + 1] ?? 0);
    }
    plan.inverseTransform(signal, spectrum);
    return Float64Array.from({ length: count }, (_, n) =>
      Math.hypot(signal[2 * n] ?? 0, signal[2 * n + 1] ?? 0),
    );
  }

  #plan(size: number): Fft {
    let plan = this.#plans.get(size);
    if (plan === undefined) {
      plan = new this.#Fft(size);
      this.#plans.set(size, plan);
    }
    return plan;
  }
}

/** Power between two frequencies, in unit²: the mean square that this band contributes. Bins are halved at the ends. */
export function bandPower({ density, resolutionHz }: Spectrum, fromHz: number, toHz: number): number {
  return weighted({ density, resolutionHz }, fromHz, toHz, () => 1);
}

/** Σ density · weight(f) · Δf over a band; each bin counts with the share of it that lies inside. */
export function weighted(
  { density, resolutionHz }: Spectrum,
  fromHz: number,
  toHz: number,
  weight: (hz: number) => number,
): number {
  let sum = 0;
  const first = Math.max(0, Math.floor(fromHz / resolutionHz - 0.5));
  for (let bin = first; bin < density.length; bin += 1) {
    const low = Math.max((bin - 0.5) * resolutionHz, fromHz);
    const high = Math.min((bin + 0.5) * resolutionHz, toHz);
    if (low > toHz) break;
    if (high > low) sum += (density[bin] ?? 0) * (high - low) * weight(bin * resolutionHz);
  }
  return sum;
}

/** Frequency of the highest line, without the constant part; parabola through its neighbours' logarithms. */
export function peakHz({ density, resolutionHz }: Spectrum): number {
  let best = 1;
  for (let bin = 2; bin < density.length; bin += 1)
    if ((density[bin] ?? 0) > (density[best] ?? 0)) best = bin;
  const [left, middle, right] = [best - 1, best, best + 1].map((bin) =>
    Math.log((density[bin] ?? 0) + 1e-300),
  );
  const bend = (left ?? 0) - 2 * (middle ?? 0) + (right ?? 0);
  const offset =
    best > 1 && best + 1 < density.length && bend < 0 ? (0.5 * ((left ?? 0) - (right ?? 0))) / bend : 0;
  return (best + offset) * resolutionHz;
}
