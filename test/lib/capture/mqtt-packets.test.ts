import assert from 'node:assert/strict';
import { PacketWatch } from '../../../lib/capture/mqtt-packets.ts';

/** PUBLISH with a body of so many bytes; the length takes one to four bytes. */
function packet(bodyBytes: number): Buffer {
  const length: number[] = [];
  let rest = bodyBytes;
  do {
    length.push((rest & 0x7f) | (rest > 0x7f ? 0x80 : 0));
    rest >>>= 7;
  } while (rest > 0);
  return Buffer.concat([Buffer.from([0x30, ...length]), Buffer.alloc(bodyBytes, 0xff)]);
}

/** What a broker says first. */
const CONNACK = Buffer.from([0x20, 0x02, 0x00, 0x00]);

function greeted(maxBytes: number): PacketWatch {
  const watch = new PacketWatch(maxBytes);
  assert.equal(watch.push(CONNACK), 1);
  return watch;
}

describe('packets of an MQTT connection', () => {
  it('are counted however the stream is cut', () => {
    const sizes = [0, 1, 127, 128, 16_383, 16_384, 70_000];
    const stream = Buffer.concat(sizes.map(packet));
    for (const step of [1, 2, 3, 1000, stream.length]) {
      const watch = greeted(100_000);
      let completed = 0;
      for (let at = 0; at < stream.length; at += step)
        completed += watch.push(stream.subarray(at, at + step));
      assert.equal(completed, sizes.length);
      assert.equal(watch.underWay, false);
    }
  });

  it('are under way from their first byte to their last', () => {
    const watch = greeted(1000);
    const bytes = packet(300);
    assert.equal(watch.push(bytes.subarray(0, 1)), 0);
    assert.equal(watch.underWay, true);
    assert.equal(watch.push(bytes.subarray(1, 302)), 0);
    assert.equal(watch.underWay, true);
    assert.equal(watch.push(bytes.subarray(302)), 1);
    assert.equal(watch.underWay, false);
  });

  it('are refused by the length they announce, before their bytes are there', () => {
    assert.throws(() => greeted(1000).push(packet(1001).subarray(0, 4)), { code: 'IMAGE_INVALID' });
  });

  it('are none when the first is no greeting', () => {
    for (const answer of ['HTTP/1.1 400 Bad Request', '\x15\x03\x01\0\x02', '0']) {
      assert.throws(() => new PacketWatch(1000).push(Buffer.from(answer, 'latin1')), { code: 'CAMERA_LOST' });
    }
  });

  it('are none when no broker sends such a packet to us', () => {
    for (const byte of [0x00, 0x10, 0x34, 0x36, 0x80, 0xff]) {
      assert.throws(() => greeted(1000).push(Buffer.from([byte, 0])), { code: 'CAMERA_LOST' });
    }
    assert.equal(greeted(1000).push(Buffer.from([0xd0, 0, 0x90, 0, 0x3b, 0])), 3);
  });

  it('are none when their length is none', () => {
    assert.throws(() => greeted(1000).push(Buffer.from([0x30, 0xff, 0xff, 0xff, 0xff])), {
      code: 'CAMERA_LOST',
    });
  });
});
