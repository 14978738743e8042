/** Where an image goes that a source brings by itself: to the trigger that waits, or to the listener. */
import type { LatestImage } from './latest.ts';
import type { CapturedImage, FailedImage, SourceListener } from './source.ts';

/** Resolves once it has been taken in; the source brings nothing until then. */
export async function deliver(
  arrival: CapturedImage | FailedImage,
  latest: LatestImage,
  listener: SourceListener | undefined,
): Promise<void> {
  if ('error' in arrival) {
    if (latest.wanted) latest.putFailed(arrival.error);
    else await listener?.failed?.(arrival);
  } else if (listener?.image === undefined || latest.wanted) latest.put(arrival);
  else await listener.image(arrival);
}
