/**
 * Twenty ways in which the pictures of a line go astray although the parts are as good as ever: five
 * causes, four of each, some at once and some creeping in. Each changes a picture that was drawn right.
 */
import { partTemplate } from '../../plant/part-template.ts';
import { randomFrom } from '../../plant/random.ts';

/** Rows of 3 × 8 bit without padding. */
export interface Picture {
  rgb: Buffer;
  width: number;
  height: number;
}

export interface Scenario {
  cause: 'light' | 'camera' | 'focus' | 'material' | 'dirt';
  /** What happens, in words. */
  what: string;
  /** The picture of the `index`-th part since it began (from 0). */
  change: (picture: Picture, index: number) => Picture;
}

/** Parts over which what creeps in reaches its full extent. */
const CREEP = 150;

const at = (index: number): number => Math.min(1, (index + 1) / CREEP);

/** Each channel times its factor. */
function scaled(picture: Picture, red: number, green = red, blue = red): Picture {
  const factors = [red, green, blue];
  const tables = factors.map((factor) =>
    Uint8ClampedArray.from({ length: 256 }, (_, level) => level * factor),
  );
  return mapped(picture, (value, channel) => tables[channel]?.[value] ?? 0);
}

function mapped(
  { rgb, width, height }: Picture,
  value: (value: number, channel: number, pixel: number) => number,
): Picture {
  const changed = new Uint8ClampedArray(rgb.length);
  for (let byte = 0, pixel = 0; byte < rgb.length; pixel += 1) {
    for (let channel = 0; channel < 3; channel += 1, byte += 1) {
      changed[byte] = value(rgb[byte] ?? 0, channel, pixel);
    }
  }
  return { rgb: Buffer.from(changed.buffer), width, height };
}

/** As from a camera that was shifted by pixels, turned by degrees and moved closer; bilinear, edges repeated. */
function moved(picture: Picture, x: number, y: number, degrees = 0, zoom = 1): Picture {
  const { rgb, width, height } = picture;
  const cosine = Math.cos((degrees * Math.PI) / 180) / zoom;
  const sine = Math.sin((degrees * Math.PI) / 180) / zoom;
  const changed = Buffer.alloc(rgb.length);
  for (let row = 0; row < height; row += 1) {
    for (let column = 0; column < width; column += 1) {
      const right = column - width / 2 - x;
      const down = row - height / 2 - y;
      const fromX = Math.min(Math.max(cosine * right + sine * down + width / 2, 0), width - 1.001);
      const fromY = Math.min(Math.max(cosine * down - sine * right + height / 2, 0), height - 1.001);
      const [left, top] = [Math.floor(fromX), Math.floor(fromY)];
      const [fx, fy] = [fromX - left, fromY - top];
      const corner = (top * width + left) * 3;
      for (let channel = 0; channel < 3; channel += 1) {
        const byte = corner + channel;
        const above = (rgb[byte] ?? 0) * (1 - fx) + (rgb[byte + 3] ?? 0) * fx;
        const below = (rgb[byte + width * 3] ?? 0) * (1 - fx) + (rgb[byte + width * 3 + 3] ?? 0) * fx;
        changed[(row * width + column) * 3 + channel] = Math.round(above * (1 - fy) + below * fy);
      }
    }
  }
  return { rgb: changed, width, height };
}

/** Gaussian of these standard deviations in pixels, along rows and along columns. */
function blurred(picture: Picture, alongRows: number, alongColumns = alongRows): Picture {
  const once = smoothed(picture, alongRows, 3, picture.width);
  return smoothed(once, alongColumns, picture.width * 3, picture.height);
}

function smoothed({ rgb, width, height }: Picture, deviation: number, step: number, length: number): Picture {
  if (deviation <= 0) return { rgb, width, height };
  const radius = Math.ceil(3 * deviation);
  const weights = Array.from({ length: 2 * radius + 1 }, (_, tap) =>
    Math.exp(-((tap - radius) ** 2) / (2 * deviation ** 2)),
  );
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  const changed = Buffer.alloc(rgb.length);
  for (let byte = 0; byte < rgb.length; byte += 1) {
    const position = Math.floor(byte / step) % length;
    let sum = 0;
    for (let tap = -radius; tap <= radius; tap += 1) {
      const inside = Math.min(Math.max(position + tap, 0), length - 1) - position;
      sum += (weights[tap + radius] ?? 0) * (rgb[byte + inside * step] ?? 0);
    }
    changed[byte] = Math.round(sum / total);
  }
  return { rgb: changed, width, height };
}

