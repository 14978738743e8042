import assert from 'node:assert/strict';
import fc from 'fast-check';
import { resizeRgb } from '../../../../lib/frame/resize.ts';
import { preparePicture } from '../../../../lib/inference/graph/prepare.ts';

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
});
