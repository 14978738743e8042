/** What a camera-capture node is set to: its camera, what becomes of the picture, and what a part is. */
import type { Trigger } from '../../lib/capture/camera.ts';
import type { WhenBusy } from '../../lib/capture/intake.ts';
import type { SourceOptions } from '../../lib/capture/open-source.ts';
import { asCodedError } from '../../lib/errors.ts';
import { Baseline } from '../../lib/frame/baseline.ts';
import { checkRegions, RegionError } from '../../lib/frame/region.ts';
import type { ViewOptions } from '../../lib/frame/view.ts';
import { ConfigError, type ConfigReader } from '../runtime/config.ts';
import { bringsImages, isLive, sourceOptions } from './source-options.ts';

export interface CameraConfig {
  name: string;
  stationId: string | undefined;
  source: SourceOptions;
  view: ViewOptions;
  trigger: Trigger;
  intervalMs: number;
  /** The station's own when undefined. */
  deadlineMs: number | undefined;
  whenBusy: WhenBusy;
  /** Pictures that wait at most, for `drop-oldest`. */
  queueLength: number;
  health: boolean;
  /** Of pictures a person took for good; learned from the first ones when undefined. */
  baseline: Baseline | undefined;
  /** Health out of its band takes the station down its ladder. */
  healthTrips: boolean;
}

/** @throws ConfigError naming the field */
function viewOptions(config: ConfigReader): ViewOptions {
  const rotate = Number(config.choice('rotate', ['0', '90', '180', '270'], '0'));
  try {
    return {
      rotate: rotate as ViewOptions['rotate'],
      flip: config.choice('flip', ['none', 'horizontal', 'vertical'], 'none'),
      regions: checkRegions(config.list('regions')),
      encode: config.choice('encode', ['captured', 'jpeg', 'webp', 'png'], 'captured'),
      quality: config.number('quality', { fallback: 90, min: 1, max: 100, integer: true }),
    };
  } catch (error) {
    if (error instanceof RegionError) throw new ConfigError('regions', error.message);
    throw error;
  }
}

/** @throws ConfigError naming the field */
function baselineOf(config: ConfigReader): Baseline | undefined {
  const text = config.text('baseline', '');
  try {
    return text === '' ? undefined : Baseline.fromText(text);
  } catch (error) {
    throw new ConfigError('baseline', asCodedError(error).message);
  }
}

export function normalise(config: ConfigReader): CameraConfig {
  const source = sourceOptions(config);
  const trigger = config.choice('trigger', ['message', 'interval', 'frame'], 'message');
  if (trigger === 'frame' && !bringsImages(source)) {
    throw new ConfigError(
      'trigger',
      'nothing arrives from this source by itself; trigger it by message or interval',
    );
  }
  return {
    name: config.text('name', ''),
    stationId: config.text('station', '') || undefined,
    source,
    view: viewOptions(config),
    trigger,
    intervalMs: config.number('intervalMs', { fallback: 1000, min: 10, max: 86_400_000 }),
    deadlineMs: config.optionalNumber('deadlineMs', { min: 1 }),
    whenBusy: isLive(source)
      ? config.choice('whenBusy', ['latest-wins', 'drop-oldest', 'block'], 'latest-wins')
      : 'block',
    queueLength: config.number('queueLength', { fallback: 4, min: 1, max: 100, integer: true }),
    health: config.boolean('health', true),
    baseline: baselineOf(config),
    healthTrips: config.boolean('healthTrips', true),
  };
}
