import assert from 'node:assert/strict';
import fc from 'fast-check';
import sharp, { type Sharp } from 'sharp';
import { formatOf, imageEnd, isCompleteImage, isGray, probeImage } from '../../../lib/frame/probe.ts';
import { writeTiff } from '../../support/tiff.ts';

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
  'a PNG of 16 bit': () => picture().toColourspace('rgb16').png().toBuffer(),
  'a TIFF': () => picture().tiff({ compression: 'none' }).toBuffer(),
  'a TIFF with LZW': () => picture().tiff({ compression: 'lzw' }).toBuffer(),
  'a TIFF with deflate': () => picture().tiff({ compression: 'deflate' }).toBuffer(),
  'a TIFF in tiles': () =>
    picture().tiff({ compression: 'lzw', tile: true, tileWidth: 16, tileHeight: 16 }).toBuffer(),
  'a grey TIFF of 16 bit': () => picture().toColourspace('grey16').tiff({ compression: 'lzw' }).toBuffer(),
  'a TIFF of 16 bit': () => picture().toColourspace('rgb16').tiff({ compression: 'deflate' }).toBuffer(),
  'a TIFF with its pixels behind the directory': () =>
    Promise.resolve(writeTiff(new Uint16Array(37 * 23), { width: 37, height: 23, pixelsLast: true })),
  'a TIFF in big-endian order': () =>
    Promise.resolve(writeTiff(new Uint16Array(37 * 23), { width: 37, height: 23, bigEndian: true })),
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

  it('tells grey from colour', async () => {
    const gray = (): Sharp => picture().toColourspace('b-w');
    const grays = [
      await gray().jpeg().toBuffer(),
      await gray().png().toBuffer(),
      await gray().ensureAlpha(0.5).png().toBuffer(),
      await picture().toColourspace('grey16').tiff({ compression: 'lzw' }).toBuffer(),
      writeTiff(new Uint16Array(6), { width: 3, height: 2, zeroIsWhite: true }),
    ];
    for (const bytes of grays) assert.equal(isGray(bytes), true);
    const colours = [
      await picture().jpeg().toBuffer(),
      await picture().png().toBuffer(),
      await picture().png({ palette: true }).toBuffer(),
      await gray().webp().toBuffer(),
      await picture().tiff({ compression: 'lzw' }).toBuffer(),
      Buffer.from('<html>'),
    ];
    for (const bytes of colours) assert.equal(isGray(bytes), false);
  });

  it('answers to a TIFF with any of its bytes changed', () => {
    const whole = writeTiff(new Uint16Array(6), { width: 3, height: 2 });
    fc.assert(
      fc.property(fc.nat(whole.length - 1), fc.nat(255), fc.nat(255), (at, one, other) => {
        const bytes = Buffer.from(whole);
        bytes[at] = one;
        bytes[(at + 1) % bytes.length] = other;
        const end = imageEnd(bytes);
        if (end !== undefined) assert.ok(end <= bytes.length);
        isGray(bytes);
      }),
      { numRuns: 1000 },
    );
  });

  it('answers to any bytes, and knows none but its formats', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(
          ...['', 'ffd8ff', '89504e470d0a1a0a', '52494646000000005745425056503820'],
          ...['49492a00', '4d4d002a', '49492a00080000000200', '4d4d002a000000080002'],
        ),
        fc.uint8Array({ maxLength: 200 }),
        (start, rest) => {
          const bytes = Buffer.concat([Buffer.from(start, 'hex'), rest]);
          const header = probeImage(bytes);
          if (isGray(bytes)) assert.ok(formatOf(bytes) !== undefined);
          if (header !== undefined) assert.ok(header.width > 0 && header.height > 0);
          const end = imageEnd(bytes);
          if (end !== undefined) assert.ok(end <= bytes.length);
        },
      ),
    );
    assert.equal(formatOf(Buffer.from('<html>')), undefined);
  });
});
