/**
 * Cuts measured signals into windows of equally spaced samples. Sensors may be sampled by a clock of
 * their own (timestamps, jitter, each channel at its own moments) or at a fixed rate without any
 * time; either way a window comes out on one regular grid, all channels side by side, and never
 * spans a gap: what was begun before a gap is dropped and the gap is reported.
 */
import { SeriesError } from './errors.ts';

export interface WindowOptions {
  /** Names of the signals; a window is complete when each of them reaches its end. */
  channels: readonly string[];
  /** What the samples of a channel are measured in, as a person writes it: `m/s²`, `g`, `mm/s`, `°C`. */
  units?: Readonly<Record<string, string>>;
  /**
   * `timestamps`: every call says when its (first) sample was taken. `rate`: samples come without
   * time, one after the other at `sourceHz`; time is counted from the first.
   */
  clock: 'timestamps' | 'rate';
  /** Samples a second as they come. Needed for clock `rate` and for several samples in one call. */
  sourceHz?: number;
  /** Samples a second in the window; `sourceHz` unless told. Lower than that aliases: nothing is filtered. */
  rateHz?: number;
  /** Samples of a window, and from the start of one to the start of the next, on the window's grid. */
  size: number;
  hop: number;
  /** A longer silence of any channel is a gap. Unless told, five periods of the grid. */
  maxGapMs?: number;
}

export interface SeriesWindow {
  /** Milliseconds: of the samples' own clock, or since the first sample for clock `rate`. */
  startedAtMs: number;
  rateHz: number;
  /** Samples of each channel in equal steps of 1 / rateHz. */
  channels: Readonly<Record<string, Float64Array>>;
  units: Readonly<Record<string, string>>;
}

export interface Gap {
  channel: string;
  /** Last sample before and first sample after (or, when the channel is silent, what the others had reached). */
  fromMs: number;
  toMs: number;
}

export interface Windowed {
  windows: SeriesWindow[];
  gaps: Gap[];
}

/** Windows larger than this are refused: 8 MB a channel. */
const MAX_SIZE = 1 << 20;
const DEFAULT_GAP_PERIODS = 5;

/** The regular grid filled from one channel's samples by straight lines between neighbours. */
class Track {
  /** Grid position of the newest sample, and its value; NaN before the first. */
  position = NaN;
  #value = NaN;
  /** Grid index of `values[0]`. */
  start = 0;
  values: number[] = [];

  get end(): number {
    return this.start + this.values.length;
  }

  add(position: number, value: number): void {
    if (Number.isNaN(this.position)) this.start = Math.ceil(position);
    for (let index = this.end; index <= position; index += 1) {
      const share = index === position ? 1 : (index - this.position) / (position - this.position);
      this.values.push(share === 1 ? value : this.#value + share * (value - this.#value));
    }
    this.position = position;
    this.#value = value;
  }

  /** Forgets what lies before a grid index. */
  drop(before: number): void {
    if (before > this.start) {
      this.values.splice(0, before - this.start);
      this.start = before;
    }
  }

  clear(): void {
    this.position = NaN;
    this.values = [];
  }
}

export class SampleWindow {
  readonly #options: Readonly<Required<Omit<WindowOptions, 'sourceHz'>>> & { sourceHz: number | undefined };
  readonly #tracks: ReadonlyMap<string, Track>;
  /** Time of grid index 0; undefined before the first sample and after a gap. */
  #originMs: number | undefined;
  /** Clock `rate`: samples so far of each channel. */
  readonly #counts = new Map<string, number>();
  /** Grid index where the next window starts; undefined until every channel has begun. */
  #next: number | undefined;

  /** Throws `WINDOW_INVALID`. */
  constructor(options: WindowOptions) {
    const { clock, channels, size, hop, sourceHz } = options;
    const rateHz = options.rateHz ?? sourceHz ?? NaN;
    const maxGapMs = options.maxGapMs ?? (DEFAULT_GAP_PERIODS * 1000) / Math.min(rateHz, sourceHz ?? rateHz);
    check(
      channels.length > 0 && new Set(channels).size === channels.length,
      'its channels need names, each once',
    );
    check(Number.isInteger(size) && size >= 2 && size <= MAX_SIZE, `it needs 2 to ${MAX_SIZE} samples`);
    check(Number.isInteger(hop) && hop >= 1 && hop <= size, 'the hop must be 1 to the size of the window');
    check(rateHz > 0 && rateHz < Infinity, 'it needs a rate in samples a second');
    check(
      sourceHz === undefined || (sourceHz > 0 && sourceHz < Infinity),
      'the rate of the samples must be above 0',
    );
    check(
      clock === 'timestamps' || sourceHz !== undefined,
      'without timestamps the rate of the samples must be known',
    );
    check(maxGapMs > 0, 'the longest silence must be above 0 ms');
    const units = options.units ?? {};
    this.#options = { clock, channels: [...channels], units, size, hop, rateHz, sourceHz, maxGapMs };
    this.#tracks = new Map(channels.map((name) => [name, new Track()]));
  }

  /**
   * Adds what was measured: for each channel named one sample, or several in a row at `sourceHz`.
   * Not every channel has to be there. `timeMs` is when the first was taken (clock `timestamps` only).
   * Throws `SAMPLE_INVALID` (unknown channel, not a finite number, no time) and `SAMPLE_OUT_OF_ORDER`
   * (not after the one before, by less than a gap); a call that throws has added nothing.
   */
  add(values: Readonly<Record<string, number | ArrayLike<number>>>, timeMs?: number): Windowed {
    const blocks = this.#check(values, timeMs);
    const windowed: Windowed = { windows: [], gaps: [] };
    for (const [channel, track, samples] of blocks) this.#extend(channel, track, samples, timeMs, windowed);
    this.#findSilence(windowed);
    this.#cut(windowed);
    return windowed;
  }

