import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtemp, open, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInflateRaw } from 'node:zlib';
import fc from 'fast-check';
import { InferenceError } from '../../../../lib/inference/errors.ts';
import { readModel } from '../../../../lib/inference/model/model.ts';
import { colourModel } from '../onnx.ts';
import { hostileZips } from './hostile-zips.ts';
import { entriesOf, rawZip, sample, zipOf } from './samples.ts';

const VERDICT_MS = 10_000;
const GROWTH_BYTES = 50 * 1024 ** 2;

describe('zip of a bundle', () => {
  let folder: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'jidoka-zip-'));
  });
  after(() => rm(folder, { recursive: true }));

  async function readZip(bytes: Buffer): Promise<Awaited<ReturnType<typeof readModel>>> {
    const path = join(folder, 'read.zip');
    await writeFile(path, bytes);
    return await readModel(path);
  }

  it('can be written byte by byte as these tests do', async () => {
    assert.deepEqual((await readZip(rawZip(entriesOf(await sample())))).bytes, colourModel());
  });

  it('is refused when it is larger than a bundle may be, before it is read', async () => {
    const path = join(folder, 'large.zip');
    await writeFile(path, await zipOf(await sample()));
    await truncate(path, 100 * 1024 ** 3);
    await assert.rejects(readModel(path), { code: 'BUNDLE_TOO_LARGE' });
  });

  it('is refused cut off anywhere', async () => {
    const whole = await zipOf(await sample());
    for (let length = 4; length < whole.length; length += 11) {
      await assert.rejects(readZip(whole.subarray(0, length)), (error: InferenceError) => {
        assert.equal(error.code, 'BUNDLE_INVALID', `after ${length} bytes: ${error.message}`);
        return true;
      });
    }
  });

  it('is read or refused by code, whatever is changed in it', async () => {
    const whole = rawZip(entriesOf(await sample()));
    const change = fc.tuple(fc.nat(whole.length - 1), fc.nat(255));
    // the directory and its end, where all the lies are
    const inDirectory = fc.tuple(fc.integer({ min: whole.length - 200, max: whole.length - 1 }), fc.nat(255));
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.oneof(change, inDirectory), { minLength: 1, maxLength: 4 }),
        async (changes) => {
          const changed = Buffer.from(whole);
          for (const [offset, byte] of changes) changed[offset] = byte;
          try {
            await readZip(changed);
          } catch (error) {
            assert.ok(error instanceof InferenceError, String((error as Error).stack));
          }
        },
      ),
      { numRuns: 200 },
    );
  });

  it('leaves no file open, read or refused', async function () {
    if (process.platform !== 'linux') {
      console.log('      skipped: only Linux shows and limits what a process holds');
      this.skip();
    }
    const openFiles = (): string => execFileSync('ls', ['-l', `/proc/${process.pid}/fd`]).toString();
    await readZip(rawZip(entriesOf(await sample())));
    await readZip(
      rawZip(entriesOf(await sample(undefined, { 'read me.txt': Buffer.from('x') })).slice(1)),
    ).catch(() => undefined);
    assert.doesNotMatch(openFiles(), /read\.zip/);
  });

  describe('made to harm whoever opens it', () => {
    before(() => {
      // made elsewhere: making them takes memory that is not to be counted as the reader's
      execFileSync(process.execPath, [join(import.meta.dirname, 'hostile-zips.ts'), folder]);
    });

    for (const { what, file, code, message } of hostileZips) {
      it(`ends in ${code}: ${what}`, async () => {
        const path = join(folder, file);
        await using handle = await open(path);
        assert.ok((await handle.stat()).size > 0);
        const [resting, begun] = [process.memoryUsage.rss(), performance.now()];
        let highest = 0;
        const watch = setInterval(() => (highest = Math.max(highest, process.memoryUsage.rss())), 1);
        try {
          await assert.rejects(readModel(path), (error: InferenceError) => {
            assert.ok(error instanceof InferenceError, String(error));
            assert.equal(error.code, code, error.message);
            assert.match(error.message, message);
            return true;
          });
        } finally {
          clearInterval(watch);
        }
        highest = Math.max(highest, process.memoryUsage.rss());
        assert.ok(performance.now() - begun < VERDICT_MS);
        assert.ok(highest - resting < GROWTH_BYTES, `grew by ${highest - resting} bytes`);
      });
    }

    it('and the first of them really holds a gigabyte in a megabyte', async () => {
      const { build } = hostileZips[0] as (typeof hostileZips)[0];
      const bytes = build();
      assert.ok(bytes.length < 2 * 1024 ** 2, `${bytes.length} bytes`);
      const start = 30 + bytes.readUInt16LE(26);
      let length = 0;
      const inflate = createInflateRaw({ chunkSize: 1024 ** 2 });
      inflate.end(bytes.subarray(start));
      for await (const chunk of inflate as AsyncIterable<Buffer>) length += chunk.length;
      assert.equal(length, 1024 ** 3);
    });
  });
});
