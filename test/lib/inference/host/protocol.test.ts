import assert from 'node:assert/strict';
import { PassThrough } from 'node:stream';
import fc from 'fast-check';
import {
  MessageReader,
  sendMessage,
  type Envelope,
  type Request,
} from '../../../../lib/inference/host/protocol.ts';

const LIMITS = { headerBytes: 1000, payloadBytes: 10_000 };

function written(messages: readonly { id: number; payload: Uint8Array }[]): Buffer {
  const stream = new PassThrough();
  for (const { id, payload } of messages) sendMessage(stream, { type: 'quit', id }, payload);
  return (stream.read() as Buffer | null) ?? Buffer.alloc(0);
}

describe('host protocol', () => {
  it('gives back every message, however the bytes are cut', () => {
    const messages = fc.array(
      fc.record({ id: fc.nat(), payload: fc.uint8Array({ maxLength: 300 }) }, { noNullPrototype: true }),
      {
        minLength: 1,
        maxLength: 8,
      },
    );
    fc.assert(
      fc.property(messages, fc.array(fc.integer({ min: 1, max: 200 }), { minLength: 1 }), (list, cuts) => {
        const bytes = written(list);
        const read: Envelope<Request>[] = [];
        const reader = new MessageReader<Request>(LIMITS, (message) => read.push(message));
        for (let offset = 0, cut = 0; offset < bytes.length; cut += 1) {
          const length = cuts[cut % cuts.length] as number;
          reader.push(bytes.subarray(offset, offset + length));
          offset += length;
        }
        assert.deepEqual(
          read.map(({ header, payload }) => ({ id: header.id, payload: new Uint8Array(payload) })),
          list,
        );
      }),
    );
  });

  it('refuses other bytes, another version and lengths over the limit before it allocates', () => {
    const reader = (): MessageReader<Request> => new MessageReader(LIMITS, () => assert.fail());
    const sound = written([{ id: 1, payload: new Uint8Array(10) }]);
    const changed = (offset: number, value: number): Buffer => {
      const bytes = Buffer.from(sound);
      bytes.writeUInt8(value, offset);
      return bytes;
    };
    for (const bytes of [changed(0, 0), changed(1, 99), changed(6, 255), changed(11, 255), changed(12, 0)]) {
      assert.throws(() => reader().push(bytes), { code: 'PROTOCOL_VIOLATED' });
    }
  });
});
