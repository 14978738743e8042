/** What a camera-capture node is set to: which camera, and what makes it take a picture. */
import type { Trigger } from '../../lib/capture/camera.ts';
import { asCaptureError } from '../../lib/capture/errors.ts';
import { cameraUrl } from '../../lib/capture/http-request.ts';
import type { WhenBusy } from '../../lib/capture/intake.ts';
import { brokerUrl } from '../../lib/capture/mqtt-broker.ts';
import { topicFilter } from '../../lib/capture/mqtt-topic.ts';
import type { SourceOptions } from '../../lib/capture/open-source.ts';
import { rtspUrl } from '../../lib/capture/rtsp.ts';
import { checkRegions, RegionError } from '../../lib/frame/region.ts';
import type { ViewOptions } from '../../lib/frame/view.ts';
import { ConfigError, type ConfigReader } from '../runtime/config.ts';

export interface CameraConfig {
  name: string;
  stationId: string | undefined;
  source: SourceOptions;
  trigger: Trigger;
  intervalMs: number;
  /** The station's own when undefined. */
  deadlineMs: number | undefined;
  view: ViewOptions;
  whenBusy: WhenBusy;
  queueLength: number;
  health: boolean;
  /** Health out of its band takes the station down its ladder. */
  healthTrips: boolean;
}

const SOURCES = ['folder', 'http-snapshot', 'http-mjpeg', 'rtsp', 'usb', 'video', 'mqtt'] as const;

/** Reads a field with the check of the source it is for, whose sentence then names the field. */
function checked(config: ConfigReader, field: string, check: (text: string) => unknown): string {
  const text = config.text(field);
  try {
    check(text);
  } catch (error) {
    throw new ConfigError(field, asCaptureError(error, 'CAMERA_REFUSED', text).message);
  }
  return text;
}

/** @throws ConfigError naming the field */
function sourceOptions(config: ConfigReader): SourceOptions {
  const kind = config.choice('source', SOURCES, 'folder');
  const timeoutMs = config.number('timeoutMs', { fallback: 5000, min: 10, max: 600_000 });
  const watchdog = config.boolean('watchdog', true);
  const maxFps = config.optionalNumber('maxFps', { min: 0.1, max: 1000 });
  switch (kind) {
    case 'folder':
      return {
        kind,
        timeoutMs,
        folder: config.text('folder'),
        mode: config.choice('folderMode', ['watch', 'cycle', 'once'], 'watch'),
        recursive: config.boolean('recursive', false),
        doneFolder: config.text('doneFolder', '') || undefined,
        partIdFromName: config.boolean('partIdFromName', false),
      };
    case 'http-snapshot':
      return { kind, timeoutMs, url: checked(config, 'url', cameraUrl) };
    case 'http-mjpeg':
      return { kind, timeoutMs, watchdog, url: checked(config, 'url', cameraUrl) };
    case 'rtsp':
      return {
        kind,
        timeoutMs,
        watchdog,
        maxFps,
        url: checked(config, 'url', rtspUrl),
        transport: config.choice('rtspTransport', ['tcp', 'udp'], 'tcp'),
      };
    case 'usb':
      return {
        kind,
        timeoutMs,
        maxFps,
        device: config.text('device', '/dev/video0'),
        mode: config.text('usbMode', ''),
      };
    case 'video':
      return {
        kind,
        timeoutMs,
        maxFps,
        file: config.text('file'),
        mode: config.choice('videoMode', ['cycle', 'once'], 'cycle'),
      };
    case 'mqtt':
      return {
        kind,
        timeoutMs,
        watchdog,
        url: checked(config, 'url', brokerUrl),
        topic: checked(config, 'topic', topicFilter),
      };
  }
}

/** True when images come without being asked for. */
function bringsImages(source: SourceOptions): boolean {
  if (source.kind === 'folder') return source.mode === 'watch';
  return source.kind !== 'http-snapshot';
}

/** Live cameras: what is not taken is followed by something newer. Elsewhere each image is a part. */
function isLive(source: SourceOptions): boolean {
  switch (source.kind) {
    case 'http-mjpeg':
    case 'mqtt':
      return source.watchdog;
    case 'rtsp':
    case 'usb':
      return true;
    default:
      return false;
  }
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
      quality: config.number('quality', { fallback: 90, min: 1, max: 100 }),
    };
  } catch (error) {
    if (error instanceof RegionError) throw new ConfigError('regions', error.message);
    throw error;
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
    trigger,
    intervalMs: config.number('intervalMs', { fallback: 1000, min: 10, max: 86_400_000 }),
    deadlineMs: config.optionalNumber('deadlineMs', { min: 1 }),
    view: viewOptions(config),
    whenBusy: isLive(source)
      ? config.choice('whenBusy', ['latest-wins', 'drop-oldest', 'block'], 'latest-wins')
      : 'block',
    queueLength: config.number('queueLength', { fallback: 4, min: 1, max: 100 }),
    health: config.boolean('health', true),
    healthTrips: config.boolean('healthTrips', true),
  };
}
