import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { Aligner, type Alignment } from '../../../lib/frame/align.ts';
import { decodeRgb, type RgbImage } from '../../../lib/frame/decode.ts';
import { grayOf, type Gray } from '../../../lib/frame/gray-pyramid.ts';
import { resizeRgb } from '../../../lib/frame/resize.ts';
import { after, AT_REST, inverseOf, type Similarity } from '../../../lib/frame/similarity.ts';
import { drawPart, partPose, type PartRequest } from '../../../plant/part-image.ts';
import { inner, moved } from '../../support/moved.ts';
import { requirePath, shared } from '../../support/shared.ts';

const LIMITS = { maxShift: 0.15, maxAngle: 12 };
const FRAME = { width: 480, height: 360 };
/** Pixels of the frame for one of the reference. */
const PER_PIXEL = 480 / 128;

function drawn(request: Pick<PartRequest, 'seed' | 'defect'>): RgbImage {
  const { rgb, width, height } = drawPart({ ...request, ...FRAME });
  return { data: rgb, width, height };
}

function referenceOf(picture: RgbImage): Gray {
  return grayOf(resizeRgb(picture, { width: 128, height: 96, fit: 'stretch' }));
}

function offBy(found: Similarity, truth: Similarity): { pixels: number; degrees: number } {
  return {
    pixels: Math.hypot(found.x - truth.x, found.y - truth.y),
    degrees: Math.abs(found.angle - truth.angle),
  };
}

function assertFound(found: Alignment, truth: Similarity, perPixel: number): void {
  const said = `${JSON.stringify(found)} is not ${JSON.stringify(truth)}`;
  assert.ok(!found.lost, said);
  const { pixels, degrees } = offBy(found, truth);
  assert.ok(pixels / perPixel <= 0.5 && degrees <= 0.3, said);
}

const share = fc.double({ min: -1, max: 1, noNaN: true });
/** Up to a tenth of the side and eight degrees, and a little nearer or farther. */
const motion = fc.tuple(share, share, share, share).map(([x, y, angle, scale]) => ({
  x: x * 0.1 * FRAME.width,
  y: y * 0.1 * FRAME.height,
  angle: 8 * angle,
  scale: 1 + 0.03 * scale,
}));

describe('alignment', () => {
  it('finds how drawn brackets lie on a belt that does not move with them, flawed ones as well', () => {
    const aligner = new Aligner(referenceOf(drawn({ seed: 1, defect: null })), FRAME, LIMITS);
    for (let seed = 2; seed < 12; seed += 1) {
      const defect = [null, 'crack', 'missing-hole'] as const;
      const found = aligner.measure(drawn({ seed, defect: defect[seed % 3] ?? null }));
      const truth = after(partPose(seed, FRAME), inverseOf(partPose(1, FRAME)));
      assertFound(found, truth, PER_PIXEL);
    }
  });

  it('finds any move within the limits, in any light, to half a pixel and a third of a degree', () => {
    const picture = drawn({ seed: 5, defect: null });
    const aligner = new Aligner(referenceOf(picture), FRAME, LIMITS);
    const light = fc.tuple(fc.double({ min: 0.6, max: 1.1, noNaN: true }), fc.integer({ min: -15, max: 15 }));
    fc.assert(
      fc.property(motion, light, (truth, [gain, offset]) => {
        const seen = moved(picture, truth);
        seen.data.forEach((level, i) => (seen.data[i] = Math.min(255, Math.max(0, gain * level + offset))));
        assertFound(aligner.measure(seen), truth, PER_PIXEL);
      }),
      { numRuns: 30 },
    );
  });

  it('finds moves of real pictures, with what the camera sees of them coming and going at the edges', async function () {
    const path = shared('data', 'images', 'anomalib_dobot_cubes', 'normal', 'input_20230210130107.jpg');
    requirePath(this, path, 'the image sets');
    const photo = await decodeRgb(readFileSync(path), 'jpeg');
    const [columns, rows] = [80, 60];
    const frame = { width: photo.width - 2 * columns, height: photo.height - 2 * rows };
    const aligner = new Aligner(referenceOf(inner(photo, columns, rows)), frame, LIMITS);
    fc.assert(
      fc.property(motion, (truth) => {
        assertFound(aligner.measure(inner(moved(photo, truth), columns, rows)), truth, frame.width / 128);
      }),
      { numRuns: 20 },
    );
  });

  it('does not turn a round part, of which no angle can be known', () => {
    const disc = (seed: number): RgbImage => {
      const data = Buffer.alloc(FRAME.width * FRAME.height * 3);
      let state = seed;
      for (let pixel = 0; pixel < FRAME.width * FRAME.height; pixel += 1) {
        state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
        const distance = Math.hypot((pixel % FRAME.width) - 240, Math.floor(pixel / FRAME.width) - 180);
        data.fill(Math.round(distance < 110 ? 170 : 60) + (state >>> 28), pixel * 3, pixel * 3 + 3);
      }
      return { data, ...FRAME };
    };
    const aligner = new Aligner(referenceOf(disc(1)), FRAME, LIMITS);
    const found = aligner.measure(moved(disc(2), { x: 20, y: -14, angle: 9, scale: 1 }));
    assert.ok(Math.abs(found.angle) < 2, `turned by ${found.angle}°`);
    assert.ok(Math.hypot(found.x - 20, found.y + 14) < 0.5 * PER_PIXEL, JSON.stringify(found));
  });

  it('is lost beyond the limits, and says that it left the picture alone', () => {
    const picture = drawn({ seed: 3, defect: null });
    const aligner = new Aligner(referenceOf(picture), FRAME, { maxShift: 0.04, maxAngle: 3 });
    for (const truth of [
      { ...AT_REST, x: 40 },
      { ...AT_REST, y: -30 },
      { ...AT_REST, angle: 6 },
    ]) {
      const { quality, lost, ...rest } = aligner.measure(moved(picture, truth));
      assert.ok(lost && quality >= 0, JSON.stringify(truth));
      assert.deepEqual(rest, AT_REST);
    }
  });

  it('is lost on a picture of something else', async function () {
    const images = shared('data', 'images');
    requirePath(this, images, 'the image sets');
    const aligner = new Aligner(referenceOf(drawn({ seed: 3, defect: null })), FRAME, LIMITS);
    const alien = await decodeRgb(readFileSync(`${images}/aws_aliens/normal/4.png`), 'png');
    const flat = { data: Buffer.alloc(FRAME.width * FRAME.height * 3, 90), ...FRAME };
    assert.ok(aligner.measure(alien).lost);
    assert.ok(aligner.measure(flat).lost);
  });

  it('gives the same for the same picture', () => {
    const picture = drawn({ seed: 8, defect: null });
    const measure = (): Alignment =>
      new Aligner(referenceOf(drawn({ seed: 7, defect: null })), FRAME, LIMITS).measure(picture);
    assert.deepEqual(measure(), measure());
  });
});
