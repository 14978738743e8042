import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import sharp, { type Sharp } from 'sharp';
import { Baseline } from '../../../lib/frame/baseline.ts';
import { Frame } from '../../../lib/frame/frame.ts';
import { HealthMeter, type HealthMeterOptions } from '../../../lib/frame/health.ts';
import { probeImage } from '../../../lib/frame/probe.ts';
import { requirePath, shared } from '../../support/shared.ts';

function frameOf(bytes: Buffer): Frame {
  const header = probeImage(bytes);
  assert.ok(header);
  return new Frame(bytes, { ...header, source: 'test' });
}

function grey(level: number): Promise<Buffer> {
  return sharp({
    create: { width: 40, height: 30, channels: 3, background: { r: level, g: level, b: level } },
  })
    .jpeg()
    .toBuffer();
}

/** A scene whose part differs from frame to frame; the same number gives the same picture. */
function scene(part: number, width = 256, height = 128): Buffer {
  return Buffer.from(
    Uint8Array.from({ length: width * height }, (_, i) => {
      const x = i % width;
      const y = Math.floor(i / width);
      const isPart = Math.hypot(x - width / 2, y - height / 2) < height / 5;
      const ground = 100 + 60 * Math.sin(x / 7) * Math.cos(y / 5) + ((x * 31 + y * 17) % 13);
      return isPart ? 90 + 12 * (part % 4) + ((x * part + y) % 7) : ground;
    }),
  );
}

function greyFrame(bytes: Buffer, width = 256, height = 128): Frame {
  return new Frame(bytes, { width, height, format: 'gray', source: 'test' });
}

