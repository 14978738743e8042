/**
 * Why a part was found unusual, for people: each unusual place with its area and position, and one
 * picture of the part with those places beside the good part that looks most like it.
 */
import sharp from 'sharp';
import { bytesOf, Frame, type FrameFormat } from '../frame/frame.ts';
import { LaterBytes } from '../frame/later.ts';
import type { Box } from '../inspection/inspection.ts';
import { heated, shrunk, sizeWithin, type HeatMap, type Size } from './heatmap.ts';

const PANEL_WIDTH = 480;
const GAP = 8;
const BACKGROUND = '#808080';
const JPEG_QUALITY = 82;
/** Side of the thumbnails that are compared; 32 pixels show a part's pose and print, not its scratches. */
const LIKENESS_SIDE = 32;

const ROWS = ['top', 'middle', 'bottom'] as const;
const COLUMNS = ['left', 'centre', 'right'] as const;

/** An unusual place of a part. */
export interface Defect {
  box: Box;
  /** Of the box, as a share of the frame's area. */
  areaShare: number;
  /** Of the box's centre, as shares of the frame's width and height. */
  x: number;
  y: number;
  /** The ninth of the frame the centre is in, e.g. `top-left`. */
  place: `${(typeof ROWS)[number]}-${(typeof COLUMNS)[number]}`;
}

/** Boxes in pixels of a frame of this size, as a person would say where they are. */
export function defectsOf(boxes: readonly Box[], { width, height }: Size): Defect[] {
  return boxes.map((box) => {
    const [left, top, boxWidth, boxHeight] = box;
    const x = (left + boxWidth / 2) / width;
    const y = (top + boxHeight / 2) / height;
    return {
      box,
      areaShare: (boxWidth * boxHeight) / (width * height),
      x,
      y,
      place: `${ROWS[third(y)]}-${COLUMNS[third(x)]}`,
    };
  });
}

function third(share: number): 0 | 1 | 2 {
  if (share < 1 / 3) return 0;
  return share < 2 / 3 ? 1 : 2;
}

export interface Explained {
  frame: Frame;
  /** Not known any more of a part that is long gone. */
  heat?: HeatMap;
  boxes: readonly Box[];
  /** Finds the good part to show beside it; undefined where none is kept. */
  nearest: () => Promise<Frame | undefined>;
}

/**
 * One JPEG: the part with its heat and boxes, and to the right the good part that `nearest` found, stretched
 * to the same size. Made when it is first read; its place stays empty where there is no good part.
 */
export function explanationPicture(explained: Explained): Frame {
  const { frame } = explained;
  const panel = sizeWithin(frame, PANEL_WIDTH);
  const size = { width: 2 * panel.width + GAP, height: panel.height };
  const { source, capturedAt } = frame;
  return new Frame(new LaterBytes(() => draw(explained, panel, size)), {
    ...size,
    format: 'jpeg',
    source,
    capturedAt,
  });
}

async function draw({ frame, heat, boxes, nearest }: Explained, panel: Size, size: Size): Promise<Buffer> {
  const picture = heat === undefined ? await shrunk(frame, panel) : await heated(frame, heat, panel);
  const part = await picture.png({ compressionLevel: 1 }).toBuffer();
  const good = await nearest();
  const panels = [
    { input: part, left: 0, top: 0 },
    { input: outlines(boxes, frame, panel), left: 0, top: 0 },
  ];
  if (good !== undefined) {
    const input = await (await shrunk(good, panel)).png({ compressionLevel: 1 }).toBuffer();
    panels.push({ input, left: panel.width + GAP, top: 0 });
  }
  return sharp({ create: { ...size, channels: 3, background: BACKGROUND } })
    .composite(panels)
    .jpeg({ quality: JPEG_QUALITY })
    .toBuffer();
}

/** White on black, so that they show on every part. */
function outlines(boxes: readonly Box[], frame: Size, panel: Size): Buffer {
  const scale = panel.width / frame.width;
  const rects = boxes.map(([x, y, width, height]) => {
    const at = [x, y, width, height].map((value) => (value * scale).toFixed(1));
    const rect = `x="${at[0]}" y="${at[1]}" width="${at[2]}" height="${at[3]}" fill="none"`;
    return `<rect ${rect} stroke="#000" stroke-width="4"/><rect ${rect} stroke="#fff" stroke-width="2"/>`;
  });
  const { width, height } = panel;
  return Buffer.from(
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}">${rects.join('')}</svg>`,
  );
}

/** A thumbnail to compare parts by; every channel of every pixel, 8 bit. */
export async function likeness(frame: Frame): Promise<Buffer> {
  return (await shrunk(frame, { width: LIKENESS_SIDE, height: LIKENESS_SIDE })).raw().toBuffer();
}

/** Index of the thumbnail with the least squared difference to `part`; -1 of none. */
export function mostAlike(part: Buffer, others: readonly Buffer[]): number {
  let best = -1;
  let least = Infinity;
  others.forEach((other, index) => {
    let sum = 0;
    for (let at = 0; at < part.length && sum < least; at += 1) {
      sum += ((part[at] ?? 0) - (other[at] ?? 0)) ** 2;
    }
    if (sum < least) [best, least] = [index, sum];
  });
  return best;
}

/** A frame as a lossless picture anybody can open, encoded frames as they are. */
export async function keepable(frame: Frame): Promise<{ bytes: Buffer; format: FrameFormat }> {
  const bytes = await bytesOf(frame);
  const { format } = frame;
  if (format !== 'rgb' && format !== 'gray') return { bytes, format };
  const png = (await shrunk(frame, frame)).png({ compressionLevel: 1 });
  return { bytes: await png.toBuffer(), format: 'png' };
}