  /** Forgets everything, as after a gap. */
  reset(): void {
    for (const track of this.#tracks.values()) track.clear();
    this.#counts.clear();
    this.#originMs = undefined;
    this.#next = undefined;
  }

  #check(
    values: Readonly<Record<string, number | ArrayLike<number>>>,
    timeMs: number | undefined,
  ): (readonly [string, Track, ArrayLike<number>])[] {
    const { clock, sourceHz, maxGapMs } = this.#options;
    if (clock === 'timestamps' && (timeMs === undefined || !Number.isFinite(timeMs))) {
      throw new SeriesError('SAMPLE_INVALID', 'the sample has no time', {
        hint: 'Send the time in milliseconds with each sample, or set the window to a fixed rate.',
      });
    }
    return Object.entries(values).map(([channel, given]) => {
      const track = this.#tracks.get(channel);
      if (track === undefined) throw new SeriesError('SAMPLE_INVALID', `there is no channel “${channel}”`);
      const samples = typeof given === 'number' ? [given] : given;
      for (let index = 0; index < samples.length; index += 1) {
        const sample: unknown = samples[index];
        if (!Number.isFinite(sample)) {
          // Whatever it is: its own text may throw.
          const is = typeof sample === 'number' ? sample : `of type ${typeof sample}`;
          throw new SeriesError('SAMPLE_INVALID', `${channel} is ${is}, not a number`, {
            hint: 'Leave out samples that were not measured; the window reports the gap.',
          });
        }
      }
      if (clock === 'timestamps' && samples.length > 1 && sourceHz === undefined) {
        throw new SeriesError('SAMPLE_INVALID', `${channel} has several samples but no rate is known`, {
          hint: 'Set the rate of the samples.',
        });
      }
      const newestMs = this.#timeOf(track.position);
      if (
        clock === 'timestamps' &&
        timeMs !== undefined &&
        timeMs <= newestMs &&
        newestMs - timeMs < maxGapMs
      ) {
        throw new SeriesError(
          'SAMPLE_OUT_OF_ORDER',
          `${channel} was measured before the sample that came last`,
        );
      }
      return [channel, track, samples] as const;
    });
  }

  #timeOf(position: number): number {
    return (this.#originMs ?? 0) + (position * 1000) / this.#options.rateHz;
  }

  #extend(
    channel: string,
    track: Track,
    samples: ArrayLike<number>,
    timeMs: number | undefined,
    { gaps }: Windowed,
  ): void {
    const { clock, rateHz, sourceHz = rateHz, maxGapMs } = this.#options;
    if (samples.length === 0) return;
    if (clock === 'timestamps' && timeMs !== undefined) {
      const newestMs = this.#timeOf(track.position);
      // A clock set back is a gap as well: nobody knows how much time went by.
      if (timeMs - newestMs > maxGapMs || timeMs <= newestMs) {
        gaps.push({ channel, fromMs: newestMs, toMs: timeMs });
        this.reset();
      }
      this.#originMs ??= timeMs;
    } else this.#originMs ??= 0;
    const count = this.#counts.get(channel) ?? 0;
    // Multiplied, not added up: equal rates give whole positions, and a long run does not drift.
    const first = clock === 'rate' ? 0 : (((timeMs ?? 0) - this.#originMs) * rateHz) / 1000;
    const base = clock === 'rate' ? count : 0;
    for (let index = 0; index < samples.length; index += 1) {
      track.add(first + ((base + index) * rateHz) / sourceHz, samples[index] ?? NaN);
    }
    this.#counts.set(channel, count + samples.length);
  }

  /** A channel that stays silent while another goes on would keep the others' samples for ever. */
  #findSilence({ gaps }: Windowed): void {
    const { maxGapMs, rateHz, size } = this.#options;
    const tracks = [...this.#tracks];
    const newest = Math.max(
      ...tracks.map(([, { position }]) => (Number.isNaN(position) ? -Infinity : position)),
    );
    for (const [channel, { position }] of tracks) {
      const reached = Number.isNaN(position) ? 0 : position;
      // Channels that come block by block take turns: a window of them may be waiting.
      const allowed = Math.max((maxGapMs * rateHz) / 1000, Number.isNaN(position) ? size : 0);
      if (
        this.#options.clock === 'rate'
          ? newest - reached <= Math.max(allowed, MAX_SIZE)
          : newest - reached <= allowed
      )
        continue;
      gaps.push({ channel, fromMs: this.#timeOf(reached), toMs: this.#timeOf(newest) });
      this.reset();
      return;
    }
  }

  #cut({ windows }: Windowed): void {
    const { size, hop, rateHz, units } = this.#options;
    const tracks = [...this.#tracks];
    if (tracks.some(([, { position }]) => Number.isNaN(position))) return;
    let start = this.#next ?? Math.max(...tracks.map(([, track]) => track.start));
    const end = Math.min(...tracks.map(([, track]) => track.end));
    for (; start + size <= end; start += hop) {
      const from = start;
      windows.push({
        startedAtMs: this.#timeOf(start),
        rateHz,
        channels: Object.fromEntries(
          tracks.map(([name, { values, start: first }]) => [
            name,
            Float64Array.from(values.slice(from - first, from - first + size)),
          ]),
        ),
        units,
      });
    }
    this.#next = start;
    for (const [, track] of tracks) track.drop(start);
  }
}

function check(condition: boolean, why: string): void {
  if (!condition) throw new SeriesError('WINDOW_INVALID', `the window cannot be used: ${why}`);
}
