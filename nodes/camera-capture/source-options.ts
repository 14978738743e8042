/** Which camera a camera-capture node is set to: one reader of the saved fields for each kind. */
import { asCaptureError } from '../../lib/capture/errors.ts';
import { doneMarkerOf } from '../../lib/capture/folder-files.ts';
import { checkGige, GIGE_PIXEL_FORMATS, type GigePixelFormat } from '../../lib/capture/gige.ts';
import { cameraUrl } from '../../lib/capture/http-request.ts';
import { brokerUrl } from '../../lib/capture/mqtt-broker.ts';
import { topicFilter } from '../../lib/capture/mqtt-topic.ts';
import type { SourceOptions } from '../../lib/capture/open-source.ts';
import { rtspUrl } from '../../lib/capture/rtsp.ts';
import { checkUsbDevice, checkUsbMode } from '../../lib/capture/usb.ts';
import { ConfigError, type ConfigReader } from '../runtime/config.ts';

type Kind = SourceOptions['kind'];
type Options<K extends Kind> = Omit<Extract<SourceOptions, { kind: K }>, 'kind' | 'timeoutMs'>;

/** The field as text, held against the rule of its domain. */
function checked(
  config: ConfigReader,
  field: string,
  check: (text: string) => unknown,
  fallback?: string,
): string {
  const text = config.text(field, fallback);
  try {
    check(text);
  } catch (error) {
    throw new ConfigError(field, asCaptureError(error, 'CAMERA_REFUSED', text).message);
  }
  return text;
}

function maxFps(config: ConfigReader): number | undefined {
  return config.optionalNumber('maxFps', { min: 0.1, max: 1000 });
}

function pixelFormat(config: ConfigReader): GigePixelFormat | undefined {
  if (config.text('pixelFormat', '') === '') return undefined;
  return config.choice('pixelFormat', GIGE_PIXEL_FORMATS, 'Mono8');
}

const READERS: { [K in Kind]: (config: ConfigReader) => Options<K> } = {
  folder: (config) => ({
    folder: config.text('folder'),
    mode: config.choice('folderMode', ['watch', 'cycle', 'once'], 'watch'),
    recursive: config.boolean('recursive', false),
    doneFolder: config.text('doneFolder', '') || undefined,
    doneMarker: checked(config, 'doneMarker', doneMarkerOf, ''),
    partIdFromName: config.boolean('partIdFromName', false),
  }),
  file: (config) => ({ file: config.text('file') }),
  'http-snapshot': (config) => ({ url: checked(config, 'url', cameraUrl) }),
  'http-mjpeg': (config) => ({
    url: checked(config, 'url', cameraUrl),
    watchdog: config.boolean('watchdog', true),
  }),
  // Whether a video camera lives is always watched: a decoder waits for ever for a frozen one.
  rtsp: (config) => ({
    url: checked(config, 'url', rtspUrl),
    transport: config.choice('rtspTransport', ['tcp', 'udp'], 'tcp'),
    maxFps: maxFps(config),
  }),
  gige: (config) => {
    const options = {
      camera: config.text('camera', ''),
      cameraTrigger: config.choice('cameraTrigger', ['free-run', 'software'], 'free-run'),
      // Where a field is empty the camera stays as it is.
      pixelFormat: pixelFormat(config),
      exposureUs: config.optionalNumber('exposureUs'),
      gain: config.optionalNumber('gain'),
      sensorX: config.optionalNumber('sensorX'),
      sensorY: config.optionalNumber('sensorY'),
      sensorWidth: config.optionalNumber('sensorWidth'),
      sensorHeight: config.optionalNumber('sensorHeight'),
      maxFps: config.optionalNumber('maxFps'),
      packetSize: config.optionalNumber('packetSize'),
    };
    try {
      checkGige(options);
    } catch (error) {
      throw new ConfigError('camera', asCaptureError(error, 'CAMERA_REFUSED', options.camera).message);
    }
    return options;
  },
  usb: (config) => ({
    device: checked(config, 'device', checkUsbDevice),
    mode: checked(config, 'usbMode', checkUsbMode, ''),
    maxFps: maxFps(config),
  }),
  video: (config) => ({
    file: config.text('file'),
    mode: config.choice('videoMode', ['cycle', 'once'], 'cycle'),
    maxFps: maxFps(config),
  }),
  mqtt: (config) => ({
    url: checked(config, 'url', brokerUrl),
    topic: checked(config, 'topic', topicFilter),
    watchdog: config.boolean('watchdog', true),
  }),
};

const KINDS = Object.keys(READERS) as Kind[];

/** @throws ConfigError naming the field */
export function sourceOptions(config: ConfigReader): SourceOptions {
  const kind = config.choice('source', KINDS, 'folder');
  const timeoutMs = config.number('timeoutMs', { fallback: 5000, min: 10, max: 600_000 });
  // The table holds one reader for each kind, which the compiler cannot follow from here.
  return { kind, timeoutMs, ...READERS[kind](config) } as SourceOptions;
}

/** True when images come without being asked for. */
export function bringsImages(source: SourceOptions): boolean {
  switch (source.kind) {
    case 'folder':
      return source.mode === 'watch';
    case 'gige':
      return source.cameraTrigger === 'free-run';
    case 'file':
    case 'http-snapshot':
      return false;
    default:
      return true;
  }
}

/** A live camera: what is not taken is followed by something newer. Elsewhere each image is a part. */
export function isLive(source: SourceOptions): boolean {
  switch (source.kind) {
    case 'http-mjpeg':
    case 'mqtt':
      return source.watchdog;
    case 'gige':
      return source.cameraTrigger === 'free-run';
    case 'rtsp':
    case 'usb':
      return true;
    default:
      return false;
  }
}
