/**
 * Models made to harm whoever opens them. Each must end in a verdict within ten seconds, without
 * weight in our memory, while a sound model beside it goes on answering. First through the door the
 * product uses, then the nastiest again past the scan, since the host has to stand by itself.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { link, mkdtemp, readFile, rm, symlink, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { acquireHost, type InferenceHost, type LoadedModel } from '../../../lib/inference/host/host.ts';
import { resolveModel } from '../../../lib/inference/model/folder.ts';
import { readModel, type ModelSource } from '../../../lib/inference/model/model.ts';
import { anomaly, grey, source } from './fixtures.ts';
import { behindTheScan, throughTheDoor } from './hostile.ts';
import { meanModel } from './onnx.ts';

const VERDICT_MS = 10_000;
const PARENT_GROWTH_BYTES = 50 * 1024 ** 2;

describe('hostile models', function () {
  this.timeout(30_000);
  let folder: string;
  let elsewhere: string;
  let host: InferenceHost;
  let sound: LoadedModel;
  let restingBytes: number;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'jidoka-hostile-'));
    elsewhere = await mkdtemp(join(tmpdir(), 'jidoka-elsewhere-'));
    const secret = join(elsewhere, 'secret.bin');
    await writeFile(secret, Buffer.from(Float32Array.of(1, 2, 3, 4).buffer));
    await symlink(secret, join(folder, 'symbolic.bin'));
    await link(secret, join(folder, 'hard.bin'));
    execFileSync(process.execPath, [join(import.meta.dirname, 'hostile.ts'), folder]);
    host = acquireHost('cpu');
    sound = await host.load(source(meanModel(), 'sound'), { ...anomaly, queue: 'block', queueLimit: 100 });
    for (let run = 0; run < 20; run += 1) await answersOf(sound);
    restingBytes = process.memoryUsage.rss();
  });

  after(async () => {
    await host.release();
    await rm(folder, { recursive: true });
    await rm(elsewhere, { recursive: true });
  });

  async function answersOf(loaded: LoadedModel): Promise<void> {
    const { prediction } = await loaded.run(grey(9));
    assert.equal(prediction['score'], 9);
  }

  /** The way of a file through the product: resolve, read and scan, load, run. */
  async function inspectWith(name: string): Promise<void> {
    await runOnHost(await readModel(await resolveModel(folder, name)));
  }

  async function runOnHost(model: ModelSource): Promise<void> {
    const loaded = await host.load(model, { ...anomaly, loadTimeoutMs: 5000, watchdogMs: 2000 });
    try {
      // black is what the warm-up showed it
      await loaded.run(grey(200));
      await loaded.run(grey(0));
    } finally {
      await loaded.close();
    }
  }

  /** The code `action` ends in, with the sound model asked before, meanwhile and after. */
  async function verdictOf(action: () => Promise<void>): Promise<string> {
    await answersOf(sound);
    const begun = performance.now();
    const ended = action().then(
      () => 'NONE',
      (error: unknown) => String((error as { code?: unknown }).code),
    );
    await answersOf(sound);
    const verdict = await ended;
    const took = performance.now() - begun;
    assert.ok(took < VERDICT_MS, `the verdict took ${took} ms`);
    await answersOf(sound);
    const grown = process.memoryUsage.rss() - restingBytes;
    assert.ok(grown < PARENT_GROWTH_BYTES, `this process grew by ${grown} bytes`);
    return verdict;
  }

  for (const { what, file, code } of throughTheDoor) {
    it(`end in ${code}: ${what}`, async () => {
      assert.equal(await verdictOf(() => inspectWith(file)), code);
    });
  }

  it('are not read through a symbolic link out of the folder, a hard link or a pipe', async function () {
    if (process.platform === 'win32') {
      console.log('      skipped: Windows has no pipes among its files');
      this.skip();
    }
    await writeFile(join(elsewhere, 'model.onnx'), meanModel());
    await symlink(join(elsewhere, 'model.onnx'), join(folder, 'symbolic.onnx'));
    await link(join(elsewhere, 'model.onnx'), join(folder, 'hard.onnx'));
    execFileSync('mkfifo', [join(folder, 'pipe.onnx')]);
    assert.equal(await verdictOf(() => inspectWith('symbolic.onnx')), 'MODEL_NOT_ALLOWED');
    assert.equal(await verdictOf(() => inspectWith('hard.onnx')), 'MODEL_NOT_ALLOWED');
    assert.equal(await verdictOf(() => inspectWith('pipe.onnx')), 'MODEL_NOT_FOUND');
    // a link that took the place of the file after its path was resolved
    const swapped = readModel(join(folder, 'symbolic.onnx'));
    await assert.rejects(swapped, { code: 'MODEL_NOT_ALLOWED' });
  });

  it('are not read when they are too large', async () => {
    await writeFile(join(folder, 'large.onnx'), '');
    await truncate(join(folder, 'large.onnx'), 100 * 1024 ** 3);
    assert.equal(await verdictOf(() => inspectWith('large.onnx')), 'MODEL_TOO_LARGE');
  });

  describe('that came past the scan', () => {
    for (const { what, file, code } of behindTheScan) {
      it(`end in ${code}: ${what}`, async () => {
        const model = source(await readFile(join(folder, file)), 'hostile');
        assert.equal(await verdictOf(() => runOnHost(model)), code);
      });
    }
  });
});
