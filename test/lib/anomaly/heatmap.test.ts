import assert from 'node:assert/strict';
import sharp from 'sharp';
import { heatmap } from '../../../lib/anomaly/heatmap.ts';
import { Frame, type FrameFormat } from '../../../lib/frame/frame.ts';

const GRAY = 90;

function plainFrame(width: number, height: number, format: FrameFormat): Frame {
  const channels = format === 'gray' ? 1 : 3;
  return new Frame(Buffer.alloc(width * height * channels, GRAY), { width, height, format, source: 'test' });
}

/** Unusual in the upper left quarter alone. */
function cornerMap(): Float32Array {
  return Float32Array.from({ length: 784 }, (_, patch) => (patch % 28 < 14 && patch < 392 ? 6 : 1));
}

async function pixelsOf(
  frame: Frame,
): Promise<{ at: (x: number, y: number) => number[]; width: number; height: number }> {
  const { data, info } = await sharp(frame.toBuffer()).raw().toBuffer({ resolveWithObject: true });
  const { width, height, channels } = info;
  return {
    at: (x, y) => [...data.subarray((y * width + x) * channels, (y * width + x) * channels + 3)],
    width,
    height,
  };
}

describe('the heatmap', () => {
  for (const format of ['rgb', 'gray'] as const) {
    it(`shrinks a ${format} frame to 640 pixels and colours what is above normal only`, async () => {
      const picture = await heatmap(plainFrame(1280, 960, format), cornerMap(), 3);
      assert.deepEqual([picture.width, picture.height, picture.format], [640, 480, 'jpeg']);
      const { at, width, height } = await pixelsOf(picture);
      assert.deepEqual([width, height], [640, 480]);
      const [red = 0, , blue = 255] = at(100, 100);
      assert.ok(red > 180 && blue < 60, `unusual place is ${at(100, 100).join()}`);
      for (const value of at(540, 400)) assert.ok(Math.abs(value - GRAY) <= 3, `normal place is ${value}`);
    });
  }

  it('leaves a small encoded frame its size', async () => {
    const { data } = await sharp(Buffer.alloc(200 * 100 * 3, GRAY), {
      raw: { width: 200, height: 100, channels: 3 },
    })
      .png()
      .toBuffer({ resolveWithObject: true });
    const frame = new Frame(data, { width: 200, height: 100, format: 'png', source: 'test' });
    const { width, height } = await pixelsOf(await heatmap(frame, cornerMap(), 3));
    assert.deepEqual([width, height], [200, 100]);
  });

  it('refuses a map that is not square', async () => {
    await assert.rejects(heatmap(plainFrame(10, 10, 'rgb'), new Float32Array(10), 1), {
      code: 'SCORE_MAP_INVALID',
    });
  });
});
