/** Turns a captured image into the Frame of a part and the record of it. */
import { Frame } from '../frame/frame.ts';
import type { HealthMeter } from '../frame/health.ts';
import type { FrameSection } from '../inspection/inspection.ts';
import type { CapturedImage } from './source.ts';

export interface PartFrame {
  frame: Frame;
  section: FrameSection;
  /** Milliseconds spent on measuring the health, waiting included; undefined without a meter. */
  healthMs: number | undefined;
}

/**
 * Takes over the bytes of the image. The SHA-256 and one copy of a 400 kB JPEG cost the main thread
 * about 0.3 ms together; the decoding for the health runs elsewhere.
 *
 * @throws HealthError `IMAGE_INVALID` when there is a meter and the image cannot be decoded
 */
export async function partFrame(
  image: CapturedImage,
  sourceName: string,
  meter: HealthMeter | undefined,
): Promise<PartFrame> {
  const { bytes, width, height, format, capturedAt, file } = image;
  const frame = new Frame(bytes, { width, height, format, capturedAt, source: file ?? sourceName });
  const startedAt = performance.now();
  const health = await meter?.measure(frame);
  const { id, source, sha256 } = frame;
  return {
    frame,
    section: {
      id,
      width,
      height,
      format,
      capturedAt: capturedAt.toISOString(),
      source,
      sha256,
      ...(health === undefined ? {} : { health }),
    },
    healthMs: health === undefined ? undefined : performance.now() - startedAt,
  };
}
