/**
 * Brings the pictures the docs show into `docs/images`: of what the browser tests have left in `.jidoka/screenshots`,
 * each that a page links to, in as few colours as it takes to stay below 150 KB, unless that shows.
 */
import { existsSync, globSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import sharp from 'sharp';

const root = join(import.meta.dirname, '..');
const TAKEN = join(root, '.jidoka', 'screenshots');
const SHOWN = join(root, 'docs', 'images');
const MAX_BYTES = 150_000;
/** The last ones as good as nothing but text needs. */
const COLOURS = [256, 128, 64, 32, 16];
/** Of 255: a difference that somebody sees who does not look for it. */
const VISIBLE = 40;

/** Names of the pictures that a page of the docs links to. */
function linkedPictures(): Set<string> {
  const pages = globSync(['README.md', 'docs/**/*.md', 'flows/*/README.md'], { cwd: root });
  const links = pages.flatMap((page) => [
    ...readFileSync(join(root, page), 'utf8').matchAll(/images\/([\w-]+\.png)/g),
  ]);
  return new Set(links.map(([, name = '']) => name));
}

/** Blurred, so that dithering counts as the colour it stands for. */
function colours(picture: string | Buffer): Promise<Buffer> {
  return sharp(picture).removeAlpha().blur(3).raw().toBuffer();
}

/** True where no place of the picture has visibly got another colour: a small green lamp on a grey part does easily. */
async function looksAlike(original: string, picture: Buffer): Promise<boolean> {
  const [before, after] = await Promise.all([colours(original), colours(picture)]);
  return before.every((value, index) => Math.abs(value - (after[index] ?? 0)) <= VISIBLE);
}

async function small(path: string): Promise<Buffer> {
  let best = await sharp(path).png({ compressionLevel: 9, effort: 10 }).toBuffer();
  for (const count of COLOURS) {
    const fewer = await sharp(path)
      .png({ palette: true, colours: count, effort: 10, compressionLevel: 9 })
      .toBuffer();
    if (!(await looksAlike(path, fewer))) break;
    best = fewer;
    if (best.length <= MAX_BYTES) break;
  }
  return best;
}

for (const name of [...linkedPictures()].toSorted()) {
  const taken = join(TAKEN, name);
  if (!existsSync(taken)) {
    console.log(`${name}: not taken by the tests that have run; kept as it is`);
    continue;
  }
  const picture = await small(taken);
  writeFileSync(join(SHOWN, basename(name)), picture);
  console.log(`${name}: ${Math.ceil(picture.length / 1000)} KB`);
}
