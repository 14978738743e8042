/**
 * A video file as a camera: at its own pace when frames come by themselves, one picture further for
 * each trigger otherwise.
 */
import { isAbsolute } from 'node:path';
import { CaptureError } from './errors.ts';
import { MediaSource } from './media-source.ts';

export interface VideoOptions {
  /** Absolute. */
  file: string;
  /** What comes after its last picture: its first one, or `NO_IMAGE`. */
  mode: 'cycle' | 'once';
  maxFps?: number | undefined;
  timeoutMs: number;
  python?: string | undefined;
}

/** @throws CaptureError `CAMERA_REFUSED` when the path is not absolute */
export function videoSource({ file, mode, maxFps, timeoutMs, python }: VideoOptions): MediaSource {
  if (!isAbsolute(file)) throw new CaptureError('CAMERA_REFUSED', 'the file must be an absolute path');
  return new MediaSource({
    kind: 'video',
    name: file,
    open: { file, mode, maxFps },
    timeoutMs,
    triggered: (freeRun) => !freeRun,
    // A file that is at its end stays there; one that is absent may come.
    isFinal: ({ code }) => code === 'NO_IMAGE' && mode === 'once',
    ...(python === undefined ? {} : { python }),
  });
}
