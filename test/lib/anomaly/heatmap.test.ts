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
  const { data, info } = await sharp(await frame.read())
    .raw()
    .toBuffer({ resolveWithObject: true });
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
      const picture = heatmap(plainFrame(1280, 960, format), { map: cornerMap(), level: 3 });
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
    const { width, height } = await pixelsOf(heatmap(frame, { map: cornerMap(), level: 3 }));
    assert.deepEqual([width, height], [200, 100]);
  });

  it('refuses a map without a grid', () => {
    for (const columns of [undefined, 3, 0]) {
      const heat = { map: new Float32Array(10), level: 1, ...(columns === undefined ? {} : { columns }) };
      assert.throws(() => heatmap(plainFrame(10, 10, 'rgb'), heat), { code: 'SCORE_MAP_INVALID' });
    }
  });

  it('is made when somebody reads it, and says so to who asks too early', async () => {
    const picture = heatmap(plainFrame(64, 48, 'rgb'), { map: cornerMap(), level: 3 });
    assert.equal(picture.byteLength, 0);
    assert.throws(() => picture.toBuffer(), { code: 'FRAME_PENDING' });
    const read = await picture.read();
    assert.deepEqual(picture.toBuffer(), read);
    assert.equal(picture.byteLength, read.length);
    assert.match(picture.sha256, /^[0-9a-f]{64}$/);
  });

  it('tells each reader that the frame cannot be decoded', async () => {
    const broken = new Frame(Buffer.from('no jpeg'), { width: 9, height: 9, format: 'jpeg', source: 'test' });
    const picture = heatmap(broken, { map: cornerMap(), level: 3 });
    assert.throws(() => picture.toBuffer(), { code: 'FRAME_PENDING' });
    for (let reader = 0; reader < 2; reader += 1) await assert.rejects(picture.read());
  });
});
