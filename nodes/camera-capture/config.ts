/** What a camera-capture node is set to: its camera, what becomes of the picture, and what a part is. */
import type { SourceOptions } from '../../lib/capture/open-source.ts';
import { asCodedError } from '../../lib/errors.ts';
import { checkRegions, type Region } from '../../lib/frame/region.ts';
import type { ViewOptions } from '../../lib/frame/view.ts';
import { ConfigError, type ConfigReader } from '../runtime/config.ts';
import type { RawConfig } from '../runtime/types.ts';
import { bringsImages, sourceOptions } from './source-options.ts';

export type WhenBusy = 'latest-wins' | 'drop-oldest' | 'block';

export interface CameraConfig {
  name: string;
  stationId: string | undefined;
  source: SourceOptions;
  view: ViewOptions;
  trigger: 'message' | 'interval' | 'frame';
  intervalMs: number;
  /** The station's own when undefined. */
  deadlineMs: number | undefined;
  whenBusy: WhenBusy;
  /** Pictures that wait at most, for `drop-oldest` and `block`. */
  queueLength: number;
  health: boolean;
  /** `Baseline.toText()` of pictures a person took for good; learned from the first ones when undefined. */
  baseline: string | undefined;
  /** A picture outside of the baseline steps the station down. */
  healthTrips: boolean;
}

const ROTATIONS = [0, 90, 180, 270] as const;

/** @throws ConfigError naming the field */
function viewOptions(config: ConfigReader, raw: RawConfig): ViewOptions {
  const degrees = config.number('rotate', { fallback: 0 });
  const rotate = ROTATIONS.find((each) => each === degrees);
  if (rotate === undefined) throw new ConfigError('rotate', `must be one of ${ROTATIONS.join(', ')}`);
  return {
    rotate,
    flip: config.choice('flip', ['none', 'horizontal', 'vertical'], 'none'),
    regions: regionsOf(raw),
    encode: config.choice('encode', ['captured', 'jpeg', 'webp', 'png'], 'captured'),
    quality: config.number('quality', { fallback: 90, min: 1, max: 100, integer: true }),
  };
}

function regionsOf(raw: RawConfig): Region[] {
  try {
    return checkRegions(raw['regions'] ?? []);
  } catch (error) {
    throw new ConfigError('regions', asCodedError(error).message);
  }
}

/** A camera's newest picture is worth most; a file that was put there is meant to be looked at. */
function usualWhenBusy({ kind }: SourceOptions): WhenBusy {
  return FILES.has(kind) ? 'block' : 'latest-wins';
}

const FILES: ReadonlySet<string> = new Set(['folder', 'file', 'video']);

export function normalise(config: ConfigReader, raw: RawConfig): CameraConfig {
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
    view: viewOptions(config, raw),
    trigger,
    intervalMs: config.number('intervalMs', { fallback: 1000, min: 10, max: 86_400_000 }),
    deadlineMs: config.optionalNumber('deadlineMs', { min: 1 }),
    whenBusy: config.choice('whenBusy', ['latest-wins', 'drop-oldest', 'block'], usualWhenBusy(source)),
    queueLength: config.number('queueLength', { fallback: 10, min: 1, max: 1000, integer: true }),
    health: config.boolean('health', true),
    baseline: config.text('baseline', '') || undefined,
    healthTrips: config.boolean('healthTrips', false),
  };
}
