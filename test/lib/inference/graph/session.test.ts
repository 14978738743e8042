import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import ort from 'onnxruntime-node';
import sharp from 'sharp';
import { drawReference } from '../../../../lib/frame/align-reference.ts';
import type { RgbImage } from '../../../../lib/frame/decode.ts';
import { resizeRgb } from '../../../../lib/frame/resize.ts';
import {
  fillInput,
  inputBuffer,
  inputDimensions,
  inputTables,
} from '../../../../lib/inference/graph/input.ts';
import type { SessionRequest } from '../../../../lib/inference/graph/open-graph.ts';
import { GraphSession } from '../../../../lib/inference/graph/session.ts';
import type { Box } from '../../../../lib/inspection/inspection.ts';
import { drawPart } from '../../../../plant/part-image.ts';
import { moved } from '../../../support/moved.ts';
import { requirePath, shared } from '../../../support/shared.ts';
import { colourModel, FLOAT, floats, meanModel, model, node, nonZeroModel, value } from '../onnx.ts';

const code = (expected: string) => (error: unknown) => (error as { code?: unknown }).code === expected;

const IMAGENET = { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] } as const;

function requestOf(head: SessionRequest['head'], input: SessionRequest['input'] = {}): SessionRequest {
  return { providers: ['cpu'], strict: false, head, input };
}

/** A picture with something else at every pixel. */
function noise(width: number, height: number): RgbImage {
  const data = Buffer.alloc(width * height * 3);
  let state = 7;
  for (let i = 0; i < data.length; i += 1) {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    data[i] = state >>> 24;
  }
  return { data, width, height };
}

/** The raw outputs of the graph as it is in the file, fed from the tables. */
async function unfolded(
  file: Buffer,
  session: GraphSession,
  picture: RgbImage,
): Promise<Record<string, ArrayLike<number>>> {
  const { input, inputs } = session.info;
  const plain = await ort.InferenceSession.create(file, { graphOptimizationLevel: 'all' });
  const data = inputBuffer(input);
  fillInput(resizeRgb(picture, input).data, input, inputTables(input), data);
  const tensor = new ort.Tensor('float32', data as Float32Array, inputDimensions(input));
  const outputs = await plain.run({ [inputs[0]?.name ?? '']: tensor });
  await plain.release();
  return Object.fromEntries(
    Object.entries(outputs).map(([name, output]) => [name, output.data as Float32Array]),
  );
}

function largestDifference(a: ArrayLike<number>, b: ArrayLike<number>): number {
  assert.equal(a.length, b.length);
  return Array.from(a).reduce((largest, x, i) => Math.max(largest, Math.abs(x - (b[i] as number))), 0);
}

/** The input as the graph sees it, planar, of an open size. */
function echoModel(): Buffer {
  return model(
    value(11, 'x', FLOAT, [1, 3, 'h', 'w']),
    floats('one', [1], [1]),
    node('Mul', ['x', 'one'], ['echo']),
    value(12, 'echo', FLOAT, [1, 3, 'h', 'w']),
  );
}

