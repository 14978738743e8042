/**
 * Brings the pictures that are shown to where they are shown: of what the browser tests have left in
 * `.jidoka/screenshots`, each that a page of the docs or a node's help links to, in as few colours as keep it
 * small, unless that shows.
 */
import { existsSync, globSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import sharp from 'sharp';

const root = join(import.meta.dirname, '..');
const TAKEN = join(root, '.jidoka', 'screenshots');
/** Of 255: a difference that somebody sees who does not look for it. */
const VISIBLE = 40;

interface Place {
  folder: string;
  /** The pages that show pictures of that folder. */
  pages: string[];
  /** Finds the name of a picture in such a page. */
  link: RegExp;
  /** What the tests put before the name. */
  prefix: string;
  maxBytes: number;
  /** What is white around it. */
  marginPx: number;
}

const PLACES: Place[] = [
  {
    folder: 'docs/images',
    pages: ['README.md', 'docs/**/*.md', 'flows/*/README.md'],
    link: /images\/([\w-]+\.png)/g,
    prefix: '',
    maxBytes: 150_000,
    marginPx: 0,
  },
  {
    folder: 'resources/help',
    pages: ['nodes/*/locales/*/*.html'],
    link: /help\/([\w-]+\.png)/g,
    prefix: 'help-',
    // They are shipped with the package, all of them.
    maxBytes: 40_000,
    // They are cut out close to their text, and in the dark what is around them is not white.
    marginPx: 8,
  },
];
/** Of a palette: the less, the fewer colours. (Of a number of colours sharp heeds only how many bits it takes: 8 or 4.) */
const QUALITIES = [100, 90, 80, 70, 60, 50, 40, 30, 20];

/** Names of the pictures that its pages link to. */
function linkedPictures({ pages, link }: Place): string[] {
  const texts = globSync(pages, { cwd: root }).map((page) => readFileSync(join(root, page), 'utf8'));
  const names = texts.flatMap((text) => [...text.matchAll(link)].map(([, name = '']) => name));
  return [...new Set(names)].toSorted();
}

/** Blurred, so that dithering counts as the colour it stands for. */
function colours(picture: Buffer): Promise<Buffer> {
  return sharp(picture).removeAlpha().blur(3).raw().toBuffer();
}

/** True where no place of the picture has visibly got another colour: a small green lamp on a grey part does easily. */
async function looksAlike(original: Buffer, picture: Buffer): Promise<boolean> {
  const [before, after] = await Promise.all([colours(original), colours(picture)]);
  return before.every((value, index) => Math.abs(value - (after[index] ?? 0)) <= VISIBLE);
}

async function small(path: string, { maxBytes, marginPx }: Place): Promise<Buffer> {
  const [top, bottom, left, right] = [marginPx, marginPx, marginPx, marginPx];
  const shown = await sharp(path).extend({ top, bottom, left, right, background: 'white' }).png().toBuffer();
  let best = shown;
  for (const quality of QUALITIES) {
    const fewer = await sharp(shown)
      .png({ palette: true, quality, effort: 10, compressionLevel: 9 })
      .toBuffer();
    if (!(await looksAlike(shown, fewer))) break;
    best = fewer;
    if (best.length <= maxBytes) break;
  }
  return best;
}

for (const place of PLACES) {
  for (const name of linkedPictures(place)) {
    const taken = join(TAKEN, `${place.prefix}${name}`);
    if (!existsSync(taken)) {
      console.log(`${name}: not taken by the tests that have run; kept as it is`);
      continue;
    }
    const picture = await small(taken, place);
    writeFileSync(join(root, place.folder, name), picture);
    console.log(`${place.folder}/${name}: ${Math.ceil(picture.length / 1000)} KB`);
  }
}
