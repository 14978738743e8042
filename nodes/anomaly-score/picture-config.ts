/** How pictures are taught and scored, as the dialog of anomaly-score asks for it. */
import type { Resolution } from '../../lib/anomaly/head.ts';
import { METHODS, type Method } from '../../lib/anomaly/heads/head.ts';
import { modelFolder, type MaskArea } from '../../lib/anomaly/model.ts';
import { ConfigError, type ConfigReader } from '../runtime/config.ts';
import type { LearnerOptions } from './learner.ts';
import type { KeeperOptions } from './model-keeper.ts';

type When = 'never' | 'suspicious' | 'always';

export interface PictureConfig extends KeeperOptions, LearnerOptions {
  heatmap: When;
  explain: When;
}

const WHEN = ['never', 'suspicious', 'always'] as const satisfies readonly When[];
const METHOD_CHOICES: readonly (Method | 'auto')[] = ['auto', ...METHODS];
const MAX_AREAS = 64;
const MAX_CORNERS = 512;

function isPoint(value: unknown): value is [number, number] {
  const isShare = (share: unknown): boolean => typeof share === 'number' && share >= 0 && share <= 1;
  return Array.isArray(value) && value.length === 2 && value.every(isShare);
}

function maskOf(config: ConfigReader): MaskArea[] {
  const areas = config.list('mask');
  const isArea = (area: unknown): area is MaskArea =>
    Array.isArray(area) && area.length >= 3 && area.length <= MAX_CORNERS && area.every(isPoint);
  if (areas.length > MAX_AREAS || !areas.every(isArea)) {
    throw new ConfigError('mask', `is not a list of up to ${MAX_AREAS} areas with corners from 0 to 1`);
  }
  return areas;
}

/** @throws ConfigError naming the field */
export function pictureConfig(config: ConfigReader): PictureConfig {
  const teaching = config.choice('teaching', ['first-parts', 'folder', 'none'], 'first-parts');
  const model = config.text('model');
  try {
    modelFolder('', model);
  } catch (error) {
    throw new ConfigError('model', (error as Error).message);
  }
  const providers = config.text('providers', 'cpu').split(',');
  const mask = maskOf(config);
  return {
    model,
    teaching,
    method: config.choice('method', METHOD_CHOICES, 'auto'),
    ...(mask.length === 0 ? {} : { mask }),
    parts: config.number('parts', { fallback: 60, min: 10, max: 400, integer: true }),
    resolution: Number(config.choice('resolution', ['224', '320', '448'], '224')) as Resolution,
    folder: teaching === 'folder' ? config.text('folder') : '',
    providers: providers.map((provider) => provider.trim()).filter((provider) => provider !== ''),
    heatmap: config.choice('heatmap', WHEN, 'suspicious'),
    explain: config.choice('explain', WHEN, 'suspicious'),
    learn: config.choice('learn', ['ask', 'auto', 'off'], 'ask'),
    queue: config.choice('queue', ['latest-wins', 'drop-oldest', 'block'], 'latest-wins'),
  };
}
