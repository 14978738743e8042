/**
 * Memory for pictures that Node-RED's process receives whole: files, snapshots, parts of a stream.
 *
 * An ordinary Buffer of half a megabyte is announced to V8 as external memory, and about 30 MB of
 * announced memory make it mark the whole heap again: with pictures of 0.6 MB every 25 to 50 of them,
 * 20–50 ms of the event loop each time. Shared memory is not announced. The first 64 MB of pictures
 * alive are therefore put there; once they are used up, ordinary Buffers bring the next collection about,
 * which gives the shared ones back. It takes up to 64 MB and saves two of three full collections (600
 * pictures of 0.6 MB: 13 → 4, Node 24).
 */

const BUDGET_BYTES = 64 * 1024 * 1024;
/** Smaller ones are no burden, and a registration costs more than it brings. */
const LEAST_BYTES = 64 * 1024;

let inUse = 0;
const collected = new FinalizationRegistry<number>((length) => {
  inUse -= length;
});

/** Bytes of shared memory in pictures that have not been collected yet. */
export function pictureBytesInUse(): number {
  return inUse;
}

/** An empty Buffer for one picture, to be filled once and then never written to. */
export function pictureMemory(length: number): Buffer {
  if (length < LEAST_BYTES || inUse + length > BUDGET_BYTES) return Buffer.allocUnsafeSlow(length);
  const memory = new SharedArrayBuffer(length);
  inUse += length;
  collected.register(memory, length);
  return Buffer.from(memory);
}

/** The parts of a picture, one after the other, as one. */
export function joinPicture(parts: readonly Uint8Array[], length: number): Buffer {
  const picture = pictureMemory(length);
  let offset = 0;
  for (const part of parts) {
    picture.set(part, offset);
    offset += part.length;
  }
  return picture;
}
