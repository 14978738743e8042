/**
 * Entry of the teaching process: asks its parent for one frame at a time, keeps only the features,
 * teaches, writes the graph, and says what came out. It ends when its parent does.
 */
import { open } from 'node:fs/promises';
import { constants, setPriority } from 'node:os';
import { asCodedError } from '../errors.ts';
import { decodeRgb } from '../frame/decode.ts';
import { resizeRgb } from '../frame/resize.ts';
import { extractFeatures, gridOf, openSession, readBackbone, sha256, type Features } from './backbone.ts';
import { AnomalyError } from './errors.ts';
import { FEATURES, mapSideOf } from './head.ts';
import { seededRandom } from '../statistics/random.ts';
import type { FromTeacher, ToTeacher } from './teach-protocol.ts';
import { teachFromFeatures } from './teaching.ts';

/** Features are held up to this size: 400 parts at 224, 100 at 448; of more, a random sample (reservoir, seeded). */
const MAX_FEATURE_BYTES = 400 * 4 * FEATURES * mapSideOf(224) ** 2;

type Start = Extract<ToTeacher, { type: 'start' }>;
type FrameMessage = Extract<ToTeacher, { type: 'frame' }>;

function say(message: FromTeacher): void {
  process.send?.(message);
}

/** What the parent sends, one message after the other. */
async function* messages(): AsyncGenerator<ToTeacher> {
  const waiting: ToTeacher[] = [];
  let wake: () => void = () => undefined;
  process.on('message', (message) => {
    waiting.push(message as ToTeacher);
    wake();
  });
  for (;;) {
    const next = waiting.shift();
    if (next !== undefined) yield next;
    else await new Promise<void>((resolve) => (wake = resolve));
  }
}

async function pixelsOf({ bytes, format, width, height }: FrameMessage, resolution: number): Promise<Buffer> {
  const image = await decodeRgb(
    Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length),
    format,
    width,
    height,
  );
  return resizeRgb(image, { width: resolution, height: resolution, fit: 'stretch' }).data;
}

async function teachOnce(start: Start, incoming: AsyncGenerator<ToTeacher>): Promise<void> {
  const backbone = await readBackbone();
  const session = await openSession(backbone.bytes);
  const { resolution } = start;
  const size = { width: resolution, height: resolution };
  const maxParts = Math.floor(MAX_FEATURE_BYTES / (4 * FEATURES * mapSideOf(resolution) ** 2));
  const random = seededRandom(start.seed);
  const features: Features[] = [];
  let seen = 0;
  let skipped = 0;
  say({ type: 'next' });
  for await (const message of incoming) {
    if (message.type !== 'frame') break;
    const place = seen < maxParts ? seen : random.below(seen + 1);
    const pixels =
      place < maxParts ? await pixelsOf(message, resolution).catch(() => undefined) : new Uint8Array();
    if (pixels === undefined) skipped += 1;
    else {
      if (place < maxParts) features[place] = await extractFeatures(session, backbone, pixels, size);
      seen += 1;
    }
    say({ type: 'progress', progress: { stage: 'features', done: seen, total: 0 } });
    say({ type: 'next' });
  }
  await session.release();
  if (features.length < start.minimumParts) {
    const unreadable = skipped === 0 ? '' : `, ${skipped} more could not be decoded`;
    throw new AnomalyError(
      'TEACH_TOO_FEW',
      `${features.length} good parts are too few to teach a model (at least ${start.minimumParts})${unreadable}`,
    );
  }
  const { graph, scores, bankSize } = await teachFromFeatures({
    features,
    grid: gridOf(backbone, size),
    backbone,
    method: 'patch-nn',
    seed: start.seed,
    coresetSize: start.coresetSize,
    onProgress: (progress) => say({ type: 'progress', progress }),
  });
  const file = await open(start.file, 'wx');
  await file.writeFile(graph);
  await file.sync();
  await file.close();
  const parts = features.length;
  const goodScores = scores.toSorted((one, other) => one - other);
  const backboneDigest = backbone.digest;
  say({
    type: 'taught',
    taught: { digest: sha256(graph), backboneDigest, bankSize, parts, skipped, goodScores },
  });
}

async function main(): Promise<void> {
  process.on('disconnect', () => process.exit(0));
  // The line goes first: teaching can wait, a part on the belt cannot.
  setPriority(constants.priority.PRIORITY_BELOW_NORMAL);
  const incoming = messages();
  const first = await incoming.next();
  if (first.done !== true && first.value.type === 'start') await teachOnce(first.value, incoming);
}

main().catch((error: unknown) => {
  const { code, message } = asCodedError(error);
  say({ type: 'failed', code, message });
});
