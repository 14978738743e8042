import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import sharp from 'sharp';
import { decodeRgb, type RgbImage } from '../../../../lib/frame/decode.ts';
import { Frame } from '../../../../lib/frame/frame.ts';
import { resizeRgb } from '../../../../lib/frame/resize.ts';
import type { ObjectPrediction } from '../../../../lib/inference/heads/detect.ts';
import { acquireHost, type LoadedModel } from '../../../../lib/inference/host/host.ts';
import { readModel } from '../../../../lib/inference/model/model.ts';
import { requirePath, shared } from '../../../support/shared.ts';
import {
  bestClass,
  boxAround,
  cells,
  expectedObjects,
  overlap,
  row,
  type Found,
} from './detect-reference.ts';

const SIDE = 416;
const FIELDS = 85;
const CONFIDENCE = 0.25;
const LIMITS = { confidence: CONFIDENCE, iou: 0.45, maxObjects: 100 };
/** Numbers of classes of COCO. */
const [CUP, ROUND] = [41, [54, 55]] as const;

const cubes = [
  'normal/input_20230210130616',
  'normal/input_20230210135913',
  'normal/input_20230210140230',
  'abnormal/input_20230210134906',
];
const goodCookies = ['test-normal-1', 'test-normal-2', 'test-normal-11', 'test-normal-13'];
const badCookies = ['test-anomaly-3', 'test-anomaly-5'];
const aliens = ['normal/1', 'anomaly/29', 'anomaly/54'];

const cube = (name: string): string => shared('data', 'images', 'anomalib_dobot_cubes', `${name}.jpg`);
const cookie = (name: string): string =>
  shared('data', 'images', 'aws_cookies_288x384', 'test-images', `${name}.jpg`);
const alien = (name: string): string => shared('data', 'images', 'aws_aliens', `${name}.png`);
const pictures = [...cubes.map(cube), ...[...goodCookies, ...badCookies].map(cookie), ...aliens.map(alien)];
const weights = shared('data', 'models', 'yolox_nano.onnx');

async function frameOf(path: string): Promise<Frame> {
  const bytes = readFileSync(path);
  const { width, height } = await sharp(bytes).metadata();
  return new Frame(bytes, { width, height, format: path.endsWith('.png') ? 'png' : 'jpeg', source: 'test' });
}

async function pixelsOf(path: string): Promise<RgbImage> {
  const { width, height, format } = await frameOf(path);
  return decodeRgb(readFileSync(path), format, width, height);
}

/** Straight from pixels to objects: blue, green, red of 0…255, one plane after the other; every anchor decoded. */
async function straight(session: InferenceSession | undefined, image: RgbImage): Promise<ObjectPrediction[]> {
  const resized = resizeRgb(image, { width: SIDE, height: SIDE, fit: 'letterbox' });
  const planes = [2, 1, 0].flatMap((channel) =>
    Array.from({ length: SIDE * SIDE }, (_, pixel) => resized.data[pixel * 3 + channel] as number),
  );
  const images = new Tensor('float32', Float32Array.from(planes), [1, 3, SIDE, SIDE]);
  const output = (await session?.run({ images }))?.['output'] as Tensor;
  const found = cells(SIDE, [8, 16, 32]).map(([column, line, stride], anchor): Found => {
    const [x, y, w, h, objectness, ...classes] = row(output.data as Float32Array, FIELDS, anchor) as [
      number,
      number,
      number,
      number,
      number,
      ...number[],
    ];
    const { index, score } = bestClass(classes);
    const size = [Math.exp(w) * stride, Math.exp(h) * stride] as const;
    return {
      index,
      score: score * objectness,
      box: boxAround((x + column) * stride, (y + line) * stride, ...size),
    };
  });
  const { scaleX, scaleY } = resized;
  return expectedObjects(found, LIMITS, {
    scaleX,
    scaleY,
    frameWidth: image.width,
    frameHeight: image.height,
  });
}

