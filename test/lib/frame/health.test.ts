import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import sharp from 'sharp';
import { Frame } from '../../../lib/frame/frame.ts';
import { HealthMeter, inspectedSize, measureLuminance } from '../../../lib/frame/health.ts';
import { probeImage } from '../../../lib/frame/probe.ts';
import { requirePath, shared } from '../../support/shared.ts';

function frameOf(bytes: Buffer): Frame {
  const header = probeImage(bytes);
  assert.ok(header);
  return new Frame(bytes, { ...header, source: 'test' });
}

describe('frame health', () => {
  it('follows its formula on a picture worked out by hand', () => {
    // One bright pixel of 100 in a dark field of 10: Laplacians −360, 4 × 90, 4 × 0.
    const pixels = new Uint8Array(25).fill(10);
    pixels[12] = 100;
    const { sharpness, brightness, clipped } = measureLuminance(pixels, 5, 5);
    assert.equal(sharpness, (360 ** 2 + 4 * 90 ** 2) / 9);
    assert.ok(Math.abs(brightness - (24 * 10 + 100) / 25 / 255) < 1e-12);
    assert.equal(clipped, 0);
    pixels[0] = 0;
    pixels[1] = 255;
    assert.equal(measureLuminance(pixels, 5, 5).clipped, 2 / 25);
  });

  it('looks at no more than 320 pixels a side', () => {
    assert.deepEqual(inspectedSize(1920, 1080), { width: 240, height: 135 });
    assert.deepEqual(inspectedSize(640, 480), { width: 320, height: 240 });
    assert.deepEqual(inspectedSize(200, 100), { width: 200, height: 100 });
    assert.deepEqual(inspectedSize(8000, 1), { width: 320, height: 1 });
  });

  it('sees a lost focus and a wrong exposure on every real image', async function () {
    const folder = shared('data', 'images', 'anomalib_dobot_cubes', 'normal');
    requirePath(this, folder, 'the cubes image set');
    const meter = new HealthMeter();
    const files = (await readdir(folder)).sort().slice(0, 30);
    assert.equal(files.length, 30);
    for (const file of files) {
      const original = await readFile(join(folder, file));
      const blurred = await sharp(original).blur(4).jpeg({ quality: 92 }).toBuffer();
      const overexposed = await sharp(original).linear(2.2, 20).jpeg({ quality: 92 }).toBuffer();
      const underexposed = await sharp(original).linear(0.4, -25).jpeg({ quality: 92 }).toBuffer();
      const [good, soft, bright, dark] = [
        await meter.measure(frameOf(original)),
        await meter.measure(frameOf(blurred)),
        await meter.measure(frameOf(overexposed)),
        await meter.measure(frameOf(underexposed)),
      ];
      assert.ok(soft.sharpness < good.sharpness / 4, `${file}: ${soft.sharpness} of ${good.sharpness}`);
      assert.ok(bright.clipped > good.clipped + 0.05, `${file}: ${bright.clipped} of ${good.clipped}`);
      assert.ok(bright.brightness > good.brightness && dark.brightness < good.brightness, file);
    }
  });

  it('says that a camera is frozen only when two frames in a row are the same', async () => {
    const picture = (grey: number): Promise<Buffer> =>
      sharp({ create: { width: 40, height: 30, channels: 3, background: { r: grey, g: grey, b: grey } } })
        .jpeg()
        .toBuffer();
    const [one, two] = [await picture(60), await picture(90)];
    const meter = new HealthMeter();
    const frozen = await Promise.all(
      [one, two, two, one].map(async (bytes) => (await meter.measure(frameOf(bytes))).frozen),
    );
    assert.deepEqual(frozen, [false, false, true, false]);
  });

  it('measures raw grey and colour frames and pictures with transparency alike', async () => {
    const properties = { width: 16, height: 8, source: 'test' };
    const meter = new HealthMeter();
    const grey = await meter.measure(new Frame(Buffer.alloc(128, 51), { ...properties, format: 'gray' }));
    const colour = await meter.measure(new Frame(Buffer.alloc(384, 51), { ...properties, format: 'rgb' }));
    const png = await sharp({
      create: { width: 16, height: 8, channels: 4, background: { r: 51, g: 51, b: 51, alpha: 0.5 } },
    })
      .png()
      .toBuffer();
    const transparent = await meter.measure(frameOf(png));
    for (const { brightness, sharpness } of [grey, colour, transparent]) {
      assert.ok(Math.abs(brightness - 0.2) < 0.005, String(brightness));
      assert.equal(sharpness, 0);
    }
  });

  it('refuses what has a header but no picture, and measures the next frame all the same', async () => {
    const good = await sharp({ create: { width: 64, height: 64, channels: 3, background: '#777' } })
      .png()
      .toBuffer();
    const broken = Buffer.from(good);
    broken.fill(0x55, 40, good.length - 16);
    const meter = new HealthMeter();
    const failed = meter.measure(frameOf(broken));
    const next = meter.measure(frameOf(good));
    await assert.rejects(failed, { code: 'IMAGE_INVALID' });
    assert.equal((await next).frozen, false);
  });
});
