import assert from 'node:assert/strict';
import fc from 'fast-check';
import { bytesField, FieldReader, integerField, ProtobufError } from '../../lib/protobuf.ts';

describe('Protocol Buffers fields', () => {
  it('are read as they were written', () => {
    const field = fc.integer({ min: 1, max: 2 ** 28 - 1 });
    const written = fc.array(fc.tuple(field, fc.oneof(fc.maxSafeInteger(), fc.uint8Array())));
    fc.assert(
      fc.property(written, (fields) => {
        const bytes = Buffer.concat(
          fields.map(([number, content]) =>
            typeof content === 'number' ? integerField(number, content) : bytesField(number, content),
          ),
        );
        const reader = new FieldReader(bytes);
        for (const [number, content] of fields) {
          assert.ok(reader.next());
          assert.equal(reader.field, number);
          if (typeof content === 'number') assert.equal(reader.value, content);
          else assert.deepEqual(new Uint8Array(bytes.subarray(reader.start, reader.end)), content);
        }
        assert.equal(reader.next(), false);
      }),
    );
  });

  it('are never read beyond the end of their message', () => {
    const bytes = Buffer.concat([bytesField(1, 'abc'), integerField(2, 300)]);
    for (let end = 1; end < bytes.length; end += 1) {
      if (end === 5) continue;
      const reader = new FieldReader(bytes, 0, end);
      assert.throws(() => {
        while (reader.next());
      }, ProtobufError);
    }
  });

  it('are refused where they are groups, nameless or numbers without an end', () => {
    for (const bytes of [[0x0b], [0x0c], [0x00, 0x00], [0x0f], [0x08, ...Array<number>(11).fill(0x80)]]) {
      assert.throws(() => new FieldReader(Buffer.from(bytes)).next(), ProtobufError);
    }
  });
});
