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
}

/** What is best on SKAB, by itself and beside the others (`npm run eval -- --only signals`). */
const DEFAULT_METHODS: MethodName = 'nearest';
const DEFAULT_WINDOWS = 300;
const DEFAULT_SMOOTHING = 5;

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
