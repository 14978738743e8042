import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import sharp, { type Sharp } from 'sharp';
import { decodeRgb } from '../../../lib/frame/decode.ts';
import { requirePath, shared } from '../../support/shared.ts';
import { writeTiff } from '../../support/tiff.ts';

const WIDTH = 37;
const HEIGHT = 21;
const pixels = Buffer.from(
  Array.from({ length: HEIGHT * WIDTH }, (_, i) => [(i % WIDTH) * 6, Math.floor(i / WIDTH) * 12, 128]).flat(),
);
const encoder = (): Sharp => sharp(pixels, { raw: { width: WIDTH, height: HEIGHT, channels: 3 } });

function largestDifference(a: Buffer, b: Buffer): number {
  assert.equal(a.length, b.length);
  return a.reduce((largest, value, i) => Math.max(largest, Math.abs(value - (b[i] as number))), 0);
}

describe('decode', () => {
  it('gives back the pixels of a lossless image', async () => {
    for (const format of ['png', 'webp'] as const) {
      const bytes = await (
        format === 'png' ? encoder().png() : encoder().webp({ lossless: true })
      ).toBuffer();
      const image = await decodeRgb(bytes, format);
      assert.deepEqual([image.width, image.height], [WIDTH, HEIGHT]);
      assert.equal(largestDifference(image.data, pixels), 0);
    }
  });

  it('decodes a JPEG as sharp does, to a grey level and a half in the mean', async function () {
    const path = shared('data', 'images', 'anomalib_dobot_cubes', 'normal', 'input_20230210130546.jpg');
    requirePath(this, path, 'a real picture');
    const bytes = readFileSync(path);
    const image = await decodeRgb(bytes, 'jpeg');
    assert.deepEqual([image.width, image.height], [640, 480]);
    const other = await sharp(bytes).raw().toBuffer();
    const sum = image.data.reduce((total, value, i) => total + Math.abs(value - (other[i] as number)), 0);
    assert.ok(sum / other.length <= 1.5);
  });

  it('decodes grey, CMYK and transparent pictures to RGB', async () => {
    const gray = await encoder().grayscale().jpeg().toBuffer();
    const cmyk = await encoder().toColourspace('cmyk').jpeg().toBuffer();
    const transparent = await encoder().ensureAlpha(0.5).png().toBuffer();
    for (const [bytes, format] of [
      [gray, 'jpeg'],
      [cmyk, 'jpeg'],
      [transparent, 'png'],
    ] as const) {
      assert.equal((await decodeRgb(bytes, format)).data.length, WIDTH * HEIGHT * 3);
    }
  });

  it('takes the upper byte of 16 bit, grey and colour, PNG and TIFF', async () => {
    const values = Uint16Array.from({ length: WIDTH * HEIGHT * 3 }, (_, i) => (i * 7919) % 65_536);
    const upper = Buffer.from(values.map((value) => value >> 8));
    const colour = sharp(values, { raw: { width: WIDTH, height: HEIGHT, channels: 3 } }).toColourspace(
      'rgb16',
    );
    assert.deepEqual((await decodeRgb(await colour.clone().png().toBuffer(), 'png')).data, upper);
    for (const compression of ['none', 'lzw', 'deflate'] as const) {
      const bytes = await colour.clone().tiff({ compression }).toBuffer();
      assert.deepEqual((await decodeRgb(bytes, 'tiff')).data, upper, compression);
    }
    const raw = { width: WIDTH * 3, height: HEIGHT, channels: 1 } as const;
    const gray = sharp(values, { raw }).toColourspace('grey16');
    for (const [bytes, format] of [
      [await gray.clone().png().toBuffer(), 'png'],
      [await gray.clone().tiff({ compression: 'lzw' }).toBuffer(), 'tiff'],
      [writeTiff(values, { ...raw, bigEndian: true }), 'tiff'],
      [writeTiff(values, { ...raw, bigEndian: false }), 'tiff'],
    ] as const) {
      const { data } = await decodeRgb(bytes, format);
      assert.deepEqual(
        data.filter((_value, i) => i % 3 === 0),
        upper,
      );
    }
  });

  it('decodes TIFF of 8 bit, and of 16 bit where 0 is white', async () => {
    const bytes = await encoder().tiff({ compression: 'lzw' }).toBuffer();
    assert.deepEqual((await decodeRgb(bytes, 'tiff')).data, pixels);
    const inverted = writeTiff(new Uint16Array([0, 0xffff]), { width: 2, height: 1, zeroIsWhite: true });
    assert.deepEqual([...(await decodeRgb(inverted, 'tiff')).data], [255, 255, 255, 0, 0, 0]);
  });

  it('does not stretch 12 bit that lie in the lower bits of 16', async () => {
    const bytes = writeTiff(new Uint16Array([0, 4095]), { width: 2, height: 1 });
    assert.deepEqual([...(await decodeRgb(bytes, 'tiff')).data], [0, 0, 0, 15, 15, 15]);
  });

  it('refuses TIFF samples that are no grey levels, and says which', async () => {
    const size = { width: 2, height: 1 };
    const refused = (sampleFormat: number): Promise<unknown> =>
      decodeRgb(writeTiff(new Uint16Array(2), { ...size, sampleFormat }), 'tiff');
    await assert.rejects(refused(2), { code: 'IMAGE_INVALID', message: /16 bit signed/ });
    await assert.rejects(refused(3), { code: 'IMAGE_INVALID', message: /16 bit floating point/ });
  });

  it('takes raw pixels as they are, and grey ones three times', async () => {
    assert.equal((await decodeRgb(pixels, 'rgb', WIDTH, HEIGHT)).data, pixels);
    const gray = await decodeRgb(Buffer.from([1, 2]), 'gray', 2, 1);
    assert.deepEqual([...gray.data], [1, 1, 1, 2, 2, 2]);
  });

  it('decodes into the buffer offered when it is large enough', async () => {
    const bytes = await encoder().jpeg().toBuffer();
    const reuse = Buffer.alloc(WIDTH * HEIGHT * 3 + 100);
    const { data } = await decodeRgb(bytes, 'jpeg', undefined, undefined, reuse);
    assert.equal(data.length, WIDTH * HEIGHT * 3);
    assert.deepEqual(data, (await decodeRgb(bytes, 'jpeg')).data);
  });

  it('refuses broken, cut and oversized pictures by code', async () => {
    const bytes = await encoder().jpeg().toBuffer();
    const invalid = { code: 'IMAGE_INVALID' };
    await assert.rejects(decodeRgb(Buffer.from('not a picture'), 'jpeg'), invalid);
    await assert.rejects(decodeRgb(Buffer.alloc(0), 'png'), invalid);
    await assert.rejects(decodeRgb(bytes.subarray(0, bytes.length / 2), 'jpeg'), invalid);
    await assert.rejects(decodeRgb(Buffer.alloc(5), 'rgb', 2, 1), invalid);
    await assert.rejects(decodeRgb(Buffer.alloc(5), 'gray'), invalid);
    const huge = Buffer.from(bytes);
    const frameHeader = huge.indexOf(Buffer.from([0xff, 0xc0]));
    huge.writeUInt16BE(60_000, frameHeader + 5);
    huge.writeUInt16BE(60_000, frameHeader + 7);
    await assert.rejects(decodeRgb(huge, 'jpeg'), { code: 'IMAGE_TOO_LARGE' });
  });
});
