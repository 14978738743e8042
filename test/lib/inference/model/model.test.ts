import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { checkModel, readModel } from '../../../../lib/inference/model/model.ts';
import { source } from '../fixtures.ts';
import { colourModel, meanModel } from '../onnx.ts';

describe('model file', () => {
  let folder: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'jidoka-model-'));
  });
  after(() => rm(folder, { recursive: true }));

  it('is named after its file and versioned by its digest', async () => {
    const bytes = meanModel();
    await writeFile(join(folder, 'press-4.onnx'), bytes);
    const hex = createHash('sha256').update(bytes).digest('hex');
    const read = await readModel(join(folder, 'press-4.onnx'));
    assert.deepEqual(read, { name: 'press-4', version: hex.slice(0, 12), bytes, digest: `sha256:${hex}` });
  });

  it('is refused by code when it is missing, a folder of no bundle or too large', async () => {
    const path = join(folder, 'large.onnx');
    await writeFile(path, Buffer.alloc(100));
    await assert.rejects(readModel(join(folder, 'none.onnx')), { code: 'MODEL_NOT_FOUND' });
    await assert.rejects(readModel(folder), { code: 'BUNDLE_INVALID', message: /no model.json/ });
    await assert.rejects(readModel(path, { limitBytes: 99 }), { code: 'MODEL_TOO_LARGE' });
    assert.throws(() => checkModel(source(Buffer.alloc(100)), 99), { code: 'MODEL_TOO_LARGE' });
  });

  it('is told apart from other files at a glance', () => {
    for (const bytes of [meanModel(), colourModel()]) assert.doesNotThrow(() => checkModel(source(bytes)));
    const others = [
      '',
      'version https://git-lfs.github.com/spec/v1\n',
      '<html>',
      '{"a":1}',
      '\x89PNG\r\n\x1a\n',
    ];
    for (const text of others) {
      assert.throws(() => checkModel(source(Buffer.from(text, 'latin1'))), { code: 'MODEL_INVALID' });
    }
    assert.throws(() => checkModel(source(meanModel().subarray(0, -3))), { code: 'MODEL_INVALID' });
  });

  it('never breaks the look at it, whatever the bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        try {
          checkModel(source(Buffer.from(bytes)));
        } catch (error) {
          assert.equal((error as { code?: string }).code, 'MODEL_INVALID');
        }
      }),
    );
  });
});
