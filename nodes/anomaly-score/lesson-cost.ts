/** What scoring will take with settings that somebody is typing, before anything is taught with them. */
import { BANK_SIZE } from '../../lib/anomaly/method.ts';
import { costOf, tilingOf } from '../../lib/anomaly/tiles.ts';
import type { ConfigReader } from '../runtime/config.ts';
import { sizeConfig } from './picture-config.ts';

/** Of our own backbone, and of the bank of each tile. */
const OWN = { stride: 8, channels: 128, coresetSize: BANK_SIZE, threads: 1 };

/** Pixels of the input, tiles, and the estimate for one core; throws ConfigError naming the field. */
export function lessonCost(config: ConfigReader): Record<string, unknown> {
  const { resolution, tiles } = sizeConfig(config);
  if (tiles === undefined) {
    const size = { width: resolution, height: resolution };
    return { ...size, tiles: 1, ...costOf({ ...OWN, size }) };
  }
  const tiling = tilingOf(tiles);
  const { width, height, lefts, tops } = tiling;
  const cost = costOf({ ...OWN, size: { width, height }, tiling });
  return { width, height, tiles: lefts.length * tops.length, ...cost };
}
