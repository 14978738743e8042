/** sensor-window's saved configuration as a typed value. */
import { FEATURES, type Feature, type FeatureOptions } from '../../lib/series/features.ts';
import type { WindowOptions } from '../../lib/series/window.ts';
import { ConfigError, type ConfigReader } from '../runtime/config.ts';

export interface Config {
  stationId: string | undefined;
  window: WindowOptions;
  /** Where the time of a sample comes from: the message, the clock of this machine, or counting. */
  clock: 'timestamps' | 'arrival' | 'rate';
  timeProperty: string;
  /** Which sample of a list the time belongs to. */
  stampAt: 'first' | 'last';
  /** What becomes of a sample that was measured before the one that came last. */
  late: 'error' | 'drop';
  features: FeatureOptions;
}

const MOST_CHANNELS = 16;
/** A window of so many samples takes 4 ms, and nothing else runs meanwhile. */
const MOST_SAMPLES = 16_384;
const MOST_RATE = 1e6;
const MOST_LIST = 32;

function channelsOf(config: ConfigReader): { names: string[]; units: Record<string, string> } {
  const rows = config.list('channels').map((row) => {
    const { name, unit = '' } = (row ?? {}) as { name?: unknown; unit?: unknown };
    if (typeof name !== 'string' || name.trim() === '' || typeof unit !== 'string') {
      throw new ConfigError('channels', 'has a row without a name');
    }
    return [name.trim(), unit.trim()] as const;
  });
  const names = rows.map(([name]) => name);
  if (names.length === 0) throw new ConfigError('channels', 'is empty: name at least one sensor');
  if (names.length > MOST_CHANNELS) throw new ConfigError('channels', `has more than ${MOST_CHANNELS} rows`);
  if (new Set(names).size < names.length) throw new ConfigError('channels', 'names a sensor twice');
  return { names, units: Object.fromEntries(rows.filter(([, unit]) => unit !== '')) };
}

/** Numbers between commas; empty where nothing was typed. */
function numbersOf(config: ConfigReader, field: string): number[] {
  const parts = config
    .text(field, '')
    .split(/[,;]/)
    .map((part) => part.trim())
    .filter((part) => part !== '');
  const numbers = parts.map(Number);
  if (numbers.length > MOST_LIST || numbers.some((value) => !(value > 0))) {
    throw new ConfigError(field, `is no list of at most ${MOST_LIST} numbers above 0`);
  }
  return numbers;
}

/** `10-100, 100-1000` */
function bandsOf(config: ConfigReader): [number, number][] {
  const parts = config
    .text('bands', '')
    .split(/[,;]/)
    .map((part) => part.trim())
    .filter((part) => part !== '');
  return parts.slice(0, MOST_LIST).map((part) => {
    const [from = NaN, to = NaN] = part.split(/[-–]/).map(Number);
    if (!(from >= 0 && to > from)) throw new ConfigError('bands', `“${part}” is no band such as 10-100`);
    return [from, to];
  });
}

const MACHINES = ['none', '1-rigid', '1-flexible', '2-rigid', '2-flexible'] as const;

function featuresOf(config: ConfigReader): FeatureOptions {
  const features = config.list('features') as Feature[];
  if (features.length === 0) throw new ConfigError('features', 'is empty: choose at least one');
  const unknown = features.find((feature) => !FEATURES.includes(feature));
  if (unknown !== undefined) throw new ConfigError('features', `has no feature “${unknown}”`);
  const bandsHz = bandsOf(config);
  if (features.includes('bands') && bandsHz.length === 0) throw new ConfigError('bands', 'is empty');
  const machine = config.choice('machine', MACHINES, 'none');
  return {
    features,
    bandsHz,
    envelopeLinesHz: numbersOf(config, 'envelopeLines'),
    ...(machine === 'none'
      ? {}
      : {
          machine: {
            group: machine.startsWith('1') ? 1 : 2,
            support: machine.endsWith('rigid') ? 'rigid' : 'flexible',
          },
        }),
  };
}

export function normalise(config: ConfigReader): Config {
  const { names, units } = channelsOf(config);
  const clock = config.choice('clock', ['timestamps', 'arrival', 'rate'], 'timestamps');
  const sourceHz = config.optionalNumber('sourceHz', { min: 1e-4, max: MOST_RATE });
  const rateHz = config.optionalNumber('rateHz', { min: 1e-4, max: MOST_RATE }) ?? sourceHz;
  if (clock === 'rate' && sourceHz === undefined) throw new ConfigError('sourceHz', 'is missing');
  if (rateHz === undefined) throw new ConfigError('rateHz', 'is missing');
  const inSeconds = config.choice('lengthUnit', ['samples', 'seconds'], 'samples') === 'seconds';
  const samples = (value: number): number => Math.round(inSeconds ? value * rateHz : value);
  const size = samples(config.number('length', { fallback: 256, min: 0 }));
  const hop = samples(config.optionalNumber('hop', { min: 0 }) ?? (inSeconds ? size / rateHz : size));
  if (size < 2 || size > MOST_SAMPLES) {
    throw new ConfigError('length', `makes ${size} samples; a window has 2 to ${MOST_SAMPLES}`);
  }
  if (hop < 1 || hop > size) throw new ConfigError('hop', 'must be at least a sample and at most a window');
  const maxGapMs = config.optionalNumber('maxGapMs', { min: 1e-3 });
  return {
    stationId: config.text('station', '') || undefined,
    window: {
      channels: names,
      units,
      clock: clock === 'rate' ? 'rate' : 'timestamps',
      ...(sourceHz === undefined ? {} : { sourceHz }),
      rateHz,
      size,
      hop,
      ...(maxGapMs === undefined ? {} : { maxGapMs }),
    },
    clock,
    timeProperty: config.text('timeProperty', 'timestamp'),
    stampAt: config.choice('stampAt', ['first', 'last'], 'first'),
    late: config.choice('late', ['error', 'drop'], 'error'),
    features: featuresOf(config),
  };
}
