/**
 * An industrial camera on the network (GigE Vision): what a person may choose, checked as far as that
 * is possible without the camera. Its own limits are checked by media/gige.py, which talks to it.
 */
import { isIPv4 } from 'node:net';
import type { Clock } from '../clock.ts';
import type { DiscoveredCamera } from './discovery.ts';
import { CaptureError } from './errors.ts';
import { gvcpAnswers } from './gvcp.ts';
import { listCameras } from './media/list-cameras.ts';
import { MediaSource } from './media-source.ts';

/** As the Pixel Format Naming Convention calls them. */
export const GIGE_PIXEL_FORMATS = ['Mono8', 'RGB8', 'BayerRG8'] as const;
export type GigePixelFormat = (typeof GIGE_PIXEL_FORMATS)[number];

/** Where a setting is absent the camera is left as it is. */
export interface GigeSettings {
  pixelFormat?: GigePixelFormat | undefined;
  /** Microseconds. */
  exposureUs?: number | undefined;
  /** Decibels, or steps of the camera. */
  gain?: number | undefined;
  /** Part of the sensor, in its pixels. */
  sensorX?: number | undefined;
  sensorY?: number | undefined;
  sensorWidth?: number | undefined;
  sensorHeight?: number | undefined;
  /** Frames a second while the camera runs free. */
  maxFps?: number | undefined;
  /** Bytes, with IP, UDP and GVSP headers. */
  packetSize?: number | undefined;
}

export interface GigeOptions extends GigeSettings {
  /** Id, serial number or IPv4 address; the first that answers where empty. */
  camera: string;
  /** `software`: the camera exposes once for each trigger; `free-run`: always. */
  cameraTrigger: 'free-run' | 'software';
  timeoutMs: number;
  watchdog?: boolean;
  python?: string | undefined;
  clock?: Clock;
  random?: () => number;
  /** What the camera says it is set to, by its own names, each time it has been opened. */
  settings?: (settings: Readonly<Record<string, unknown>>) => void;
}

/** Ids are made of what makers write into their cameras, which may be anything but control characters. */
const CAMERA = /^[^\p{Cc}]{0,128}$/u;
const WHOLE = ['sensorX', 'sensorY', 'sensorWidth', 'sensorHeight', 'packetSize'] as const;
const MORE_THAN_ZERO = ['exposureUs', 'sensorWidth', 'sensorHeight', 'maxFps', 'packetSize'] as const;
const NOT_BELOW_ZERO = ['sensorX', 'sensorY'] as const;

/** @throws CaptureError `CAMERA_REFUSED` for what no camera can be set to */
export function checkGige(options: { camera: string } & GigeSettings): void {
  const refuse = (text: string): never => {
    throw new CaptureError('CAMERA_REFUSED', text);
  };
  if (!CAMERA.test(options.camera)) refuse('the camera must be named by its id, serial number or address');
  const { pixelFormat, gain } = options;
  if (pixelFormat !== undefined && !GIGE_PIXEL_FORMATS.includes(pixelFormat)) {
    refuse(`the pixel format must be one of ${GIGE_PIXEL_FORMATS.join(', ')}`);
  }
  if (gain !== undefined && !Number.isFinite(gain)) refuse('gain must be a number');
  for (const name of WHOLE) {
    const value = options[name];
    if (value !== undefined && !Number.isSafeInteger(value)) refuse(`${name} must be a whole number`);
  }
  for (const name of MORE_THAN_ZERO) {
    const value = options[name];
    if (value !== undefined && !(Number.isFinite(value) && value > 0)) refuse(`${name} must be more than 0`);
  }
  for (const name of NOT_BELOW_ZERO) {
    if ((options[name] ?? 0) < 0) refuse(`${name} must not be below 0`);
  }
}

/** @throws CaptureError `CAMERA_REFUSED` for what no camera can be set to */
export function gigeSource(options: GigeOptions): MediaSource {
  checkGige(options);
  const {
    camera,
    cameraTrigger,
    timeoutMs,
    watchdog,
    python,
    clock,
    random,
    settings: told,
    ...rest
  } = options;
  const onDemand = cameraTrigger === 'software';
  let address = isIPv4(camera) ? camera : undefined;
  return new MediaSource({
    kind: 'gige',
    name: camera === '' ? 'GigE camera' : camera,
    open: { ...rest, camera, onDemand },
    timeoutMs,
    triggered: () => onDemand,
    beatsAlways: onDemand,
    settings: (settings) => {
      const { GevCurrentIPAddress: now } = settings;
      if (typeof now === 'string' && isIPv4(now)) address = now;
      told?.(settings);
    },
    // A camera that was never there has no address to ask; its attempts look for it by broadcast.
    reachable: async (signal) => address !== undefined && (await gvcpAnswers(address, signal)),
    ...(watchdog === undefined ? {} : { watchdog }),
    ...(python === undefined ? {} : { python }),
    ...(clock === undefined ? {} : { clock }),
    ...(random === undefined ? {} : { random }),
  });
}

/**
 * Every GigE Vision camera that answers a broadcast; takes a second.
 *
 * @throws CaptureError `LIBRARY_MISSING`, `CAMERA_LOST` when the list cannot be made
 */
export async function listGigeCameras(python?: string): Promise<DiscoveredCamera[]> {
  return await listCameras('gige', python);
}
