import assert from 'node:assert/strict';
import sharp from 'sharp';
import { imageOfMessage } from '../../../lib/capture/mqtt-message.ts';
import { testImage } from '../../support/camera-server.ts';

describe('message of an MQTT camera', () => {
  let image: Buffer;
  const read = (payload: Buffer | object, partId?: string, maxImageBytes = 1_000_000) =>
    imageOfMessage(Buffer.isBuffer(payload) ? payload : Buffer.from(JSON.stringify(payload)), {
      what: 'the message on cams/1',
      maxImageBytes,
      partId,
    });

  before(async () => {
    image = await testImage();
  });

  it('is the image itself, in every format we read', async () => {
    for (const format of ['jpeg', 'png', 'webp'] as const) {
      const bytes = await sharp(image).toFormat(format).toBuffer();
      const captured = read(bytes, 'SN-1');
      assert.deepEqual([captured.format, captured.width, captured.partId], [format, 64, 'SN-1']);
      assert.deepEqual(captured.bytes, bytes);
    }
  });

  it('may be JSON with the image in base64, the part and the time of exposure', () => {
    const base64 = image.toString('base64');
    const captured = read({ image: base64, partId: 'SN-2', capturedAt: '2026-03-01T08:00:00.250Z' }, 'SN-1');
    assert.deepEqual(captured.bytes, image);
    assert.equal(captured.partId, 'SN-2');
    assert.equal(captured.capturedAt.getTime(), Date.UTC(2026, 2, 1, 8, 0, 0, 250));
    const at = read({ image: base64, partId: 17, capturedAt: 1_772_352_000_250 });
    assert.deepEqual([at.partId, at.capturedAt.getTime()], ['17', 1_772_352_000_250]);
  });

  it('reads base64 as senders write it: as a data URL, in lines, for URLs, without padding', () => {
    const base64 = image.toString('base64');
    for (const text of [
      `data:image/jpeg;base64,${base64}`,
      base64.replaceAll(/.{76}/g, '$&\n'),
      `${base64}\n`,
      image.toString('base64url'),
    ]) {
      assert.deepEqual(read({ image: text }).bytes, image);
    }
  });

  it('refuses what is no image, and what only begins as one', () => {
    assert.throws(() => read(Buffer.alloc(0)), { code: 'IMAGE_INVALID' });
    assert.throws(() => read(Buffer.from('hello')), { code: 'IMAGE_INVALID' });
    assert.throws(() => read(image.subarray(0, 300)), { code: 'IMAGE_TRUNCATED' });
    assert.throws(() => read(Buffer.from('{"image":')), { code: 'IMAGE_INVALID', message: /like JSON/ });
    assert.throws(() => read({ picture: '' }), { code: 'IMAGE_INVALID', message: /field "image"/ });
    assert.throws(() => read({ image: 'no base64!' }), { code: 'IMAGE_INVALID', message: /not base64/ });
    assert.throws(() => read({ image: image.subarray(0, 300).toString('base64') }), {
      code: 'IMAGE_TRUNCATED',
    });
    assert.throws(() => read({ image: image.toString('base64'), capturedAt: 'noon' }), {
      code: 'IMAGE_INVALID',
      message: /no time/,
    });
  });

  it('refuses an image that is too large before it is decoded', () => {
    assert.throws(() => read(image, undefined, image.length - 1), {
      code: 'IMAGE_INVALID',
      message: /larger than/,
    });
    // No base64 at all: only who looks at the length first says so.
    assert.throws(() => read({ image: '!'.repeat(1000) }, undefined, 300), {
      message: /larger than 300 bytes/,
    });
  });

  it('does not make some other part of a picture whose part is named by what is no id', () => {
    const base64 = image.toString('base64');
    assert.throws(() => read({ image: base64, partId: { a: 1 } }), { code: 'PART_ID_INVALID' });
    assert.throws(() => read({ image: base64, partId: '' }), { code: 'PART_ID_INVALID' });
    assert.throws(() => read(image, 'Größe'), { code: 'PART_ID_INVALID' });
  });
});
