import assert from 'node:assert/strict';
import {
  extractFeatures,
  gridOf,
  openSession,
  readBackbone,
  sha256,
  type Backbone,
} from '../../../lib/anomaly/backbone.ts';
import { seededRandom } from '../../../lib/statistics/random.ts';

function noise(width: number, height: number): Uint8Array {
  const random = seededRandom(3);
  return Uint8Array.from({ length: width * height * 3 }, () => random.below(256));
}

describe('our own backbone', function () {
  this.timeout(20_000);
  let backbone: Backbone;
  let session: Awaited<ReturnType<typeof openSession>>;

  before(async () => {
    backbone = await readBackbone();
    session = await openSession(backbone.bytes);
  });
  after(() => session.release());

  it('says what it answers and what file it is', () => {
    const { channels, stride, digest, bytes, name, size } = backbone;
    assert.deepEqual(
      { channels, stride, name, size },
      { channels: 128, stride: 8, name: 'jidoka', size: undefined },
    );
    assert.equal(digest, sha256(bytes));
  });

  it('fits into 2 MB of the package', () => {
    assert.ok(backbone.bytes.length <= 2_000_000, `${backbone.bytes.length} bytes`);
  });

  it('takes pictures that are not square', async () => {
    const size = { width: 320, height: 224 };
    assert.deepEqual(gridOf(backbone, size), { columns: 40, rows: 28 });
    const features = await extractFeatures(session, backbone, noise(320, 224), size);
    assert.equal(features.length, 128 * 40 * 28);
  });

  it('gives the same features for the same picture, to the bit', async () => {
    const size = { width: 224, height: 224 };
    const pixels = noise(224, 224);
    const first = await extractFeatures(session, backbone, pixels, size);
    const again = await openSession(backbone.bytes);
    assert.deepEqual(await extractFeatures(again, backbone, pixels, size), first);
    await again.release();
  });

  it('says so when the answer is not that of the backbone', async () => {
    const other = { ...backbone, channels: 64 };
    await assert.rejects(extractFeatures(session, other, noise(64, 64), { width: 64, height: 64 }), {
      code: 'BACKBONE_UNSUPPORTED',
    });
  });
});
