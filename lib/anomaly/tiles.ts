/**
 * Large parts: a picture is looked at as it is, and each of its overlapping tiles has a bank of its own,
 * since what is good in one corner is a defect in another. The backbone runs over the whole picture at once
 * and its patches are cut into tiles: as it is convolutional that gives the patches which tiles by themselves
 * would give, without the seams, and computes none twice.
 */
import type { Grid, Size } from './backbone.ts';

/** Sides of pictures and tiles are multiples of this: every stride of a backbone divides it. */
const UNIT = 32;

export interface TileOptions extends Size {
  /** Side of a tile in pixels. */
  tile: number;
  /** Pixels that neighbouring tiles share at least. */
  overlap: number;
}

/** Pixels of the input of the graph, and where the tiles begin in it. */
export interface Tiling extends Size {
  tile: Size;
  lefts: number[];
  tops: number[];
}

function rounded(pixels: number): number {
  return Math.max(UNIT, Math.round(pixels / UNIT) * UNIT);
}

/** Starts of tiles over a length, evenly spaced, the last ending with it. */
function startsOf(length: number, tile: number, overlap: number): number[] {
  const step = Math.max(UNIT, tile - overlap);
  const count = Math.max(1, Math.ceil((length - tile) / step) + 1);
  return Array.from({ length: count }, (_, index) =>
    count === 1 ? 0 : Math.floor((index * (length - tile)) / (count - 1) / UNIT) * UNIT,
  );
}

/**
 * Tiles over a picture of the size in `options`, which is rounded to multiples of 32 pixels as the tile is. Where
 * places of tiles have to be rounded neighbours share up to 32 pixels less or more than asked for.
 */
export function tilingOf(options: TileOptions): Tiling {
  const [width, height, tile] = [rounded(options.width), rounded(options.height), rounded(options.tile)];
  const [tileWidth, tileHeight] = [Math.min(tile, width), Math.min(tile, height)];
  return {
    width,
    height,
    tile: { width: tileWidth, height: tileHeight },
    lefts: startsOf(width, tileWidth, options.overlap),
    tops: startsOf(height, tileHeight, options.overlap),
  };
}

/** Patches of each tile, row by row of tiles. */
export function regionsOf({ width, height, tile, lefts, tops }: Tiling, { columns, rows }: Grid): number[][] {
  const [across, down] = [width / columns, height / rows];
  const range = (from: number, length: number, step: number): number[] =>
    Array.from({ length: Math.round(length / step) }, (_, index) => Math.round(from / step) + index);
  return tops.flatMap((top) =>
    lefts.map((left) =>
      range(top, tile.height, down).flatMap((row) =>
        range(left, tile.width, across).map((column) => row * columns + column),
      ),
    ),
  );
}

export interface CostOptions {
  size: Size;
  /** One bank for all when absent. */
  tiling?: Tiling;
  stride: number;
  channels: number;
  /** Patches in a bank. */
  coresetSize: number;
  threads: number;
}

/** What scoring one picture will take. */
export interface Cost {
  /** Of the picture. */
  patches: number;
  /** Patches remembered in all banks. */
  remembered: number;
  ms: number;
  /** Memory while scoring, above that of a host without a model. */
  megabytes: number;
  /** The model as a file. */
  fileMegabytes: number;
}

/** Our own backbone, 224×224 pixels and a bank of 1 000, one thread. */
const MEASURED = { pixels: 224 * 224, backboneMs: 4.1, comparisons: 784 * 1000, bankMs: 1.2, megabytes: 11 };
const BACKBONE_FILE_MEGABYTES = 1.8;

/** An estimate for our own backbone and nearest neighbours; what is around scoring (decoding, resizing) is not in it. */
export function costOf({ size, tiling, stride, channels, coresetSize, threads }: CostOptions): Cost {
  const pixels = size.width * size.height;
  const patches = Math.ceil(size.width / stride) * Math.ceil(size.height / stride);
  const tiles = tiling === undefined ? 1 : tiling.lefts.length * tiling.tops.length;
  const inTile =
    tiling === undefined ? patches : (tiling.tile.width * tiling.tile.height) / (stride * stride);
  const comparisons = tiles * inTile * coresetSize;
  const bankBytes = 4 * tiles * coresetSize * (channels + 1);
  const productBytes = 4 * inTile * coresetSize;
  return {
    patches,
    remembered: tiles * coresetSize,
    ms:
      ((MEASURED.backboneMs * pixels) / MEASURED.pixels +
        (((MEASURED.bankMs * comparisons) / MEASURED.comparisons) * channels) / 128) /
      threads,
    megabytes: (MEASURED.megabytes * pixels) / MEASURED.pixels + (bankBytes + 2 * productBytes) / 1e6,
    fileMegabytes: BACKBONE_FILE_MEGABYTES + bankBytes / 1e6,
  };
}
