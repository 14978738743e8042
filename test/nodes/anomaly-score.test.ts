import assert from 'node:assert/strict';
import { cp, mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import sharp from 'sharp';
import { writeUnfinished } from '../../lib/anomaly/unfinished.ts';
import { Frame } from '../../lib/frame/frame.ts';
import { acquireHost } from '../../lib/inference/host/host.ts';
import { openInspection } from '../../lib/inspection/inspection.ts';
import type { LedgerEntry } from '../../lib/journal/types.ts';
import type { Calibration, Station } from '../../lib/station/types.ts';
import register from '../../nodes/anomaly-score/anomaly-score.ts';
import type { PicturePanel } from '../../nodes/anomaly-score/picture-panel.ts';
import type { Message } from '../../nodes/runtime/types.ts';
import { realParts, type RealParts } from '../support/good-parts.ts';
import { codeOf, flowAround, load, nextMessage, node, stationStandIn, unload } from '../support/helper.ts';
import { assertPlainMessage } from '../support/message-rule.ts';
import { putTaughtModel } from '../support/taught-model.ts';

describe('anomaly-score', function () {
  this.timeout(60_000);
  let parts: RealParts;
  let folder: string;
  let offered: Calibration[];
  let withdrawn: number;
  let ledger: LedgerEntry[];
  let trips: { code: string; message: string }[];

  before(async function () {
    parts = await realParts(this);
  });
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'jidoka-score-'));
    offered = [];
    withdrawn = 0;
    ledger = [];
    trips = [];
  });
  afterEach(async () => {
    await unload();
    await rm(folder, { recursive: true, force: true });
  });

  async function deploy(config: Record<string, unknown> = {}): Promise<void> {
    const station = {
      folder,
      mode: 'NORMAL',
      arming: () => ({ state: trips.length > 0 ? 'TRIPPED' : 'ARMED' }),
      tolerances: () => [],
      trip: (cause: { code: string; message: string }) => trips.push(cause),
      nextPart: () =>
        Promise.resolve(openInspection({ station: 'press 4', sequence: 1, deadlineMs: 60_000 })),
      journal: () =>
        Promise.resolve({
          appendLedger: (entry: LedgerEntry) => Promise.resolve(void ledger.push(entry)),
          labels: () => Promise.resolve([]),
          getValue: () => Promise.resolve(undefined),
        }),
      onLabel: () => () => undefined,
      offerCalibration: (calibration: Calibration) => {
        offered.push(calibration);
        return () => (withdrawn += 1);
      },
    } as unknown as Station;
    await load(
      [stationStandIn(station), register],
      [
        { id: 'station', type: 'inspection-station' },
        ...flowAround(
          { id: 'score', type: 'anomaly-score', station: 'station', model: 'top', version: 1, ...config },
          ['scored', 'events'],
        ),
      ],
    );
  }

  function send(message: Message): Promise<Message> {
    const answer = nextMessage('scored');
    node('score').receive(message);
    return answer;
  }

  /** The next event of this topic on output 2. */
  async function event(topic: string): Promise<Message> {
    for (;;) {
      const message = await nextMessage('events');
      if (message.topic === topic) return message;
    }
  }

  function putModel(): Promise<void> {
    return putTaughtModel(parts, join(folder, 'models'));
  }

  /** Where the pictures now are. */
  async function putGoodPictures(name: string, count = parts.goodPaths.length): Promise<string[]> {
    await mkdir(join(folder, name));
    const pictures = parts.goodPaths.slice(0, count).map((path) => join(folder, name, basename(path)));
    await Promise.all(pictures.map((path, index) => cp(parts.goodPaths[index] ?? '', path)));
    return pictures;
  }

  function panel(): PicturePanel {
    return (node('score') as unknown as { panel: PicturePanel }).panel;
  }

  /** What is said of a lesson that ends without a model. */
  async function ending(): Promise<{ ended?: string; code?: string }> {
    for (;;) {
      const payload = (await event('jidoka/teaching')).payload as { ended?: string };
      if ('ended' in payload) return payload;
    }
  }

  async function caughtCode(message: Message): Promise<string | undefined> {
    const caught = nextMessage('caught');
    node('score').receive(message);
    return codeOf(await caught);
  }

  it('teaches itself from the first parts, lets them pass unscored, then scores', async () => {
    await deploy({ parts: '12', heatmap: 'suspicious' });
    const model = event('jidoka/model');
    for (const frame of parts.good) {
      const passed = await send({ frame, other: 'untouched' });
      assert.equal(passed.inspection?.anomaly, undefined);
      assert.equal(passed['other'], 'untouched');
    }
    const { payload } = await model;
    const { name, version, digest } = payload as { name: string; version: string; digest: string };
    assert.deepEqual([name, version], ['top', '1']);
    assert.equal(offered[0]?.goodScores.length, 12);
    assert.equal(offered[0].model.digest, digest);
    assert.deepEqual(
      ledger.map(({ type, object }) => [type, object]),
      [['model.teach', 'top']],
    );

    const [bad] = parts.bad;
    const scored = await send({ frame: bad as Frame, other: 'untouched' });
    const { anomaly, timings } = scored.inspection ?? {};
    assert.equal(scored.payload, anomaly?.score);
    assert.equal(anomaly?.model.digest, digest);
    assert.equal(anomaly.provider, 'cpu');
    assert.equal(anomaly.pValue, 1 / 13);
    assert.ok(anomaly.boxes.length > 0);
    assert.ok((timings?.['score'] ?? NaN) > 0);
    const picture = scored['heatmap'];
    assert.ok(Frame.isFrame(picture));
    assert.deepEqual([picture.width, picture.height], [640, 480]);
    assert.deepEqual([...(await picture.read()).subarray(0, 3)], [0xff, 0xd8, 0xff]);
    assert.equal(scored['other'], 'untouched');
    assertPlainMessage(scored);

    // Without findings it is the part alone, and lies exactly under its heatmap.
    const id = scored.inspection?.part.id ?? '';
    const bare = await sharp(await panel().recentPicture(id, 'frame')).metadata();
    assert.deepEqual([bare.width, bare.height], [640, 480]);
    assert.notDeepEqual(await panel().recentPicture(id, 'frame'), await panel().recentPicture(id, 'heatmap'));
  });

  it('teaches from a folder and ends parts that are no picture in a coded error', async () => {
    await putGoodPictures('good');
    await deploy({ teaching: 'folder', folder: 'good', heatmap: 'never' });
    await event('jidoka/model');
    const scored = await send({ frame: parts.bad[0] as Frame });
    assert.equal(typeof scored.payload, 'number');
    assert.equal(scored['heatmap'], undefined);

    assert.equal(await caughtCode({ payload: 'no frame' }), 'FRAME_MISSING');
    const broken = new Frame(Buffer.from('no jpeg'), { width: 9, height: 9, format: 'jpeg', source: 'test' });
    assert.equal(await caughtCode({ frame: broken }), 'IMAGE_INVALID');
  });

  it('uses the model that is there, and teaches again when told to', async () => {
    await putModel();
    await deploy({ teaching: 'none', parts: '12' });
    const first = await send({ frame: parts.good[0] as Frame });
    assert.equal(first.inspection?.anomaly?.model.version, '1');

    const begun = event('jidoka/teaching');
    node('score').receive({ topic: 'jidoka/teach' });
    assert.deepEqual((await begun).payload, { stage: 'features', done: 0, total: 12, fraction: 0 });
    const taught = event('jidoka/model');
    for (const frame of parts.good) assert.equal((await send({ frame })).inspection?.anomaly, undefined);
    // it has what it needs: the model before scores until the next is there
    const between = await send({ frame: parts.good[0] as Frame });
    assert.equal(typeof between.inspection?.anomaly?.score, 'number');
    assert.equal(((await taught).payload as { version: string }).version, '2');
    assert.equal(withdrawn, 1);
    const again = await send({ frame: parts.good[0] as Frame });
    assert.equal(again.inspection?.anomaly?.model.version, '2');
  });

  it('goes on with the first lesson when it is told to teach twice', async () => {
    await putModel();
    await putGoodPictures('good');
    await deploy({ teaching: 'folder', folder: 'good' });
    await send({ frame: parts.good[0] as Frame });
    const taught = event('jidoka/model');
    node('score').receive({ topic: 'jidoka/teach' });
    assert.equal(await caughtCode({ topic: 'jidoka/teach' }), 'TEACH_BUSY');
    assert.equal(((await taught).payload as { version: string }).version, '2');
    assert.deepEqual((await readdir(join(folder, 'models', 'top'))).sort(), ['1', '2', 'parts']);
  });

  it('does not take a lesson that a person begins while it starts for one that was cut off', async () => {
    await putModel();
    await putGoodPictures('good');
    await deploy({ teaching: 'folder', folder: 'good' });
    const by = { actor: 'ann', reason: 'test' };
    await panel().teach(by);
    await send({ frame: parts.good[0] as Frame });
    await panel().cancel(by);
    const { problem, model } = panel().state();
    assert.equal(problem, undefined);
    assert.equal((model as { version: number }).version, 1);
    assert.deepEqual((await readdir(join(folder, 'models', 'top'))).sort(), ['1', 'parts']);
  });

  it('goes on with a lesson after a restart, from the parts it had', async () => {
    await deploy({ parts: '12' });
    for (const frame of parts.good.slice(0, 5)) await send({ frame });
    while ((panel().state()['work'] as { done: number }).done < 5) await setTimeout(20);
    await unload();
    await deploy({ teaching: 'none' });
    const model = event('jidoka/model');
    for (const frame of parts.good.slice(5)) await send({ frame });
    assert.equal(((await model).payload as { parts: number }).parts, 12);
  });

  it('scores on while a lesson from a folder goes on after a restart', async () => {
    await putModel();
    await writeUnfinished(join(folder, 'models'), 'top', {
      format: 1,
      settings: { width: 224, height: 224, method: 'patch-nn', seed: 2, coresetSize: 50 },
      pictures: await putGoodPictures('good'),
      startedAt: new Date().toISOString(),
    });
    await deploy({ teaching: 'none' });
    const first = await send({ frame: parts.good[0] as Frame });
    assert.equal(first.inspection?.anomaly?.model.version, '1');
    assert.equal(((await event('jidoka/model')).payload as { version: string }).version, '2');
  });

  it('says of a lesson that was cancelled, or failed, that it ended', async () => {
    await putGoodPictures('few', 3);
    await deploy({ teaching: 'folder', folder: 'few' });
    const failed = await ending();
    assert.deepEqual([failed.ended, failed.code], ['failed', 'TEACH_TOO_FEW']);

    await putGoodPictures('good');
    await unload();
    await deploy({ teaching: 'folder', folder: 'good' });
    await event('jidoka/teaching');
    const cancelled = ending();
    await panel().cancel({ actor: 'ann', reason: 'test' });
    assert.deepEqual(await cancelled, { ended: 'cancelled' });
  });

  it('says of a change that failed that it ended, and scores on', async () => {
    await putModel();
    await deploy({ teaching: 'none' });
    await send({ frame: parts.good[0] as Frame });
    const ended = ending();
    const by = { actor: 'ann', reason: 'test' };
    const refused = await panel()
      .unteach(['0'.repeat(64)], by)
      .catch((error: unknown) => error);
    const { code } = refused as { code: string };
    assert.deepEqual([(await ended).ended, (await ended).code], ['failed', code]);
    assert.equal(typeof (await send({ frame: parts.good[0] as Frame })).payload, 'number');
  });

  it('can be taught by a person where its first lesson could not begin', async () => {
    await deploy({ teaching: 'folder', folder: 'good', method: 'patch-nn' });
    assert.equal(await caughtCode({ frame: parts.good[0] as Frame }), 'MODEL_MISSING');
    assert.equal((panel().state()['problem'] as { code: string }).code, 'FOLDER_UNREADABLE');
    await putGoodPictures('good');
    const taught = event('jidoka/model');
    await panel().teach({ actor: 'ann', reason: 'they are there now' });
    await taught;
    assert.equal(typeof (await send({ frame: parts.good[0] as Frame })).payload, 'number');
  });

  it('ends parts in a coded error where there is no model and nothing to teach from', async () => {
    await deploy({ teaching: 'none' });
    assert.equal(await caughtCode({ frame: parts.good[0] as Frame }), 'MODEL_MISSING');
  });

  it('reports a heatmap that cannot be made without the part, which goes on with its score', async () => {
    await putModel();
    await deploy({ teaching: 'none', heatmap: 'always' });
    const caught = nextMessage('caught');
    // Taller than a JPEG may be.
    const [width, height] = [1, 70_000];
    const tall = new Frame(Buffer.alloc(width * height), { width, height, format: 'gray', source: 'test' });
    const scored = await send({ frame: tall });
    assert.equal(typeof scored.payload, 'number');
    await assert.rejects((scored['heatmap'] as Frame).read());
    node('score').receive({ payload: 'no frame' });
    assert.equal(codeOf(await caught), 'FRAME_MISSING');
  });

  it('trips the station, once, when the inference process keeps crashing', async () => {
    await putModel();
    await deploy({ teaching: 'none' });
    const host = acquireHost('cpu');
    try {
      for (let crash = 0; crash < 3; crash += 1) {
        await send({ frame: parts.good[0] as Frame });
        assert.ok(host.pid !== undefined);
        process.kill(host.pid, 'SIGKILL');
        while (host.counts.crashes <= crash) await new Promise(setImmediate);
      }
      assert.deepEqual(trips, []);
      for (let part = 0; part < 2; part += 1) {
        assert.equal(await caughtCode({ frame: parts.good[0] as Frame }), 'HOST_TRIPPED');
      }
      assert.deepEqual(
        trips.map(({ code }) => code),
        ['HOST_TRIPPED'],
      );
    } finally {
      await host.release();
    }
  });

  it('refuses a model that was changed after teaching', async () => {
    await putModel();
    await writeFile(join(folder, 'models', 'top', '1', 'model.onnx'), 'not the graph');
    await deploy({ teaching: 'none' });
    assert.equal(await caughtCode({ frame: parts.good[0] as Frame }), 'MODEL_DIGEST_MISMATCH');
  });

  for (const config of [
    { model: '../elsewhere' },
    { parts: '3' },
    { teaching: 'folder', folder: '' },
    { version: 2, looks: 'tastes' },
  ]) {
    it(`ends every input in a coded error when its configuration is wrong: ${JSON.stringify(config)}`, async () => {
      await deploy(config);
      assert.equal(await caughtCode({ frame: parts.good[0] as Frame }), 'CONFIG_INVALID');
    });
  }
});