describe('frame health', () => {
  const meters: HealthMeter[] = [];
  const meterWith = (options?: HealthMeterOptions): HealthMeter => {
    const meter = new HealthMeter(options);
    meters.push(meter);
    return meter;
  };

  afterEach(async () => {
    await Promise.all(meters.splice(0).map((meter) => meter.close()));
  });

  it('sees a lost focus and a wrong exposure on every real image', async function () {
    const folder = shared('data', 'images', 'anomalib_dobot_cubes', 'normal');
    requirePath(this, folder, 'the cubes image set');
    const meter = meterWith();
    const files = (await readdir(folder)).filter((file) => file.includes('20230210')).sort();
    const learning = files.filter((_, i) => i % 3 === 0).slice(0, 20);
    for (const file of learning) await meter.measure(frameOf(await readFile(join(folder, file))));
    assert.equal(meter.baseline?.frames, 20);
    for (const file of files.filter((_, i) => i % 3 === 1).slice(0, 20)) {
      const original = await readFile(join(folder, file));
      const spoil = (change: (image: Sharp) => Sharp): Promise<Buffer> =>
        change(sharp(original)).jpeg({ quality: 92 }).toBuffer();
      const good = await meter.measure(frameOf(original));
      const soft = await meter.measure(frameOf(await spoil((image) => image.blur(2))));
      const bright = await meter.measure(frameOf(await spoil((image) => image.linear(1.6, 20))));
      const dark = await meter.measure(frameOf(await spoil((image) => image.linear(0.5, -10))));
      assert.deepEqual(good.findings, [], file);
      assert.ok(soft.sharpness < good.sharpness / 4, `${file}: ${soft.sharpness} of ${good.sharpness}`);
      assert.ok(soft.findings.includes('blurred'), file);
      assert.ok(bright.findings.includes('too-bright') && !bright.findings.includes('shifted'), file);
      assert.ok(dark.findings.includes('too-dark') && !dark.findings.includes('shifted'), file);
    }
  });

  it('says that a camera is frozen only when two frames in a row are the same', async () => {
    const [one, two] = [await grey(60), await grey(90)];
    const meter = meterWith({ learn: 0 });
    const health = await Promise.all(
      [one, two, two, one].map(async (bytes) => await meter.measure(frameOf(bytes))),
    );
    assert.deepEqual(
      health.map(({ frozen }) => frozen),
      [false, false, true, false],
    );
    assert.deepEqual(
      health.map(({ findings }) => findings),
      [[], [], ['frozen'], []],
    );
  });

  it('measures raw grey and colour frames and pictures with transparency alike', async () => {
    const properties = { width: 16, height: 8, source: 'test' };
    const meter = meterWith();
    const raw = await meter.measure(new Frame(Buffer.alloc(128, 51), { ...properties, format: 'gray' }));
    const colour = await meter.measure(new Frame(Buffer.alloc(384, 51), { ...properties, format: 'rgb' }));
    const png = await sharp({
      create: { width: 16, height: 8, channels: 4, background: { r: 51, g: 51, b: 51, alpha: 0.5 } },
    })
      .png()
      .toBuffer();
    const transparent = await meter.measure(frameOf(png));
    for (const { brightness, sharpness, castBlue, castRed } of [raw, colour, transparent]) {
      assert.ok(Math.abs(brightness - 0.2) < 0.005, String(brightness));
      assert.deepEqual([sharpness, castBlue, castRed], [0, 0, 0]);
    }
  });

  it('measures frames of a single pixel and of a few', async () => {
    for (const [width, height] of [
      [1, 1],
      [1, 300],
      [300, 1],
      [2, 2],
      [8, 8],
      [17, 5],
    ] as const) {
      const meter = meterWith({ learn: 2 });
      for (let level = 10; level < 40; level += 10) {
        const bytes = Buffer.from(
          Uint8Array.from({ length: width * height }, (_, i) => level + (i % 2) * 90 + (i % 3) * 30),
        );
        const health = await meter.measure(greyFrame(bytes, width, height));
        for (const value of Object.values(health)) {
          assert.ok(typeof value !== 'number' || Number.isFinite(value), `${width} × ${height}`);
        }
        assert.deepEqual(JSON.parse(JSON.stringify(health)), health);
      }
    }
  });

  it('refuses what has a header but no picture, and measures the next frame all the same', async () => {
    const good = await sharp({ create: { width: 64, height: 64, channels: 3, background: '#777' } })
      .png()
      .toBuffer();
    const broken = Buffer.from(good);
    broken.fill(0x55, 40, good.length - 16);
    const meter = meterWith();
    const failed = meter.measure(frameOf(broken));
    const next = meter.measure(frameOf(good));
    await assert.rejects(failed, { code: 'IMAGE_INVALID' });
    assert.equal((await next).frozen, false);
    const short = meter.measure(
      new Frame(Buffer.alloc(10), { width: 8, height: 8, format: 'gray', source: 'a' }),
    );
    await assert.rejects(short, { code: 'IMAGE_INVALID' });
  });

  it('learns from good frames only, then says what leaves its bands', async () => {
    const meter = meterWith({ learn: 6 });
    const frames = (): number | undefined => meter.baseline?.frames;
    const black = greyFrame(Buffer.alloc(256 * 128));
    assert.equal((await meter.measure(black)).baseline, 'learning');
    for (let part = 1; part <= 5; part += 1) await meter.measure(greyFrame(scene(part)));
    await meter.measure(greyFrame(scene(5)));
    assert.equal(frames(), undefined, 'neither the black frame nor the frozen one counts');
    await meter.measure(greyFrame(scene(6)));
    assert.equal(frames(), 6);

    const good = await meter.measure(greyFrame(scene(7)));
    assert.equal(good.baseline, 'ready');
    assert.deepEqual(good.findings, []);
    assert.ok(good.shift && Math.hypot(good.shift.x, good.shift.y) < 0.5);

    const wide = scene(8, 276, 128);
    const moved = Buffer.concat(
      Array.from({ length: 128 }, (_, y) => wide.subarray(y * 276 + 8, y * 276 + 264)),
    );
    const shifted = await meter.measure(greyFrame(moved));
    assert.deepEqual(
      shifted.findings.filter((reason) => reason === 'shifted'),
      ['shifted'],
    );
    const [finding] = meter.findings.filter(({ reason }) => reason === 'shifted');
    assert.ok(finding && finding.value > finding.band.high, JSON.stringify(finding));
  });

  it('keeps to the baseline it was given, and does not judge frames of another size by it', async () => {
    const learner = meterWith({ learn: 3 });
    for (const part of [1, 2, 3]) await learner.measure(greyFrame(scene(part)));
    assert.ok(learner.baseline);
    const meter = meterWith({ baseline: Baseline.fromText(learner.baseline.toText()) });
    const dark = Buffer.from(scene(4).map((level) => level / 4));
    const judged = await meter.measure(greyFrame(dark));
    assert.ok(judged.findings.includes('too-dark'));
    const other = await meter.measure(greyFrame(dark.subarray(0, 128 * 128), 128, 128));
    assert.equal(other.baseline, 'other-size');
    assert.deepEqual(other.findings, []);
    assert.equal(other.shift, undefined);
  });

  it('goes on measuring for one camera when another is closed, and needs no thread after the last', async () => {
    const first = meterWith({ learn: 0 });
    const second = meterWith({ learn: 0 });
    await Promise.all([first.measure(greyFrame(scene(1))), second.measure(greyFrame(scene(1)))]);
    await first.close();
    assert.equal((await second.measure(greyFrame(scene(1)))).frozen, true);
    await second.close();
    const third = meterWith({ learn: 0 });
    assert.equal((await third.measure(greyFrame(scene(2)))).frozen, false);
  });
});
