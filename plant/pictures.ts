/**
 * Where the camera's pictures come from: painted by the line (in a worker thread, ahead of time), or the
 * user's own images out of a folder, in turn.
 */
import { readdir, stat } from 'node:fs/promises';
import { basename, extname, join, sep } from 'node:path';
import { Worker } from 'node:worker_threads';
import sharp from 'sharp';
import { PlantError } from './errors.ts';
import type { PartPlan } from './line.ts';
import type { PaintAnswer, PaintJob } from './painter-worker.ts';
import type { PartImage } from './part-image.ts';
import { mixSeed, randomFrom } from './random.ts';

export interface Picture {
  jpeg: Buffer;
  box: PartImage['box'];
}

export interface PictureSource {
  /** The picture of a planned part; asking again gives the same promise while it is kept. */
  picture(plan: PartPlan): Promise<Picture>;
  /** Is the planned part bad? Null where nobody knows. */
  bad(plan: PartPlan): boolean | null;
  /** The kind of defect, `unknown kind` for an image filed under bad, null for none or not known. */
  defect(plan: PartPlan): string | null;
  close(): Promise<void>;
}

interface PaintedOptions {
  width?: number;
  height?: number;
}

/** Paints each part as it is planned. */
export function paintedPictures(options: PaintedOptions = {}): PictureSource {
  const worker = new Worker(new URL(`./painter-worker${extname(import.meta.url)}`, import.meta.url));
  const waiting = new Map<number, { resolve: (picture: Picture) => void; reject: (error: Error) => void }>();
  const fail = (message: string): void => {
    for (const { reject } of waiting.values()) reject(new PlantError('PLANT_PAINTER_FAILED', message));
    waiting.clear();
  };
  worker.on('message', (answer: PaintAnswer) => {
    const asked = waiting.get(answer.job);
    waiting.delete(answer.job);
    if ('failure' in answer) asked?.reject(new PlantError('PLANT_PAINTER_FAILED', answer.failure));
    else asked?.resolve({ jpeg: Buffer.from(answer.jpeg), box: answer.box });
  });
  worker.on('error', (error) => fail(error instanceof Error ? error.message : String(error)));
  worker.on('exit', () => fail('the painter has stopped'));
  return {
    bad: (plan) => plan.defect !== null,
    defect: (plan) => plan.defect,
    picture: kept((plan) => {
      const { seed, defect, defectSeed } = plan;
      const job: PaintJob = { job: plan.sequence, request: { seed, defect, defectSeed, ...options } };
      return new Promise((resolve, reject) => {
        waiting.set(plan.sequence, { resolve, reject });
        worker.postMessage(job);
      });
    }),
    close: async () => {
      fail('the plant is closing');
      await worker.terminate();
    },
  };
}

const PICTURE_FILES = new Set(['.jpg', '.jpeg', '.png', '.webp', '.bmp', '.tif', '.tiff', '.gif']);
const BAD_FOLDER =
  /^(test[_-])?(bad|abnormal|anomal\w*|defect\w*|ng|nok|reject\w*|broken|crack\w*|scratch\w*)$/i;
const GOOD_FOLDER = /^((train|test)[_-])?(good|normal|ok)$/i;
const TRAIN_FOLDER = /^train([_-]\w+)?$/i;

/** What a file's folders say about the part on it: bad, good, or nothing (null). */
export function truthOfPath(path: string): boolean | null {
  const folders = path.split(/[\\/]/).slice(0, -1).reverse();
  for (const folder of folders) {
    if (BAD_FOLDER.test(folder)) return true;
    if (GOOD_FOLDER.test(folder)) return false;
  }
  return null;
}

/**
 * Shows the images of a folder and its subfolders. Known good ones (those in a `train…` folder first) come
 * while the line is being set up; after that all others in an order shuffled anew each round.
 * @throws PlantError PLANT_NO_IMAGES
 */
export async function folderPictures(
  folder: string,
  seed: number,
  goodParts: number,
): Promise<PictureSource> {
  const files = (await readdir(folder, { recursive: true }).catch(() => []))
    .filter((name) => PICTURE_FILES.has(extname(name).toLowerCase()))
    .sort();
  if (files.length === 0) {
    throw new PlantError('PLANT_NO_IMAGES', `There are no images in ${folder}.`, {
      hint: 'Name a folder with JPEG, PNG or WebP files.',
    });
  }
  // The folder's own name counts too, so that `--images parts/good` is known to be good.
  const truth = new Map(files.map((name) => [name, truthOfPath(join(basename(folder), name))]));
  const isTraining = (name: string): boolean => name.split(sep).some((part) => TRAIN_FOLDER.test(part));
  const good = files.filter((name) => truth.get(name) === false);
  const training = good.filter(isTraining);
  const teaching = training.length > 0 ? training : good;
  const unseen = files.filter((name) => !isTraining(name));
  const turn = unseen.length > 0 ? unseen : files;
  const fileOf = (plan: PartPlan): string => {
    const index = plan.sequence - 1;
    const setUp = teaching.length > 0 && index < goodParts;
    const list = setUp ? teaching : turn;
    const position = setUp || teaching.length === 0 ? index : index - goodParts;
    const round = Math.floor(position / list.length);
    // Without a word about good and bad the names' order is all there is.
    const order = setUp || teaching.length === 0 ? list : shuffled(list, mixSeed(seed, round));
    return order[position % list.length] ?? '';
  };
  return {
    bad: (plan) => truth.get(fileOf(plan)) ?? null,
    defect: (plan) => (truth.get(fileOf(plan)) === true ? 'unknown kind' : null),
    picture: kept(async (plan) => ({ jpeg: await asJpeg(join(folder, fileOf(plan))), box: null })),
    close: () => Promise.resolve(),
  };
}

async function asJpeg(path: string): Promise<Buffer> {
  const { size } = await stat(path);
  if (size === 0) throw new PlantError('PLANT_NO_IMAGES', `${path} is empty.`);
  return sharp(path).rotate().flatten({ background: '#ffffff' }).toColourspace('srgb').jpeg({ quality: 90 }).toBuffer(); // prettier-ignore
}

function shuffled(values: readonly string[], seed: number): string[] {
  const random = randomFrom(seed);
  const result = [...values];
  for (let last = result.length - 1; last > 0; last--) {
    const other = random.below(last + 1);
    [result[last], result[other]] = [result[other] ?? '', result[last] ?? ''];
  }
  return result;
}

/** Pictures asked for ahead of time are kept until they are a few parts old. */
function kept(make: (plan: PartPlan) => Promise<Picture>): PictureSource['picture'] {
  const pictures = new Map<number, Promise<Picture>>();
  return (plan) => {
    const known = pictures.get(plan.sequence);
    if (known !== undefined) return known;
    const picture = make(plan);
    // Whoever asked handles the failure; asking ahead must not bring the process down.
    picture.catch(() => undefined);
    pictures.set(plan.sequence, picture);
    for (const sequence of pictures.keys()) if (sequence < plan.sequence - 4) pictures.delete(sequence);
    return picture;
  };
}
