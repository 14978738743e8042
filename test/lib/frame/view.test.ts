import assert from 'node:assert/strict';
import fc from 'fast-check';
import sharp from 'sharp';
import { decodePixels } from '../../../lib/frame/decode.ts';
import type { FrameFormat } from '../../../lib/frame/frame.ts';
import { areaOf, paintBlack, runsInside } from '../../../lib/frame/polygon.ts';
import type { Region } from '../../../lib/frame/region.ts';
import { View, type SourceImage, type ViewedImage, type ViewOptions } from '../../../lib/frame/view.ts';

const PLAIN: ViewOptions = { rotate: 0, flip: 'none', regions: [], encode: 'captured', quality: 85 };

interface Raw extends SourceImage {
  format: 'rgb' | 'gray';
}

/** Raw pictures of any small size, grey and colour. */
const rawPicture = fc
  .tuple(fc.integer({ min: 1, max: 12 }), fc.integer({ min: 1, max: 12 }), fc.constantFrom(1, 3))
  .chain(([width, height, channels]) =>
    fc
      .uint8Array({ minLength: width * height * channels, maxLength: width * height * channels })
      .map((bytes): Raw => {
        return { bytes: Buffer.from(bytes), format: channels === 3 ? 'rgb' : 'gray', width, height };
      }),
  );

const channelsOf = ({ format }: { format: FrameFormat }): number => (format === 'gray' ? 1 : 3);

function pixelAt(image: SourceImage, x: number, y: number): Buffer {
  const channels = channelsOf(image);
  const start = (y * image.width + x) * channels;
  return image.bytes.subarray(start, start + channels);
}

function rectangle(x: number, y: number, width: number, height: number): [number, number][] {
  return [
    [x, y],
    [x + width, y],
    [x + width, y + height],
    [x, y + height],
  ];
}

const mask = (points: Region['points']): Region => ({ name: 'mask', kind: 'mask', points });
const part = (name: string, points: Region['points']): Region => ({ name, kind: 'part', points });

/** All pictures of a view, none of them refused. */
async function apply(options: Partial<ViewOptions>, image: SourceImage): Promise<ViewedImage[]> {
  const viewed = await new View({ ...PLAIN, ...options }).apply(image);
  return viewed.map((one) => {
    assert.ok(!('error' in one));
    return one;
  });
}

async function applyOne(options: Partial<ViewOptions>, image: SourceImage): Promise<ViewedImage> {
  const viewed = await apply(options, image);
  assert.equal(viewed.length, 1);
  return viewed[0] as ViewedImage;
}

function assertSame(one: SourceImage, other: SourceImage): void {
  assert.deepEqual([one.width, one.height, one.format], [other.width, other.height, other.format]);
  assert.ok(one.bytes.equals(other.bytes));
}

/** A picture with structure everywhere. */
function noise(width: number, height: number, channels: 1 | 3 = 3): Raw {
  let state = 1;
  const bytes = Buffer.from(
    Array.from({ length: width * height * channels }, () => {
      state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
      return 64 + (state >>> 25);
    }),
  );
  return { bytes, format: channels === 3 ? 'rgb' : 'gray', width, height };
}

async function encoded(image: Raw, format: 'jpeg' | 'png' | 'webp' | 'tiff'): Promise<SourceImage> {
  const { width, height } = image;
  const channels = image.format === 'rgb' ? 3 : 1;
  const picture = sharp(image.bytes, { raw: { width, height, channels } });
  if (channels === 1) picture.toColourspace('b-w');
  const options = {
    jpeg: { quality: 95, chromaSubsampling: '4:4:4' },
    png: {},
    webp: { lossless: true },
    tiff: { compression: 'lzw' },
  } as const;
  return { bytes: await picture.toFormat(format, options[format]).toBuffer(), format, width, height };
}

