import assert from 'node:assert/strict';
import sharp from 'sharp';
import { checkedAlign } from '../../../lib/frame/align-recipe.ts';
import { AlignReference, drawReference } from '../../../lib/frame/align-reference.ts';
import type { RgbImage } from '../../../lib/frame/decode.ts';
import { probeImage } from '../../../lib/frame/probe.ts';
import { AT_REST } from '../../../lib/frame/similarity.ts';
import { drawPart } from '../../../plant/part-image.ts';
import { moved } from '../../support/moved.ts';

const LIMITS = { maxShift: 0.15, maxAngle: 12 };
const invalid = { code: 'ALIGN_INVALID' };

function good(seed: number): RgbImage {
  const { rgb, width, height } = drawPart({ seed, defect: null, width: 320, height: 240 });
  return { data: rgb, width, height };
}

async function png(width: number, height: number, channels: 1 | 3, level = 0): Promise<string> {
  const pixels = Buffer.from(Array.from({ length: width * height * channels }, (_, i) => level || i % 251));
  const picture = sharp(pixels, { raw: { width, height, channels } });
  const bytes = await (channels === 1 ? picture.toColourspace('b-w') : picture).png().toBuffer();
  return bytes.toString('base64');
}

describe('reference of an alignment', () => {
  it('lies as parts mostly do, though the first one does not', async () => {
    const far = moved(good(1), { x: 30, y: -18, angle: 6, scale: 1 });
    const reference = await drawReference([far, good(2), good(3), good(4), good(5)], LIMITS);
    const { width, height } = probeImage(Buffer.from(reference, 'base64')) ?? {};
    assert.deepEqual([width, height], [128, 96]);
    const read = await AlignReference.read({ reference, ...LIMITS });
    const { x, y, angle, lost } = read.alignerFor({ width: 320, height: 240 }).measure(good(6));
    assert.ok(!lost && Math.hypot(x, y) < 6 && Math.abs(angle) < 3, `${x}, ${y}, ${angle}`);
  });

  it('is the same text for the same parts', async () => {
    const parts = [good(1), good(2), good(3)];
    assert.equal(await drawReference(parts, LIMITS), await drawReference(parts, LIMITS));
  });

  it('is not drawn from nothing, or from pictures that show nothing', async () => {
    await assert.rejects(drawReference([], LIMITS), invalid);
    const flat = { data: Buffer.alloc(64 * 48 * 3, 80), width: 64, height: 48 };
    await assert.rejects(drawReference([flat, flat], LIMITS), invalid);
  });

  it('is refused where it is no small grey PNG that shows something', async () => {
    const sound = await png(64, 48, 1);
    assert.deepEqual(checkedAlign({ reference: sound, ...LIMITS, other: 1 }), {
      reference: sound,
      ...LIMITS,
    });
    for (const reference of [
      undefined,
      '',
      'no base64 at all!',
      `${sound} `,
      await png(64, 48, 3),
      await png(129, 48, 1),
      await png(64, 20, 1),
      'A'.repeat(40_000),
    ]) {
      assert.throws(() => checkedAlign({ reference, ...LIMITS }), invalid, String(reference).slice(0, 20));
    }
    const cut = Buffer.from(sound, 'base64').subarray(0, 60).toString('base64');
    await assert.rejects(AlignReference.read({ reference: cut, ...LIMITS }), invalid);
    await assert.rejects(AlignReference.read({ reference: await png(64, 48, 1, 90), ...LIMITS }), invalid);
  });

  it('is refused with limits that are none', async () => {
    const reference = await png(64, 48, 1);
    for (const [maxShift, maxAngle] of [
      [0, 5],
      [0.3, 5],
      [NaN, 5],
      [0.1, -1],
      [0.1, 31],
      [0.1, NaN],
    ]) {
      assert.throws(() => checkedAlign({ reference, maxShift, maxAngle }), invalid);
    }
    assert.throws(() => checkedAlign(null), invalid);
    assert.equal(checkedAlign({ reference, maxShift: 0.1, maxAngle: 0 }).maxAngle, 0);
  });

  it('finds shifts alone where no angle is allowed', async () => {
    const picture = good(4);
    const reference = await drawReference([picture], LIMITS);
    const read = await AlignReference.read({ reference, maxShift: 0.1, maxAngle: 0.01 });
    const found = read.alignerFor(picture).measure(moved(picture, { ...AT_REST, x: 12 }));
    assert.ok(!found.lost && Math.abs(found.x - 12) < 1, JSON.stringify(found));
  });
});
