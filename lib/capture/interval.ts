/** Grabs from a source at a fixed interval, never twice at once: what cannot keep up skips beats. */
import { systemClock, type Clock } from '../clock.ts';
import { asCaptureError, type CaptureError } from './errors.ts';
import type { CameraSource, CapturedImage } from './source.ts';

export interface IntervalOptions {
  intervalMs: number;
  /** @param triggeredAt `performance.now()` of the beat */
  image(image: CapturedImage, triggeredAt: number): Promise<void>;
  failed(error: CaptureError, triggeredAt: number): Promise<void>;
  /** @param count beats skipped so far */
  skipped(count: number): void;
  clock?: Clock;
}

/** Starts at once; returns the way to stop, which waits for the grab under way. Close the source first. */
export function grabAtInterval(
  source: Pick<CameraSource, 'grab'>,
  options: IntervalOptions,
): () => Promise<void> {
  const { intervalMs, clock = systemClock } = options;
  const stopped = new AbortController();
  let underWay: Promise<void> | undefined;
  let skipped = 0;

  const grab = async (): Promise<void> => {
    const triggeredAt = performance.now();
    let image: CapturedImage;
    try {
      image = await source.grab(stopped.signal);
    } catch (error) {
      await options.failed(asCaptureError(error, 'CAMERA_LOST', 'grab'), triggeredAt);
      return;
    }
    await options.image(image, triggeredAt);
  };
  let cancel: () => void;
  const beat = (): void => {
    cancel = clock.after(intervalMs, beat);
    if (underWay === undefined) {
      underWay = grab().finally(() => (underWay = undefined));
      return;
    }
    skipped += 1;
    options.skipped(skipped);
  };
  cancel = clock.after(intervalMs, beat);
  return async () => {
    cancel();
    stopped.abort();
    await underWay;
  };
}
