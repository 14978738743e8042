/** Reads which camera a camera-capture node is set to. */
import { asCaptureError } from '../../lib/capture/errors.ts';
import { cameraUrl } from '../../lib/capture/http-request.ts';
import type { SourceOptions } from '../../lib/capture/open-source.ts';
import { ConfigError, type ConfigReader } from '../runtime/config.ts';

/** @throws ConfigError naming the field */
export function sourceOptions(config: ConfigReader): SourceOptions {
  const kind = config.choice('source', ['folder', 'http-snapshot', 'http-mjpeg'], 'folder');
  const timeoutMs = config.number('timeoutMs', { fallback: 5000, min: 10, max: 600_000 });
  if (kind === 'folder') {
    return {
      kind,
      timeoutMs,
      folder: config.text('folder'),
      mode: config.choice('folderMode', ['watch', 'cycle', 'once'], 'watch'),
      recursive: config.boolean('recursive', false),
      doneFolder: config.text('doneFolder', '') || undefined,
      partIdFromName: config.boolean('partIdFromName', false),
    };
  }
  const url = config.text('url');
  try {
    cameraUrl(url);
  } catch (error) {
    throw new ConfigError('url', asCaptureError(error, 'CAMERA_REFUSED', url).message);
  }
  if (kind === 'http-snapshot') return { kind, url, timeoutMs };
  return { kind, url, timeoutMs, watchdog: config.boolean('watchdog', true) };
}

/** True when images come without being asked for. */
export function bringsImages(source: SourceOptions): boolean {
  return source.kind === 'http-mjpeg' || (source.kind === 'folder' && source.mode === 'watch');
}
