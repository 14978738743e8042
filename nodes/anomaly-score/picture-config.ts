/** How pictures are taught and scored, as the dialog of anomaly-score asks for it. */
import { NORMALISATIONS } from '../../lib/anomaly/backbone/normalisation.ts';
import type { Resolution } from '../../lib/anomaly/head.ts';
import { METHODS, type Method } from '../../lib/anomaly/method.ts';
import { modelFolder, type MaskArea } from '../../lib/anomaly/model.ts';
import { tilingOf, type TileOptions } from '../../lib/anomaly/tiles.ts';
import { ConfigError, type ConfigReader } from '../runtime/config.ts';
import type { LearnerOptions } from './learner.ts';
import type { LessonConfig } from './lesson-config.ts';
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
/** Parts that are only shifted lie as straight as a stop makes them; what is turned further is lost, not turned back. */
const STRAIGHT_DEGREES = 3;
/** Each has a bank of its own of 0.5 MB, in the graph and in memory. */
const MAX_TILES = 64;

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

/** Of a backbone that is a bare file; one that says itself how it is fed has `auto`. */
const FEEDS = ['auto', ...NORMALISATIONS] as const;

function backboneOf(config: ConfigReader): Pick<LessonConfig, 'backbone' | 'normalise'> {
  const backbone = config.text('backbone', '').trim();
  const normalise = config.choice('normalise', FEEDS, 'auto');
  if (backbone === '') return {};
  return { backbone, ...(normalise === 'auto' ? {} : { normalise }) };
}

function alignOf(config: ConfigReader): Pick<LessonConfig, 'align'> {
  const align = config.choice('align', ['off', 'shift', 'turn'], 'off');
  if (align === 'off') return {};
  const shift = config.number('maxShift', { fallback: 10, min: 1, max: 25 });
  const turn = config.number('maxAngle', { fallback: 10, min: 0.5, max: 30 });
  return { align: { maxShift: shift / 100, maxAngle: align === 'turn' ? turn : STRAIGHT_DEGREES } };
}

/** Pixels. */
function tilesOf(config: ConfigReader): TileOptions {
  const side = { min: 128, max: 4096, integer: true };
  const tiles = {
    width: config.number('tileWidth', { fallback: 896, ...side }),
    height: config.number('tileHeight', { fallback: 896, ...side }),
    tile: config.number('tileSide', { fallback: 448, ...side }),
    overlap: config.number('tileOverlap', { fallback: 64, min: 0, max: 1024, integer: true }),
  };
  if (tiles.overlap >= tiles.tile) throw new ConfigError('tileOverlap', 'must be less than a tile');
  const { lefts, tops } = tilingOf(tiles);
  const count = lefts.length * tops.length;
  if (count > MAX_TILES) {
    throw new ConfigError('tileSide', `makes ${count} tiles; at most ${MAX_TILES} are allowed`);
  }
  return tiles;
}

/** How large the picture is that is looked at. @throws ConfigError naming the field */
export function sizeConfig(config: ConfigReader): Pick<LessonConfig, 'resolution' | 'tiles'> {
  const resolution = Number(config.choice('resolution', ['224', '320', '448'], '224')) as Resolution;
  return { resolution, ...(config.boolean('tiles', false) ? { tiles: tilesOf(config) } : {}) };
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
    ...backboneOf(config),
    ...alignOf(config),
    ...sizeConfig(config),
    parts: config.number('parts', { fallback: 60, min: 10, max: 400, integer: true }),
    folder: teaching === 'folder' ? config.text('folder') : '',
    providers: providers.map((provider) => provider.trim()).filter((provider) => provider !== ''),
    heatmap: config.choice('heatmap', WHEN, 'suspicious'),
    explain: config.choice('explain', WHEN, 'suspicious'),
    keepVersions: config.number('keepVersions', { fallback: 10, min: 0, max: 1000, integer: true }),
    learn: config.choice('learn', ['ask', 'auto', 'off'], 'ask'),
    queue: config.choice('queue', ['latest-wins', 'drop-oldest', 'block'], 'latest-wins'),
  };
}