describe('view', () => {
  describe('turning', () => {
    it('turns clockwise, then mirrors', async () => {
      const source: Raw = { bytes: Buffer.from([1, 2, 3, 4, 5, 6]), format: 'gray', width: 3, height: 2 };
      const rows = async (options: Partial<ViewOptions>): Promise<number[][]> => {
        const { bytes, width, height } = await applyOne(options, source);
        return Array.from({ length: height }, (_, y) => [...bytes.subarray(y * width, (y + 1) * width)]);
      };
      assert.deepEqual(await rows({ rotate: 90 }), [[4, 1], [5, 2], [6, 3]]); // prettier-ignore
      assert.deepEqual(await rows({ rotate: 180 }), [[6, 5, 4], [3, 2, 1]]); // prettier-ignore
      assert.deepEqual(await rows({ rotate: 270 }), [[3, 6], [2, 5], [1, 4]]); // prettier-ignore
      assert.deepEqual(await rows({ flip: 'horizontal' }), [[3, 2, 1], [6, 5, 4]]); // prettier-ignore
      assert.deepEqual(await rows({ flip: 'vertical' }), [[4, 5, 6], [1, 2, 3]]); // prettier-ignore
      assert.deepEqual(await rows({ rotate: 90, flip: 'horizontal' }), [[1, 4], [2, 5], [3, 6]]); // prettier-ignore
    });

    it('comes back to the same pixels after four quarter turns, and after mirroring twice', async () => {
      await fc.assert(
        fc.asyncProperty(rawPicture, fc.constantFrom('horizontal', 'vertical'), async (source, flip) => {
          let turned: SourceImage = source;
          for (let quarter = 0; quarter < 4; quarter += 1) turned = await applyOne({ rotate: 90 }, turned);
          assertSame(turned, source);
          assertSame(await applyOne({ flip }, await applyOne({ flip }, source)), source);
        }),
        { numRuns: 30 },
      );
    });
  });

  describe('turning with regions', () => {
    it('masks and cuts the turned picture as if it had come so from the camera', async () => {
      const turns = fc.record({
        rotate: fc.constantFrom(0 as const, 90 as const, 180 as const, 270 as const),
        flip: fc.constantFrom('none' as const, 'horizontal' as const, 'vertical' as const),
      });
      const size = { width: 17, height: 11 };
      const rectangles = fc
        .array(
          fc.tuple(fc.nat(9), fc.nat(9), fc.integer({ min: 1, max: 20 }), fc.integer({ min: 1, max: 20 })),
          {
            minLength: 1,
            maxLength: 3,
          },
        )
        .map((boxes) => boxes.map(([x, y, width, height]) => rectangle(x, y, width, height)));
      // a slant that no pixel's centre lies on, whichever way the picture is turned
      const triangle = [[1.1, 0.2], [10.3, 3.7], [2.2, 9.6]] as const; // prettier-ignore
      await fc.assert(
        fc.asyncProperty(
          turns,
          rectangles,
          fc.boolean(),
          fc.boolean(),
          async (turn, outlines, cuts, writable) => {
            const regions = outlines.map((points, index) =>
              cuts && index > 0 ? part(`${index}`, points) : mask(points),
            );
            regions.push(part('slanted', triangle), part('last', triangle));
            const source = noise(size.width, size.height);
            const turned = await applyOne(turn, source);
            const expected = await apply({ regions }, turned);
            const viewed = await apply({ ...turn, regions }, { ...source, writable });
            assert.equal(viewed.length, expected.length);
            viewed.forEach((one, index) => {
              const other = expected[index] as ViewedImage;
              assert.deepEqual([one.region, one.box], [other.region, other.box]);
              assertSame(one, other);
            });
          },
        ),
        { numRuns: 60 },
      );
    });
  });

  describe('masks', () => {
    it('are black inside and leave every pixel outside as it was', async () => {
      const corner = fc.tuple(fc.nat(14), fc.nat(14));
      const outlines = fc.array(fc.array(corner, { minLength: 3, maxLength: 6 }), {
        minLength: 1,
        maxLength: 3,
      });
      await fc.assert(
        fc.asyncProperty(rawPicture, outlines, async (source, masks) => {
          const expected = Buffer.from(source.bytes);
          for (const points of masks) {
            const runs = runsInside(points, source.width, source.height);
            fc.pre(runs.length > 0 && areaOf(points) > 0);
            paintBlack(expected, source.width, channelsOf(source), runs);
          }
          const viewed = await applyOne({ regions: masks.map(mask) }, source);
          assert.ok(viewed.bytes.equals(expected));
        }),
        { numRuns: 60 },
      );
    });

    it('are painted into the bytes that came only when nobody else looks at them', async () => {
      const corners: [number, number][] = [
        [2, 1],
        [9, 3],
        [3, 8],
      ];
      const before = noise(12, 10);
      for (const regions of [[mask(corners)], [part('t', corners)], [mask(corners), part('t', corners)]]) {
        const source = noise(12, 10);
        const [kept] = await apply({ regions }, source);
        assertSame(source, before);
        const [painted] = await apply({ regions }, { ...source, writable: true });
        assertSame(painted as ViewedImage, kept as ViewedImage);
        assert.equal(source.bytes.equals(before.bytes), false);
      }
    });

    it('let nothing of what they hide into the bytes that go out, whatever the encoding', async () => {
      const clean = noise(64, 48);
      const secret: Raw = { ...clean, bytes: Buffer.from(clean.bytes) };
      const hidden: [number, number][] = [
        [16, 16],
        [48, 16],
        [40, 40],
      ];
      const runs = runsInside(hidden, 64, 48);
      paintBlack(secret.bytes, 64, 3, runs);
      assert.notDeepEqual(secret.bytes, clean.bytes);
      for (const encode of ['captured', 'jpeg', 'webp', 'png'] as const) {
        for (const regions of [[], [part('all', rectangle(0, 0, 60, 40))]]) {
          const options = { encode, regions: [mask(hidden), ...regions] };
          assertSame(await applyOne(options, secret), await applyOne(options, clean));
        }
      }
    });

    it('leave no trace of what a JPEG showed there: not in its blocks, its metadata or its thumbnail', async () => {
      const open = noise(64, 64, 1);
      const other: Raw = { ...open, bytes: Buffer.from(open.bytes) };
      // on the 8 × 8 blocks of a grey JPEG, so that the compression itself does not carry it outside
      for (let y = 16; y < 32; y += 1) other.bytes.fill(255, y * 64 + 16, y * 64 + 32);
      const [one, two] = [await encoded(open, 'jpeg'), await encoded(other, 'jpeg')];
      assert.notDeepEqual(one.bytes, two.bytes);
      const thumbnail = Buffer.concat([Buffer.from('Exif\0\0', 'latin1'), one.bytes]);
      const segment = Buffer.alloc(4);
      segment.writeUInt16BE(0xffe1);
      segment.writeUInt16BE(thumbnail.length + 2, 2);
      const bytes = Buffer.concat([one.bytes.subarray(0, 2), segment, thumbnail, one.bytes.subarray(2)]);
      const regions = [mask(rectangle(16, 16, 16, 16))];
      const viewed = await applyOne({ regions }, { ...one, bytes });
      assertSame(viewed, await applyOne({ regions }, two));
      assert.equal(viewed.bytes.includes('Exif'), false);
      assert.equal((await sharp(viewed.bytes).metadata()).exif, undefined);
    });

    it('hold the whole picture back when they lie beside it', async () => {
      const view = new View({
        ...PLAIN,
        regions: [mask(rectangle(100, 0, 5, 5)), part('a', rectangle(0, 0, 2, 2))],
      });
      await assert.rejects(view.apply(noise(8, 8)), {
        code: 'REGION_OUTSIDE',
        message: /mask mask .* 8 × 8/,
      });
    });
  });

  describe('regions', () => {
    it('cut out the pixels of their box', async () => {
      const cutout = rawPicture.chain((source) =>
        fc
          .tuple(fc.nat(source.width - 1), fc.nat(source.height - 1))
          .chain(([x, y]) =>
            fc
              .tuple(
                fc.integer({ min: 1, max: source.width - x }),
                fc.integer({ min: 1, max: source.height - y }),
              )
              .map(([width, height]) => ({ source, box: [x, y, width, height] as const })),
          ),
      );
      await fc.assert(
        fc.asyncProperty(cutout, async ({ source, box }) => {
          const viewed = await applyOne({ regions: [part('a', rectangle(...box))] }, source);
          const [left, top, width, height] = box;
          assert.deepEqual([viewed.box, viewed.region], [[...box], 'a']);
          assert.deepEqual([viewed.width, viewed.height, viewed.format], [width, height, source.format]);
          for (let y = 0; y < height; y += 1) {
            for (let x = 0; x < width; x += 1) {
              assert.deepEqual(pixelAt(viewed, x, y), pixelAt(source, left + x, top + y));
            }
          }
        }),
        { numRuns: 60 },
      );
    });

    it('are black outside of their outline and masked inside', async () => {
      const source = noise(20, 20);
      const triangle: [number, number][] = [
        [4, 2],
        [14, 2],
        [4, 12],
      ];
      const regions = [part('t', triangle), mask(rectangle(5, 3, 2, 2))];
      const viewed = await applyOne({ regions }, source);
      assert.deepEqual(viewed.box?.slice(0, 2), [4, 2]);
      const inside = new Set<number>();
      const runs = runsInside(triangle, 20, 20);
      for (let i = 0; i < runs.length; i += 3) {
        for (let x = runs[i + 1] as number; x < (runs[i + 2] as number); x += 1)
          inside.add((runs[i] as number) * 20 + x);
      }
      for (let y = 0; y < viewed.height; y += 1) {
        for (let x = 0; x < viewed.width; x += 1) {
          const [sourceX, sourceY] = [x + 4, y + 2];
          const isMasked = sourceX >= 5 && sourceX < 7 && sourceY >= 3 && sourceY < 5;
          const isShown = inside.has(sourceY * 20 + sourceX) && !isMasked;
          const expected = isShown ? pixelAt(source, sourceX, sourceY) : Buffer.alloc(3);
          assert.deepEqual(pixelAt(viewed, x, y), expected, `${x}, ${y}`);
        }
      }
    });

    it('do not darken each other where they overlap', async () => {
      const source = noise(20, 20);
      const down: [number, number][] = [
        [0, 0],
        [16, 0],
        [8, 16],
      ];
      const up: [number, number][] = [
        [0, 16],
        [16, 16],
        [8, 0],
      ];
      const alone = [
        await applyOne({ regions: [part('down', down)] }, source),
        await applyOne({ regions: [part('up', up)] }, source),
      ];
      const regions = [part('down', down), part('up', up)];
      const together = await apply({ regions }, { ...source, writable: true });
      together.forEach((viewed, index) => {
        assertSame(viewed, alone[index] as ViewedImage);
      });
    });

    it('come one by one in their order, clipped to the picture, and one beside it says so for itself', async () => {
      const source = await encoded(noise(40, 30), 'png');
      const view = new View({
        ...PLAIN,
        regions: [
          part('over the edge', rectangle(30, 20, 50, 50)),
          part('beside', rectangle(40, 0, 5, 5)),
          part('inside', rectangle(1, 2, 3, 4)),
        ],
      });
      const [over, beside, inside] = await view.apply(source);
      assert.ok(over !== undefined && !('error' in over) && inside !== undefined && !('error' in inside));
      assert.deepEqual([over.box, over.width, over.height], [[30, 20, 10, 10], 10, 10]);
      assert.deepEqual([inside.region, inside.box], ['inside', [1, 2, 3, 4]]);
      assert.ok(beside !== undefined && 'error' in beside);
      assert.equal(beside.region, 'beside');
      assert.equal(beside.error.code, 'REGION_OUTSIDE');
      assert.match(beside.error.message, /region beside .* 40 × 30/);
    });

    it('follow a camera that changes its size', async () => {
      const view = new View({ ...PLAIN, regions: [part('a', rectangle(4, 0, 8, 4))] });
      for (const [width, expected] of [
        [8, 4],
        [12, 8],
        [6, 2],
      ] as const) {
        const [viewed] = await view.apply(noise(width, 4));
        assert.ok(viewed !== undefined && !('error' in viewed));
        assert.equal(viewed.width, expected);
      }
    });

    it('are refused when the view is made', () => {
      assert.throws(() => new View({ ...PLAIN, regions: [part('', rectangle(0, 0, 1, 1))] }), {
        code: 'REGION_INVALID',
      });
    });
  });

  describe('encoding', () => {
    it('hands untouched pictures through, byte for byte', async () => {
      const view = new View(PLAIN);
      assert.equal(view.isPlain, true);
      for (const image of [
        noise(5, 5),
        await encoded(noise(5, 5), 'jpeg'),
        await encoded(noise(5, 5), 'tiff'),
      ]) {
        const [viewed] = await view.apply(image);
        assert.ok(viewed !== undefined && !('error' in viewed));
        assert.equal(viewed.bytes, image.bytes);
        assert.equal(viewed.savedBytes, 0);
      }
      const png = await encoded(noise(5, 5), 'png');
      const [same] = await new View({ ...PLAIN, encode: 'png' }).apply(png);
      assert.ok(same !== undefined && !('error' in same));
      assert.equal(same.bytes, png.bytes);
    });

    it('is plain only when nothing is asked for', () => {
      const isPlain = (options: Partial<ViewOptions>): boolean => new View({ ...PLAIN, ...options }).isPlain;
      assert.equal(isPlain({ quality: 20 }), true);
      assert.equal(isPlain({ rotate: 180 }), false);
      assert.equal(isPlain({ flip: 'vertical' }), false);
      assert.equal(isPlain({ encode: 'jpeg' }), false);
      assert.equal(isPlain({ regions: [mask(rectangle(0, 0, 1, 1))] }), false);
    });

    it('gives a changed picture back in the format it had, a TIFF as PNG', async () => {
      const raw = noise(30, 20);
      for (const [captured, expected] of [
        ['jpeg', 'jpeg'],
        ['png', 'png'],
        ['webp', 'webp'],
        ['tiff', 'png'],
      ] as const) {
        const viewed = await applyOne({ rotate: 90 }, await encoded(raw, captured));
        assert.deepEqual([viewed.format, viewed.width, viewed.height], [expected, 20, 30]);
        const metadata = await sharp(viewed.bytes).metadata();
        assert.deepEqual([metadata.format, metadata.width, metadata.height], [expected, 20, 30]);
      }
    });

    it('keeps the pixels exactly through a lossless format', async () => {
      const turned = await applyOne({ rotate: 270 }, noise(30, 20));
      for (const captured of ['png', 'tiff'] as const) {
        const viewed = await applyOne({ rotate: 270 }, await encoded(noise(30, 20), captured));
        const { data } = await decodePixels(viewed.bytes, 'png', 20, 30);
        assert.ok(data.equals(turned.bytes), captured);
      }
    });

    it('keeps pictures of a monochrome camera in one channel', async () => {
      const gray = noise(30, 20, 1);
      for (const captured of ['jpeg', 'png', 'tiff'] as const) {
        const viewed = await applyOne({ rotate: 180 }, await encoded(gray, captured));
        assert.equal((await sharp(viewed.bytes).metadata()).channels, 1, captured);
      }
      const sixteen = await sharp(Uint16Array.from([0, 0x1234, 0xabcd, 0xffff]), {
        raw: { width: 2, height: 2, channels: 1 },
      })
        .toColourspace('grey16')
        .tiff({ compression: 'lzw' })
        .toBuffer();
      const { data, channels } = await decodePixels(sixteen, 'tiff', 2, 2);
      assert.deepEqual([channels, ...data], [1, 0, 0x12, 0xab, 0xff]);
    });

    it('writes what was asked for, smaller at lower quality, and counts the bytes saved', async () => {
      const source = await encoded(noise(64, 64), 'tiff');
      for (const encode of ['jpeg', 'webp'] as const) {
        const [good, poor] = [
          await applyOne({ encode, quality: 95 }, source),
          await applyOne({ encode, quality: 20 }, source),
        ];
        assert.equal((await sharp(good.bytes).metadata()).format, encode);
        assert.ok(poor.bytes.length < good.bytes.length);
        for (const viewed of [good, poor]) assert.equal(viewed.savedBytes, 64 * 64 * 3 - viewed.bytes.length);
      }
      const tiny = await applyOne({ encode: 'png' }, noise(2, 2));
      assert.ok(tiny.bytes.length > 12);
      assert.equal(tiny.savedBytes, 0);
    });

    it('says by code what it cannot read and what it cannot write', async () => {
      const view = new View({ ...PLAIN, encode: 'webp' });
      const wide = { bytes: Buffer.alloc(16_384), format: 'gray', width: 16_384, height: 1 } as const;
      await assert.rejects(view.apply(wide), { code: 'ENCODE_FAILED' });
      const broken = { bytes: Buffer.from('no picture'), format: 'jpeg', width: 1, height: 1 } as const;
      await assert.rejects(view.apply(broken), { code: 'IMAGE_INVALID' });
    });

    it('keeps pictures apart that are under way at the same time', async () => {
      const view = new View({ ...PLAIN, encode: 'png', regions: [mask(rectangle(0, 0, 2, 2))] });
      const sources = await Promise.all(
        [1, 3, 1, 3, 3].map((channels) => encoded(noise(48, 40, channels as 1 | 3), 'jpeg')),
      );
      const inTurn: Buffer[] = [];
      for (const source of sources) inTurn.push(((await view.apply(source))[0] as ViewedImage).bytes);
      const together = await Promise.all(sources.map((source) => view.apply(source)));
      together.forEach(([viewed], index) =>
        assert.ok((viewed as ViewedImage).bytes.equals(inTurn[index] as Buffer)),
      );
    });
  });
});
