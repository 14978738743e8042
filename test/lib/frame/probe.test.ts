import assert from 'node:assert/strict';
import fc from 'fast-check';
import sharp, { type Sharp } from 'sharp';
import { formatOf, imageEnd, isCompleteImage, probeImage } from '../../../lib/frame/probe.ts';

const picture = (width = 37, height = 23): Sharp =>
  sharp({
    create: {
      width,
      height,
      channels: 3,
      background: '#357',
      noise: { type: 'gaussian', mean: 120, sigma: 40 },
    },
  });

const encoders: Record<string, () => Promise<Buffer>> = {
  'a baseline JPEG': () => picture().jpeg().toBuffer(),
  'a progressive JPEG': () => picture().jpeg({ progressive: true }).toBuffer(),
  'a JPEG with EXIF data': () =>
    picture()
      .withExif({ IFD0: { Model: 'cam' } })
      .jpeg()
      .toBuffer(),
  'a PNG': () => picture().png().toBuffer(),
  'a lossy WebP': () => picture().webp().toBuffer(),
  'a lossless WebP': () => picture().webp({ lossless: true }).toBuffer(),
  'a WebP with transparency': () => picture().ensureAlpha(0.5).webp().toBuffer(),
};

describe('probe', () => {
  for (const [name, encode] of Object.entries(encoders)) {
    it(`reads the dimensions of ${name} and finds its end, also with bytes behind it`, async () => {
      const bytes = await encode();
      const { width, height } = probeImage(bytes) ?? {};
      assert.deepEqual([width, height], [37, 23]);
      assert.equal(imageEnd(bytes), bytes.length);
      assert.equal(imageEnd(Buffer.concat([bytes, Buffer.from('maker notes')])), bytes.length);
    });

    it(`never calls ${name} complete that is cut short anywhere`, async () => {
      const bytes = await encode();
      fc.assert(
        fc.property(fc.integer({ min: 0, max: bytes.length - 1 }), (length) => {
          assert.equal(isCompleteImage(bytes.subarray(0, length)), false);
        }),
      );
    });
  }

  it('is not taken in by the end marker of an embedded thumbnail', async () => {
    const [thumbnail, whole] = [await picture(8, 8).jpeg().toBuffer(), await picture().jpeg().toBuffer()];
    const segment = Buffer.alloc(4);
    segment.writeUInt16BE(0xffe1);
    segment.writeUInt16BE(thumbnail.length + 2, 2);
    const start = Buffer.concat([whole.subarray(0, 2), segment, thumbnail]);
    assert.equal(isCompleteImage(start), false);
    const bytes = Buffer.concat([start, whole.subarray(2)]);
    assert.equal(imageEnd(bytes), bytes.length);
    assert.equal(probeImage(bytes)?.width, 37);
  });

  it('answers to any bytes, and knows none but its formats', () => {
    fc.assert(
      fc.property(
        fc.constantFrom('', 'ffd8ff', '89504e470d0a1a0a', '52494646000000005745425056503820'),
        fc.uint8Array({ maxLength: 200 }),
        (start, rest) => {
          const bytes = Buffer.concat([Buffer.from(start, 'hex'), rest]);
          const header = probeImage(bytes);
          if (header !== undefined) assert.ok(header.width > 0 && header.height > 0);
          const end = imageEnd(bytes);
          if (end !== undefined) assert.ok(end <= bytes.length);
        },
      ),
    );
    assert.equal(formatOf(Buffer.from('<html>')), undefined);
  });
});
