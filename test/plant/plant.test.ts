import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AttributeIds, DataType, OPCUAClient, StatusCodes } from 'node-opcua';
import sharp from 'sharp';
import { folderPictures, truthOfPath } from '../../plant/pictures.ts';
import { Line } from '../../plant/line.ts';
import { type Plant, startPlant } from '../../plant/plant.ts';
import { listen, shut } from '../../plant/ports.ts';

describe('the plant in a box', function () {
  this.timeout(40_000);
  let plant: Plant;
  before(async () => {
    plant = await startPlant({
      seed: 7,
      goodParts: 2,
      defectShare: 1,
      run: false,
      width: 320,
      height: 240,
      batch: 'T',
    });
  });
  after(() => plant.close());

  it('photographs each part, and a reject written over OPC UA diverts it', async () => {
    plant.line.step(plant.line.taktMs * 3);
    const response = await fetch(plant.camera.snapshotUrl);
    assert.equal(response.headers.get('x-part-id'), 'T-000003');
    const image = await sharp(Buffer.from(await response.arrayBuffer())).metadata();
    assert.deepEqual([image.format, image.width, image.height], ['jpeg', 320, 240]);
    const truth = plant.truth.get('T-000003');
    assert.ok(truth?.bad === true && truth.box !== null);

    const client = OPCUAClient.create({ endpointMustExist: false, connectionStrategy: { maxRetry: 0 } });
    await client.connect(plant.opcua.endpointUrl);
    const session = await client.createSession();
    const status = await session.write({
      nodeId: 'ns=1;s=Line.RejectGate',
      attributeId: AttributeIds.Value,
      value: { value: { dataType: DataType.Boolean, value: true } },
    });
    assert.equal(status, StatusCodes.Good);
    plant.line.step(plant.line.travelMs);
    assert.equal(plant.truth.get('T-000003')?.fate, 'diverted');
    assert.deepEqual([plant.counts.diverted, plant.counts.passed, plant.counts.escapes], [1, 2, 0]);
    const gate = await session.read({ nodeId: 'ns=1;s=Line.RejectGate', attributeId: AttributeIds.Value });
    assert.equal(gate.value.value, false);
    await session.close();
    await client.disconnect();
    assert.equal(plant.opcua.writes.length, 1);
  });

  it('tells on its board what is true', async () => {
    const board = (await (await fetch(plant.boardUrl)).json()) as {
      counts: unknown;
      feederEnable: boolean;
      parts: { id: string; fate: string; bad: boolean }[];
    };
    assert.deepEqual(board.counts, plant.counts);
    assert.equal(board.feederEnable, true);
    assert.deepEqual(
      board.parts.map(({ id, fate, bad }) => [id, fate, bad]),
      [
        ['T-000003', 'diverted', true],
        ['T-000002', 'passed', false],
        ['T-000001', 'passed', false],
      ],
    );
  });

  it('can wait with its first part until somebody watches', async () => {
    const watched = await startPlant({
      run: 'when-watched',
      taktMs: 20,
      travelMs: 10,
      width: 160,
      height: 120,
    });
    try {
      const viewer = await fetch(watched.camera.streamUrl);
      const reader = viewer.body?.getReader();
      const first = await reader?.read();
      assert.match(Buffer.from(first?.value ?? []).toString('latin1'), /X-Part-Id: \w+-000001\r/);
      await reader?.cancel();
    } finally {
      await watched.close();
    }
  });

  it('names the server and the port that is taken', async () => {
    const squatter = createServer();
    const port = await listen(squatter, 0, 'squatter');
    try {
      for (const name of ['camera', 'mes', 'board', 'modbus', 'opcua'] as const) {
        await assert.rejects(
          startPlant({ ports: { [name]: port }, run: false }),
          (error: Error & { code?: string }) => {
            assert.equal(error.code, 'PLANT_PORT_BUSY');
            assert.ok(error.message.startsWith(`Port ${port} for the `), error.message);
            return true;
          },
        );
      }
    } finally {
      await shut(squatter);
    }
  });
});

describe('the user’s own images under the camera', () => {
  let folder: string;
  const add = async (path: string, shade: number): Promise<void> => {
    await mkdir(join(folder, path, '..'), { recursive: true });
    await sharp({ create: { width: 8, height: 8, channels: 3, background: { r: shade, g: shade, b: shade } } }).png().toFile(join(folder, path)); // prettier-ignore
  };
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'jidoka-images-'));
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  it('are judged by the names of their folders', () => {
    const bad = ['bad/1.png', 'test_bad/1.png', 'set/abnormal/x/1.png', 'defects/1.png', 'NG/1.png'];
    const good = ['good/1.png', 'train_good/1.png', 'test-good/1.png', 'normal/1.png', 'bad/good/1.png'];
    for (const path of bad) assert.equal(truthOfPath(path), true, path);
    for (const path of good) assert.equal(truthOfPath(path), false, path);
    for (const path of ['1.png', 'good.png', 'goodyear/1.png', 'abnormality-study/1.png']) {
      assert.equal(truthOfPath(path), null, path);
    }
  });

  it('come good ones first while the line is set up, then each other one once a round', async () => {
    for (const index of [1, 2]) await add(`train_good/${index}.png`, index);
    for (const index of [1, 2, 3]) await add(`test_good/${index}.png`, 100 + index);
    for (const index of [1, 2]) await add(`test_bad/${index}.png`, 200 + index);
    const pictures = await folderPictures(folder, 5, 4);
    const line = new Line({ goodParts: 4 });
    const shades: number[] = [];
    for (let sequence = 1; sequence <= 14; sequence++) {
      const { jpeg } = await pictures.picture(line.plan(sequence));
      const { data } = await sharp(jpeg).raw().toBuffer({ resolveWithObject: true });
      shades.push(data[0] ?? -1);
      const bad = pictures.bad(line.plan(sequence));
      assert.equal(bad, (data[0] ?? 0) > 200);
    }
    assert.deepEqual(shades.slice(0, 4), [1, 2, 1, 2]);
    const others = [101, 102, 103, 201, 202];
    assert.deepEqual(shades.slice(4, 9).sort((a, b) => a - b), others); // prettier-ignore
    assert.deepEqual(shades.slice(9, 14).sort((a, b) => a - b), others); // prettier-ignore
  });

  it('come in the order of their names, of unknown truth, when nothing says good or bad', async () => {
    for (const index of [3, 1, 2]) await add(`${index}.png`, 10 * index);
    const pictures = await folderPictures(folder, 5, 80);
    const line = new Line();
    for (const [sequence, shade] of [
      [1, 10],
      [2, 20],
      [3, 30],
      [4, 10],
    ] as const) {
      // prettier-ignore
      const plan = line.plan(sequence);
      const { data } = await sharp((await pictures.picture(plan)).jpeg)
        .raw()
        .toBuffer({ resolveWithObject: true });
      assert.equal(data[0], shade);
      assert.equal(pictures.bad(plan), null);
    }
  });

  it('are missed plainly', async () => {
    await assert.rejects(folderPictures(folder, 1, 80), { code: 'PLANT_NO_IMAGES' });
    await assert.rejects(folderPictures(join(folder, 'nowhere'), 1, 80), { code: 'PLANT_NO_IMAGES' });
  });
});
