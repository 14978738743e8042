/** Faults of a camera, put into good pictures. */
import sharp from 'sharp';
import type { Random } from '../lib/statistics/random.ts';
import type { HealthReason } from '../lib/inspection/inspection.ts';

/** Rows of RGB. */
interface Picture {
  rgb: Buffer;
  width: number;
  height: number;
}

export interface Fault {
  name: string;
  /** Any of them says what it is. */
  reasons: readonly HealthReason[];
  detail: string;
  /** Gives new rows. */
  apply(picture: Picture, random: Random): Promise<Buffer>;
}

/** Out of focus: the scene blurs, the noise of the sensor, put on top afterwards, does not. */
export function blur(sigma: number, noise = 0): Fault {
  return {
    name: noise > 0 ? `blur${sigma}noise${noise}` : `blur${sigma}`,
    reasons: ['blurred'],
    detail:
      `Gaussian, sigma ${sigma} px of the full picture` +
      (noise > 0 ? `, then noise of ${noise} grey levels` : ''),
    apply: async ({ rgb, width, height }, random) => {
      const blurred = await sharp(rgb, { raw: { width, height, channels: 3 } })
        .blur(sigma)
        .raw()
        .toBuffer();
      if (noise === 0) return blurred;
      return Buffer.from(
        blurred.map((level) => Math.max(0, Math.min(255, Math.round(level + noise * random.normal())))),
      );
    },
  };
}

/** Light is scaled where it is linear (IEC 61966-2-1), as an aperture or a shutter would. */
export function exposure(stops: number): Fault {
  const table = Uint8Array.from({ length: 256 }, (_, level) => {
    const value = level / 255;
    const linear = value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
    const light = Math.min(1, linear * 2 ** stops);
    return Math.round(255 * (light <= 0.0031308 ? light * 12.92 : 1.055 * light ** (1 / 2.4) - 0.055));
  });
  return {
    name: `${stops < 0 ? 'under' : 'over'}${Math.abs(stops)}`,
    reasons: stops < 0 ? ['too-dark'] : ['too-bright'],
    detail: `${stops > 0 ? '+' : '−'}${Math.abs(stops)} EV`,
    apply: ({ rgb }) => Promise.resolve(Buffer.from(rgb.map((level) => table[level] as number))),
  };
}

/** The picture moves in any direction; what comes into it repeats the edge. */
export function shift(distance: number): Fault {
  return {
    name: `shift${distance}`,
    reasons: ['shifted'],
    detail: `${distance} px of the full picture, any direction`,
    apply: ({ rgb, width, height }, random) => {
      const angle = 2 * Math.PI * random.uniform();
      const dx = Math.round(distance * Math.cos(angle));
      const dy = Math.round(distance * Math.sin(angle));
      const moved = Buffer.alloc(rgb.length);
      for (let y = 0; y < height; y += 1) {
        const row = Math.max(0, Math.min(height - 1, y - dy)) * width;
        for (let x = 0; x < width; x += 1) {
          const from = (row + Math.max(0, Math.min(width - 1, x - dx))) * 3;
          moved.writeUIntBE(rgb.readUIntBE(from, 3), (y * width + x) * 3, 3);
        }
      }
      return Promise.resolve(moved);
    },
  };
}