describe('graph session', () => {
  const sessions: GraphSession[] = [];
  const load = async (file: Buffer, request: SessionRequest): Promise<GraphSession> => {
    const session = await GraphSession.load(file, request, 'cpu');
    sessions.push(session);
    return session;
  };
  afterEach(() => Promise.all(sessions.splice(0).map((session) => session.release())));

  for (const [what, input] of [
    ['RGB by mean and deviation', { ...IMAGENET }],
    ['BGR from 0 to 255', { colour: 'bgr', scale: 1 }],
  ] as const) {
    it(`computes the same with ${what} folded into the graph as from the tables`, async () => {
      const session = await load(echoModel(), requestOf({ task: 'raw' }, { width: 12, height: 9, ...input }));
      assert.equal(session.info.folded, true);
      const picture = noise(12, 9);
      const { results } = await session.run(picture);
      const reference = await unfolded(echoModel(), session, picture);
      const echo = results[0]?.tensors['echo']?.data as Float32Array;
      assert.ok(largestDifference(echo, reference['echo'] as Float32Array) <= 1e-4);
    });
  }

  it('computes the same with the recipe folded into a detector as from the tables', async function () {
    const path = shared('data', 'models', 'yolox_nano.onnx');
    requirePath(this, path, 'the detector');
    const file = readFileSync(path);
    const detect = await load(file, requestOf({ task: 'detect' }));
    assert.equal(detect.info.folded, true);
    // a head that hands on all of the output would refuse its size, so the same graph runs by hand
    const { input } = detect.info;
    const picture = noise(500, 300);
    const { foldInput } = await import('../../../../lib/inference/graph/fold.ts');
    const folded = await ort.InferenceSession.create(foldInput(file, input) as Buffer);
    const { data } = resizeRgb(picture, input);
    const tensor = new ort.Tensor('uint8', data, [1, input.height, input.width, 3]);
    const output = Object.values(await folded.run({ images: tensor }))[0]?.data as Float32Array;
    await folded.release();
    const [reference] = Object.values(await unfolded(file, detect, picture));
    assert.ok(largestDifference(output, reference as Float32Array) <= 1e-4);
  });

  it('feeds from the tables what cannot be folded', async () => {
    const gray = model(
      value(11, 'x', FLOAT, [1, 1, 4, 4]),
      node('ReduceMean', ['x'], ['mean'], { axes: [1, 2, 3], keepdims: 0 }),
      value(12, 'mean', FLOAT, [1]),
    );
    const session = await load(gray, requestOf({ task: 'raw' }, { scale: 1 }));
    assert.equal(session.info.folded, false);
    const { results } = await session.run({ data: Buffer.alloc(48, 90), width: 4, height: 4 });
    assert.deepEqual([...(results[0]?.tensors['mean']?.data ?? [])], [90]);
  });

  it('gives a recipe one digest, and another to any other', async () => {
    const size = { width: 16, height: 16 };
    const first = await load(colourModel(), requestOf({ task: 'classify' }, size));
    const again = await load(colourModel(), requestOf({ task: 'classify' }, { ...size, scale: 1 / 255 }));
    const other = await load(colourModel(), requestOf({ task: 'classify' }, { ...size, ...IMAGENET }));
    assert.match(first.info.recipe, /^sha256:[0-9a-f]{64}$/);
    assert.equal(again.info.recipe, first.info.recipe);
    assert.notEqual(other.info.recipe, first.info.recipe);
  });

  it('looks at an aligned part and says where it is in the picture as it came', async () => {
    const { rgb, ...size } = drawPart({ seed: 4, defect: null, width: 320, height: 240 });
    const picture = { data: rgb, width: size.width, height: size.height };
    const limits = { maxShift: 0.15, maxAngle: 10 };
    const align = { reference: await drawReference([picture], limits), ...limits };
    // the brightness of each pixel as its anomaly: boxed is what shines
    const shine = model(
      value(11, 'x', FLOAT, [1, 3, 60, 80]),
      node('ReduceMean', ['x'], ['map'], { axes: [1], keepdims: 1 }),
      value(12, 'map', FLOAT, [1, 1, 60, 80]),
    );
    const session = await load(shine, requestOf({ task: 'anomaly-map', level: 0.3 }, { align }));
    const boxOf = async (seen: RgbImage): Promise<{ box: Box; x: number }> => {
      const [result] = (await session.run(seen)).results;
      const [largest] = result?.prediction['boxes'] as { box: Box }[];
      assert.equal(result?.alignment?.lost, false);
      return { box: largest?.box as Box, x: result.alignment.x };
    };
    const still = await boxOf(picture);
    const there = await boxOf(moved(picture, { x: 24, y: 12, angle: 0, scale: 1 }));
    assert.ok(Math.abs(there.x - 24) < 1 && Math.abs(still.x) < 1);
    const [dx, dy] = [there.box[0] - still.box[0], there.box[1] - still.box[1]];
    assert.ok(Math.abs(dx - 24) <= 5 && Math.abs(dy - 12) <= 5, `the box moved by ${dx}, ${dy}`);
  });

  it('settles the same for a graph whose values are known from an earlier load', async () => {
    const request = requestOf({ task: 'classify' }, { width: 16, height: 16 });
    const { info } = await load(colourModel(), request);
    const { inputs, outputs } = info;
    const { info: again } = await load(colourModel(), { ...request, graph: { inputs, outputs } });
    assert.deepEqual({ ...again, createMs: 0 }, { ...info, createMs: 0 });
  });

  it('chooses the head by the graph and says why', async () => {
    const session = await load(colourModel(), requestOf({ task: 'auto' }, { width: 16, height: 16 }));
    assert.equal(session.info.head.task, 'classify');
    assert.ok((session.info.why ?? '').length > 0);
    const chosen = await load(colourModel(), requestOf({ task: 'classify' }, { width: 16, height: 16 }));
    assert.equal(chosen.info.why, undefined);
  });

  it('reports each warm run', async () => {
    const session = await load(meanModel(), requestOf({ task: 'anomaly-map' }));
    const times = await session.warmUp(5);
    assert.equal(times.length, 5);
    assert.ok(times.every((ms) => ms > 0));
  });

  it('looks at each crop by itself, and at no pixel beside it', async () => {
    const session = await load(meanModel(), requestOf({ task: 'anomaly-map' }));
    const picture = { data: Buffer.alloc(40 * 30 * 3, 200), width: 40, height: 30 };
    for (let y = 10; y < 20; y += 1) picture.data.fill(50, (y * 40 + 5) * 3, (y * 40 + 15) * 3);
    const crops: Box[] = [
      [5, 10, 10, 10],
      [20, 0, 8, 8],
      [5.4, 10.2, 9, 9.5],
      [-3, -3, 6, 6],
    ];
    const { results } = await session.run(picture, crops);
    assert.deepEqual(
      results.map(({ prediction }) => prediction['score']),
      [50, 200, 50, 200],
    );
    const { results: whole } = await session.run(picture);
    assert.equal(whole.length, 1);
  });

  it('refuses a crop of which nothing lies in the frame', async () => {
    const session = await load(meanModel(), requestOf({ task: 'anomaly-map' }));
    const picture = { data: Buffer.alloc(300, 1), width: 10, height: 10 };
    for (const box of [
      [10, 0, 5, 5],
      [0, 0, 0, 4],
      [0, Number.NaN, 4, 4],
    ] as Box[]) {
      await assert.rejects(session.run(picture, [box]), code('CROP_INVALID'));
    }
  });

  it('finds an object of a crop where it is in the whole frame', async () => {
    // one box in the middle of whatever is shown: centre 8, 8, size 4 × 2, class 0 at 0.9
    const anchors = [[8, 8, 4, 2, 0.9], ...Array.from({ length: 9 }, () => [1, 1, 1, 1, 0])];
    const flat = [0, 1, 2, 3, 4].flatMap((field) => anchors.map((anchor) => anchor[field] as number));
    const file = model(
      value(11, 'x', FLOAT, [1, 3, 16, 16]),
      floats('boxes', [1, 5, 10], flat),
      floats('zero', [1], [0]),
      node('ReduceMean', ['x'], ['mean'], { axes: [1, 2, 3], keepdims: 0 }),
      node('Mul', ['mean', 'zero'], ['nothing']),
      node('Add', ['boxes', 'nothing'], ['output']),
      value(12, 'output', FLOAT, [1, 5, 10]),
    );
    const session = await load(file, requestOf({ task: 'detect', format: 'yolov8' }));
    const { results } = await session.run(noise(200, 100), [[100, 50, 32, 32]]);
    const objects = results[0]?.prediction['objects'] as { box: Box }[];
    assert.deepEqual(
      objects.map(({ box }) => box),
      [[112, 64, 8, 4]],
    );
  });

  it('hands on pictures of a head as PNG of the same pixels', async () => {
    // two classes: the second where the picture is bright
    const file = model(
      value(11, 'x', FLOAT, [1, 3, 8, 8]),
      floats('weights', [2, 3, 1, 1], [0, 0, 0, 1, 1, 1]),
      floats('bias', [2], [1.5, 0]),
      node('Conv', ['x', 'weights', 'bias'], ['logits']),
      value(12, 'logits', FLOAT, [1, 2, 8, 8]),
    );
    const session = await load(file, requestOf({ task: 'segment' }));
    const picture = { data: Buffer.alloc(8 * 8 * 3, 10), width: 8, height: 8 };
    picture.data.fill(250, 0, 4 * 8 * 3);
    const { results } = await session.run(picture);
    const mask = results[0]?.pictures['mask'];
    assert.ok(mask !== undefined);
    const { data, info } = await sharp(mask.bytes).raw().toBuffer({ resolveWithObject: true });
    assert.deepEqual([info.width, info.height, mask.width, mask.height], [8, 8, 8, 8]);
    const levels = [...new Set(data.subarray(0, (data.length / 64) * 32))];
    const others = [...new Set(data.subarray((data.length / 64) * 32))];
    assert.equal(levels.length, 1);
    assert.equal(others.length, 1);
    assert.notEqual(levels[0], others[0]);
  });

  it('says what ran where', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'jidoka-test-'));
    const where = { device: 'cpu', folder };
    const shares = await GraphSession.profile(nonZeroModel(), requestOf({ task: 'raw' }), where).finally(() =>
      rmSync(folder, { recursive: true }),
    );
    assert.deepEqual(
      shares.map(({ provider }) => provider),
      ['cpu'],
    );
    const [cpu] = shares;
    assert.equal(cpu?.operators['NonZero'], 1);
    const counted = Object.values(cpu.operators).reduce((sum, count) => sum + count, 0);
    assert.equal(cpu.nodes, counted);
    assert.ok(cpu.ms > 0);
  });
});