type Corners = Found['box'];

function cornersOf({ box: [x, y, width, height] }: ObjectPrediction): Corners {
  return [x, y, x + width, y + height];
}

/** The pixels that are much redder than blue: a biscuit on a dark tray. */
function brownOutline({ data, width, height }: RgbImage): Corners {
  const [columns, rows] = [new Uint32Array(width), new Uint32Array(height)];
  for (let pixel = 0; pixel < width * height; pixel += 1) {
    if ((data[pixel * 3] as number) - (data[pixel * 3 + 2] as number) < 40) continue;
    columns[pixel % width] = (columns[pixel % width] as number) + 1;
    rows[Math.floor(pixel / width)] = (rows[Math.floor(pixel / width)] as number) + 1;
  }
  const isCovered = (count: number): boolean => count > 10;
  return [
    columns.findIndex(isCovered),
    rows.findIndex(isCovered),
    columns.findLastIndex(isCovered) + 1,
    rows.findLastIndex(isCovered) + 1,
  ];
}

describe('detection on real pictures', () => {
  let host: ReturnType<typeof acquireHost> | undefined;
  let session: InferenceSession | undefined;
  let model: LoadedModel;

  before(async function () {
    requirePath(this, weights, 'yolox_nano.onnx');
    for (const path of pictures) requirePath(this, path, 'a real picture');
    const head = { task: 'detect', ...LIMITS } as const;
    host = acquireHost('cpu');
    model = await host.load(await readModel(weights), { providers: ['cpu'], head });
    session = await InferenceSession.create(weights, { intraOpNumThreads: 1 });
  });

  after(async () => {
    await session?.release();
    await host?.release();
  });

  async function objectsIn(path: string): Promise<ObjectPrediction[]> {
    return (await model.run(await frameOf(path))).prediction['objects'] as ObjectPrediction[];
  }

  it('finds box for box what a plain reading of the same model finds', async () => {
    let count = 0;
    for (const path of pictures) {
      const [actual, expected] = [await objectsIn(path), await straight(session, await pixelsOf(path))];
      // what is just at the threshold may fall on either side, as the host's graph may be rounded otherwise
      const sure = (list: ObjectPrediction[]): ObjectPrediction[] =>
        list.filter(({ score }) => score > CONFIDENCE + 0.005);
      for (const [some, others] of [
        [sure(expected), actual],
        [sure(actual), expected],
      ] as const) {
        for (const one of some) {
          const same = others.find(
            ({ index, score, box }) =>
              index === one.index &&
              Math.abs(score - one.score) < 0.005 &&
              box.every((side, axis) => Math.abs(side - (one.box[axis] as number)) < 0.5),
          );
          assert.ok(same !== undefined, `${path}: no ${JSON.stringify(one)} in ${JSON.stringify(others)}`);
        }
      }
      count += expected.length;
    }
    assert.ok(count >= pictures.length, `only ${count} objects`);
  });

  it('finds the biscuit in the picture: its box lies around what is brown', async () => {
    for (const path of goodCookies.map(cookie)) {
      // COCO has no biscuits; it takes them for doughnuts or cakes
      const round = (await objectsIn(path)).filter(({ index }) => ROUND.some((one) => one === index));
      const [best] = round;
      assert.ok(best !== undefined, path);
      const share = overlap(cornersOf(best), brownOutline(await pixelsOf(path)));
      assert.ok(share > 0.8, `${path}: ${share}`);
    }
  });

  it('finds the cube in the picture, in pixels of the picture', async () => {
    for (const path of cubes.slice(0, 3).map(cube)) {
      const cup = (await objectsIn(path)).find(({ index }) => index === CUP);
      assert.ok(cup !== undefined, path);
      // the outline of the cube and its suction cup, read off the picture by eye; the arm stands still
      const share = overlap(cornersOf(cup), [236, 157, 444, 364]);
      assert.ok(share > 0.75, `${path}: ${share}`);
    }
  });
});
