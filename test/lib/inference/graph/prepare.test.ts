import assert from 'node:assert/strict';
import fc from 'fast-check';
import { drawReference } from '../../../../lib/frame/align-reference.ts';
import { resizeRgb } from '../../../../lib/frame/resize.ts';
import { recipeDigest, resolveInput } from '../../../../lib/inference/graph/input.ts';
import { preparePicture } from '../../../../lib/inference/graph/prepare.ts';
import { drawPart } from '../../../../plant/part-image.ts';
import { moved } from '../../../support/moved.ts';

describe('preparing a picture', () => {
  it('is resizing it to the byte where nothing else is asked for', async () => {
    const side = fc.integer({ min: 1, max: 40 });
    const fit = fc.constantFrom('stretch' as const, 'letterbox' as const);
    await fc.assert(
      fc.asyncProperty(side, side, side, side, fit, fc.nat(), async (width, height, w, h, way, seed) => {
        const data = Buffer.from(
          Array.from({ length: width * height * 3 }, (_, i) => Math.imul(i + seed, 2654435761) >>> 24),
        );
        const recipe = { width: w, height: h, fit: way };
        const picture = { data, width, height };
        assert.deepEqual(await preparePicture(picture, recipe), resizeRgb(picture, recipe));
      }),
    );
  });

  it('writes into a buffer at hand', async () => {
    const reuse = Buffer.alloc(12);
    const picture = { data: Buffer.alloc(48, 9), width: 4, height: 4 };
    const { data } = await preparePicture(picture, { width: 2, height: 2, fit: 'stretch' }, reuse);
    assert.equal(data, reuse);
  });

  describe('with alignment', () => {
    const limits = { maxShift: 0.1, maxAngle: 10 };
    const size = { width: 112, height: 112, fit: 'stretch' as const };
    const { rgb, ...frame } = drawPart({ seed: 4, defect: null, width: 320, height: 240 });
    const picture = { data: rgb, width: frame.width, height: frame.height };

    function meanDifference(one: Buffer, other: Buffer): number {
      return one.reduce((sum, level, i) => sum + Math.abs(level - (other[i] as number)), 0) / one.length;
    }

    it('gives nearly the same for a part that lies otherwise', async () => {
      const align = { reference: await drawReference([picture], limits), ...limits };
      const there = moved(picture, { x: 17, y: -9, angle: 6, scale: 1 });
      const straight = await preparePicture(picture, { ...size, align });
      const brought = await preparePicture(there, { ...size, align });
      const asItCame = await preparePicture(there, size);
      assert.equal(brought.alignment?.lost, false);
      assert.ok(meanDifference(straight.data, brought.data) < 4);
      assert.ok(meanDifference(straight.data, asItCame.data) > 10);
    });

    it('leaves a picture it cannot place as it came, to the byte, and says so', async () => {
      const align = { reference: await drawReference([picture], limits), ...limits };
      const far = moved(picture, { x: 70, y: 0, angle: 0, scale: 1 });
      const { alignment, ...prepared } = await preparePicture(far, { ...size, align });
      assert.equal(alignment?.lost, true);
      assert.deepEqual(prepared, resizeRgb(far, size));
    });

    it('is part of the recipe and of its digest, and refused where it is unsound', async () => {
      const inputs = [{ name: 'x', type: 'float32', shape: [1, 3, 64, 64] }];
      const align = { reference: await drawReference([picture], limits), ...limits };
      const digests = [{}, { align }, { align: { ...align, maxAngle: 5 } }].map((wanted) =>
        recipeDigest(resolveInput(inputs, wanted)),
      );
      assert.equal(new Set(digests).size, 3);
      assert.throws(() => resolveInput(inputs, { align: { ...align, maxShift: 2 } }), {
        code: 'ALIGN_INVALID',
      });
    });
  });
});
