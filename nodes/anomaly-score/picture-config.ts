/** How pictures are taught and scored, as the dialog of anomaly-score asks for it. */
import type { Resolution } from '../../lib/anomaly/head.ts';
import { modelFolder } from '../../lib/anomaly/model.ts';
import { ConfigError, type ConfigReader } from '../runtime/config.ts';
import type { KeeperOptions } from './model-keeper.ts';

export interface PictureConfig extends KeeperOptions {
  heatmap: 'never' | 'suspicious' | 'always';
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
  return {
    model,
    teaching,
    parts: config.number('parts', { fallback: 60, min: 10, max: 400, integer: true }),
    resolution: Number(config.choice('resolution', ['224', '320', '448'], '224')) as Resolution,
    folder: teaching === 'folder' ? config.text('folder') : '',
    providers: providers.map((provider) => provider.trim()).filter((provider) => provider !== ''),
    heatmap: config.choice('heatmap', ['never', 'suspicious', 'always'], 'suspicious'),
    queue: config.choice('queue', ['latest-wins', 'drop-oldest', 'block'], 'latest-wins'),
  };
}
