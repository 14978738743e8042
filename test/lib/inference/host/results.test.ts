import assert from 'node:assert/strict';
import fc from 'fast-check';
import sharp from 'sharp';
import type { PackedResult } from '../../../../lib/inference/host/protocol.ts';
import { packResults, unpackResults, type EncodedResult } from '../../../../lib/inference/host/results.ts';

const violated = { code: 'PROTOCOL_VIOLATED' };

async function png(width: number, height: number): Promise<Buffer> {
  return sharp(Buffer.alloc(width * height, 7), { raw: { width, height, channels: 1 } })
    .png()
    .toBuffer();
}

/** What the parent has of a message: the header went through JSON. */
function travelled(results: readonly EncodedResult[]): { list: PackedResult[]; payload: Buffer } {
  const { list, payload } = packResults(results);
  return { list: JSON.parse(JSON.stringify(list)) as PackedResult[], payload };
}

describe('results of the host', () => {
  let mask: Buffer;
  let sound: { list: PackedResult[]; payload: Buffer };

  before(async () => {
    mask = await png(5, 3);
    const pictures = { mask: { width: 5, height: 3, format: 'png', bytes: mask } } as const;
    const tensors = { map: { dims: [1, 2], data: Float32Array.of(1, 2) } };
    sound = travelled([{ prediction: { task: 'segment' }, tensors, pictures }]);
  });

  it('carries tensors bit for bit and pictures byte for byte, for one result or many', () => {
    const array = fc.float32Array({ maxLength: 20 });
    const name = fc.oneof(fc.string(), fc.constant('__proto__'));
    const result = fc.record({ tensors: fc.dictionary(name, array), hasMask: fc.boolean(), score: fc.nat() });
    fc.assert(
      fc.property(fc.array(result, { maxLength: 4 }), (drawn) => {
        const results = drawn.map(({ tensors, hasMask, score }): EncodedResult => {
          const entries = Object.entries(tensors).map(
            ([key, data]): [string, EncodedResult['tensors'][string]] => [
              key,
              { dims: [data.length], data: Float32Array.from(data) },
            ],
          );
          const picture = { width: 5, height: 3, format: 'png', bytes: mask } as const;
          return {
            prediction: { score },
            tensors: Object.fromEntries(entries),
            pictures: hasMask ? { mask: picture } : {},
          };
        });
        const { list, payload } = travelled(results);
        assert.deepEqual(unpackResults(list, payload, results.length), results);
      }),
    );
  });

  it('carries where the part lay, and refuses what is no place', () => {
    const alignment = { x: 1.5, y: -2, angle: 0.3, scale: 1, quality: 0.9, lost: false };
    const { list, payload } = travelled([{ prediction: {}, tensors: {}, pictures: {}, alignment }]);
    assert.deepEqual(unpackResults(list, payload, 1)[0]?.alignment, alignment);
    for (const wrong of [null, {}, { ...alignment, x: '1' }, { ...alignment, lost: 0 }]) {
      const lie = [{ ...list[0], alignment: wrong }];
      assert.throws(() => unpackResults(lie, payload, 1), violated);
    }
  });

  it('refuses another number of results than were asked for', () => {
    assert.throws(() => unpackResults(sound.list, sound.payload, 2), violated);
  });

  it('refuses a payload that is cut short, and one that is too long', () => {
    const { list, payload } = sound;
    assert.throws(() => unpackResults(list, payload.subarray(0, 4), 1), violated);
    assert.throws(() => unpackResults(list, payload.subarray(0, -1), 1), violated);
    assert.throws(() => unpackResults(list, Buffer.concat([payload, Buffer.alloc(1)]), 1), violated);
  });

  it('refuses a picture that is no PNG, or one of another size', async () => {
    const { list, payload } = sound;
    const broken = Buffer.from(payload);
    broken.writeUInt8(0, 8);
    assert.throws(() => unpackResults(list, broken, 1), violated);
    const other = await png(5, 4);
    const pictures = { mask: { width: 5, height: 3, format: 'png', bytes: other } } as const;
    const lie = travelled([{ prediction: {}, tensors: {}, pictures }]);
    assert.throws(() => unpackResults(lie.list, lie.payload, 1), violated);
  });

  it('refuses headers of any other shape, and never with another error', () => {
    const tensor = { name: 't', dims: [2], length: 2 };
    const wrong = [
      { ...tensor, dims: [3] },
      { ...tensor, dims: [-1, -2] },
      { ...tensor, dims: [2, 0.5, 2] },
      { ...tensor, dims: 'two' },
      { ...tensor, dims: Array.from({ length: 100_000 }, () => 1) },
      { ...tensor, length: 1e300 },
      { dims: [2], length: 2 },
    ];
    for (const entry of wrong) {
      const list = [{ prediction: {}, tensors: [entry], pictures: [] }];
      assert.throws(
        () => unpackResults(list, Buffer.alloc(8), 1),
        violated,
        JSON.stringify(entry).slice(0, 80),
      );
    }
    fc.assert(
      fc.property(fc.jsonValue(), (list) => {
        assert.throws(() => unpackResults(list, Buffer.alloc(1), 1), violated);
      }),
    );
  });
});
