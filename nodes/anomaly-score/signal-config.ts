/** How signals are taught and scored, as the dialog of anomaly-score asks for it. */
import { modelFolder } from '../../lib/anomaly/model.ts';
import { METHOD_NAMES, type MethodName } from '../../lib/series/methods/methods.ts';
import { LEAST_ROWS, MOST_ROWS } from '../../lib/series/normal.ts';
import { ConfigError, type ConfigReader } from '../runtime/config.ts';

export interface SignalConfig {
  model: string;
  teaching: 'first-parts' | 'file' | 'none';
  /** Windows of a lesson from the running machine. */
  windows: number;
  /** CSV file of features; absolute, or below the station's folder. */
  file: string;
  /** Side by side; the most alarmed one speaks. */
  methods: MethodName[];
  /** Windows that a score is averaged over. */
  smoothing: number;
  /** Where the score is heading goes along; undefined when nobody asked. */
  trend: TrendConfig | undefined;
}

export interface TrendConfig {
  /** Score that counts as worn out; 0 for the one that 5 % of the windows it was taught with exceed. */
  limit: number;
  /** The line is drawn through what was scored in so many hours. */
  hours: number;
}

/** What is best on SKAB, by itself and beside the others (`npm run eval -- --only signals`). */
const DEFAULT_METHODS: MethodName = 'nearest';
const DEFAULT_WINDOWS = 300;
const DEFAULT_SMOOTHING = 5;
const DEFAULT_TREND_HOURS = 24;

/** @throws ConfigError naming the field */
export function signalConfig(config: ConfigReader): SignalConfig {
  const teaching = config.choice('signalTeaching', ['first-parts', 'file', 'none'], 'first-parts');
  const model = config.text('model');
  try {
    modelFolder('', model);
  } catch (error) {
    throw new ConfigError('model', (error as Error).message);
  }
  return {
    model,
    teaching,
    windows: config.number('windows', {
      fallback: DEFAULT_WINDOWS,
      min: LEAST_ROWS,
      max: MOST_ROWS,
      integer: true,
    }),
    file: teaching === 'file' ? config.text('file') : '',
    methods: methodsOf(config.text('methods', DEFAULT_METHODS)),
    smoothing: config.number('smoothing', { fallback: DEFAULT_SMOOTHING, min: 1, max: 100, integer: true }),
    trend: config.boolean('trend', false) ? trendOf(config) : undefined,
  };
}

function trendOf(config: ConfigReader): TrendConfig {
  return {
    limit: config.number('limit', { fallback: 0, min: 0, max: 1e6 }),
    hours: config.number('trendHours', { fallback: DEFAULT_TREND_HOURS, min: 0.01, max: 8760 }),
  };
}

function methodsOf(text: string): MethodName[] {
  const names = text
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '');
  const chosen = METHOD_NAMES.filter((name) => names.includes(name));
  const unknown = names.find((name) => !METHOD_NAMES.some((known) => known === name));
  if (unknown !== undefined || chosen.length === 0) {
    throw new ConfigError('methods', `“${unknown ?? ''}” is none of ${METHOD_NAMES.join(', ')}`);
  }
  return chosen;
}