/** Sheet from another batch: `shade(value, channel, grain)` where the part is, in its middle pose. */
function sheet(
  picture: Picture,
  shade: (value: number, channel: number, grain: number) => number,
  grainSeed = 1,
): Picture {
  const { layers } = partTemplate(picture.width, picture.height);
  const channels = layers.length / (picture.width * picture.height);
  const random = randomFrom(grainSeed);
  const grain = Float32Array.from({ length: picture.width * picture.height }, () => random.normal());
  return mapped(picture, (value, channel, pixel) => {
    const cover = layers[pixel * channels] ?? 0;
    return value + cover * (shade(value, channel, grain[pixel] ?? 0) - value);
  });
}

/** Something on the lens: spots at fixed places that take away light, their edges out of focus. */
function dirty(picture: Picture, spots: number, radius: number, opacity: number, seed: number): Picture {
  const { width, height } = picture;
  const random = randomFrom(seed);
  const places = Array.from({ length: spots }, () => ({
    x: random.between(0.15, 0.85) * width,
    y: random.between(0.2, 0.8) * height,
    size: radius * random.between(0.7, 1.3),
  }));
  const light = new Float32Array(width * height).fill(1);
  for (const { x, y, size } of places) {
    for (let row = 0; row < height; row += 1) {
      for (let column = 0; column < width; column += 1) {
        const distance = Math.hypot(column - x, row - y) / size;
        const pixel = row * width + column;
        light[pixel] = (light[pixel] ?? 1) * (1 - opacity * Math.exp(-(distance ** 4)));
      }
    }
  }
  return mapped(picture, (value, _, pixel) => value * (light[pixel] ?? 1));
}

/** A veil: part of the light is spread over the whole picture. */
function hazy(picture: Picture, share: number): Picture {
  return mapped(picture, (value) => value * (1 - share) + 150 * share);
}

export const SCENARIOS: readonly Scenario[] = [
  { cause: 'light', what: 'falls to 85 % at once', change: (picture) => scaled(picture, 0.85) },
  { cause: 'light', what: 'falls to 70 % at once', change: (picture) => scaled(picture, 0.7) },
  {
    cause: 'light',
    what: 'dims slowly to 75 %',
    change: (picture, index) => scaled(picture, 1 - 0.25 * at(index)),
  },
  { cause: 'light', what: 'turns yellow', change: (picture) => scaled(picture, 1.04, 1, 0.86) },
  {
    cause: 'camera',
    what: 'shifts by 2 % of the width',
    change: (picture) => moved(picture, 0.02 * picture.width, 0),
  },
  {
    cause: 'camera',
    what: 'slides slowly by 4 %',
    change: (picture, index) => moved(picture, 0, 0.04 * picture.width * at(index)),
  },
  { cause: 'camera', what: 'turns by 3°', change: (picture) => moved(picture, 0, 0, 3) },
  { cause: 'camera', what: 'comes 4 % closer', change: (picture) => moved(picture, 0, 0, 0, 1.04) },
  { cause: 'focus', what: 'is a little off', change: (picture) => blurred(picture, 0.0025 * picture.width) },
  { cause: 'focus', what: 'is lost', change: (picture) => blurred(picture, 0.006 * picture.width) },
  {
    cause: 'focus',
    what: 'goes slowly',
    change: (picture, index) => blurred(picture, 0.005 * picture.width * at(index)),
  },
  {
    cause: 'focus',
    what: 'smears along the belt',
    change: (picture) => blurred(picture, 0.008 * picture.width, 0),
  },
  { cause: 'material', what: 'is 10 % darker', change: (picture) => sheet(picture, (value) => 0.9 * value) },
  {
    cause: 'material',
    what: 'is yellowish',
    change: (picture) => sheet(picture, (value, channel) => value * (channel === 2 ? 0.88 : 1)),
  },
  {
    cause: 'material',
    what: 'is rough',
    change: (picture, index) => sheet(picture, (value, _, grain) => value * (1 + 0.06 * grain), index + 1),
  },
  {
    cause: 'material',
    what: 'shines more',
    change: (picture) => sheet(picture, (value) => 128 + 1.2 * (value - 128)),
  },
  {
    cause: 'dirt',
    what: 'is one spot',
    change: (picture) => dirty(picture, 1, 0.03 * picture.width, 0.5, 3),
  },
  {
    cause: 'dirt',
    what: 'is many specks',
    change: (picture) => dirty(picture, 12, 0.008 * picture.width, 0.6, 7),
  },
  {
    cause: 'dirt',
    what: 'grows slowly',
    change: (picture, index) => dirty(picture, 3, 0.05 * picture.width, 0.6 * at(index), 5),
  },
  {
    cause: 'dirt',
    what: 'is a film of oil',
    change: (picture, index) => hazy(blurred(picture, 0.002 * picture.width), 0.15 * at(index)),
  },
];
