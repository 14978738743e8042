/** What the dialog of anomaly-score asks for, all of it at once: it is taught so, and shown where it is. */
import assert from 'node:assert/strict';
import { cp, mkdir, mkdtemp, realpath, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { DrawnLine, frameOf } from '../../bench/eval/drawn-parts.ts';
import { latestModel } from '../../lib/anomaly/model.ts';
import type { Frame } from '../../lib/frame/frame.ts';
import type { Point } from '../../lib/frame/similarity.ts';
import { openJournal } from '../../lib/journal/journal.ts';
import { createStation, type StationControl } from '../../lib/station/station.ts';
import register from '../../nodes/anomaly-score/anomaly-score.ts';
import type { Message } from '../../nodes/runtime/types.ts';
import {
  codeOf,
  flowAround,
  load,
  nextMessage,
  node,
  stationStandIn,
  unload,
  useSettings,
} from '../support/helper.ts';

const BACKBONE = join(import.meta.dirname, '../../lib/anomaly/backbone/backbone.onnx');
const TAUGHT = 10;
const SHIFT = { x: 36, y: -18 };
/** Where the defect is on a part that lies as the first did, and its radius; pixels. */
const DEFECT = { x: 150, y: 120, radius: 9 };
const MASK = [
  [
    [0.1, 0.1],
    [0.9, 0.1],
    [0.9, 0.9],
    [0.1, 0.9],
  ],
];

describe('anomaly-score with all that its dialog offers', function () {
  this.timeout(120_000);
  const line = new DrawnLine(3, 1000);
  let folder: string;
  let models: string;
  let station: StationControl;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'jidoka-fields-'));
    models = join(folder, 'networks');
    await mkdir(join(models, 'nets'), { recursive: true });
    await cp(BACKBONE, join(models, 'nets', 'patches.onnx'));
    useSettings({ jidokaModelFolder: models });
  });
  after(async () => {
    useSettings({});
    await rm(folder, { recursive: true });
  });
  beforeEach(() => {
    station = createStation({
      ...{ id: 'station', name: 'press 4', line: '', folder, defaultDeadlineMs: 60_000 },
      ...{ autonomy: 'act', leaseMs: 60_000, openJournal },
    });
  });
  afterEach(async () => {
    await unload();
    await station.close();
  });

  async function deploy(config: Record<string, unknown>): Promise<void> {
    const tested = { id: 'score', type: 'anomaly-score', station: 'station', version: 2, ...config };
    await load(
      [stationStandIn(station), register],
      [{ id: 'station', type: 'inspection-station' }, ...flowAround(tested, ['scored', 'events'])],
    );
  }

  async function score(frame: Frame): Promise<Message> {
    const answer = nextMessage('scored');
    node('score').receive({ frame });
    return answer;
  }

  async function modelEvent(): Promise<Message> {
    for (;;) {
      const message = await nextMessage('events');
      if (message.topic === 'jidoka/model') return message;
    }
  }

  function goodPart(sequence: number): Frame {
    return frameOf(line.draw(line.plan(sequence)));
  }

  /** A part with a hole burnt into it, which lies elsewhere than the parts before. */
  function shiftedDefect(sequence: number): Frame {
    const picture = line.draw(line.plan(sequence));
    const { width, height, rgb } = picture;
    const moved = Buffer.alloc(rgb.length);
    for (let y = 0; y < height; y += 1) {
      for (let x = 0; x < width; x += 1) {
        const fromX = Math.min(width - 1, Math.max(0, x - SHIFT.x));
        const fromY = Math.min(height - 1, Math.max(0, y - SHIFT.y));
        const isDefect = Math.hypot(fromX - DEFECT.x, fromY - DEFECT.y) <= DEFECT.radius;
        for (let channel = 0; channel < 3; channel += 1) {
          const value = rgb[(fromY * width + fromX) * 3 + channel] ?? 0;
          moved[(y * width + x) * 3 + channel] = isDefect ? ([20, 40, 250][channel] ?? 0) : value;
        }
      }
    }
    return frameOf({ ...picture, rgb: moved });
  }

  /** How much redder than blue it is round a place of a picture. */
  async function rednessAt(picture: Frame, [x, y]: Point): Promise<number> {
    const { data, info } = await sharp(await picture.read())
      .extract({ left: Math.round(x) - 3, top: Math.round(y) - 3, width: 7, height: 7 })
      .raw()
      .toBuffer({ resolveWithObject: true });
    let sum = 0;
    for (let at = 0; at < data.length; at += info.channels) sum += (data[at] ?? 0) - (data[at + 2] ?? 0);
    return sum / (info.width * info.height);
  }

  it('teaches with backbone, tiles, alignment and areas, and shows a defect where the frame has it', async () => {
    await deploy({
      ...{ looks: 'pictures', model: 'top', teaching: 'first-parts', parts: String(TAUGHT) },
      ...{ method: 'patch-nn', backbone: 'nets/patches.onnx', normalise: 'none', mask: MASK },
      ...{ tiles: true, tileWidth: '256', tileHeight: '192', tileSide: '160', tileOverlap: '32' },
      ...{ align: 'shift', maxShift: '20', heatmap: 'always', explain: 'always', learn: 'off' },
    });
    const taught = modelEvent();
    for (let sequence = 1; sequence <= TAUGHT; sequence += 1) await score(goodPart(sequence));
    await taught;
    const model = await latestModel(join(folder, 'models'), 'top');
    assert.ok(model !== undefined);
    assert.deepEqual([model.input.width, model.input.height], [256, 192]);
    assert.deepEqual([model.input.align?.maxShift, model.input.align?.maxAngle], [0.2, 3]);
    assert.deepEqual(model.mask, MASK);
    assert.deepEqual(model.tiles?.tile, { width: 160, height: 160 });
    const { path, normalise } = model.backbone;
    assert.deepEqual([path, normalise], [join(await realpath(models), 'nets', 'patches.onnx'), 'none']);

    const scored = await score(shiftedDefect(TAUGHT + 1));
    const { anomaly } = scored.inspection ?? {};
    assert.equal(anomaly?.alignment?.lost, false, JSON.stringify(anomaly?.alignment));
    const place: Point = [DEFECT.x + SHIFT.x, DEFECT.y + SHIFT.y];
    const [largest] = anomaly.boxes;
    assert.ok(largest !== undefined);
    const [left, top, width, height] = largest;
    assert.ok(left <= place[0] && place[0] <= left + width, `${largest.join()} is not at ${place.join()}`);
    assert.ok(top <= place[1] && place[1] <= top + height, `${largest.join()} is not at ${place.join()}`);
    const heat = scored['heatmap'] as Frame;
    assert.deepEqual([heat.width, heat.height], [320, 240]);
    assert.ok((await rednessAt(heat, place)) > 60, 'the defect is coloured');
    assert.ok((await rednessAt(heat, [DEFECT.x, DEFECT.y])) < 60, 'where it would lie unshifted is not');
    const { picture } = scored['explanation'] as { picture: Frame };
    assert.ok((await rednessAt(picture, place)) > 60);
  });

  for (const [backbone, code] of [
    ['nets/none.onnx', 'MODEL_NOT_FOUND'],
    [BACKBONE, 'MODEL_NOT_ALLOWED'],
  ] as const) {
    it(`teaches nothing with a backbone that it may not use: ${code}`, async () => {
      await deploy({ looks: 'pictures', model: 'other', teaching: 'none', backbone });
      const caught = nextMessage('caught');
      node('score').receive({ topic: 'jidoka/teach' });
      assert.equal(codeOf(await caught), code);
    });
  }

  for (const config of [
    { tiles: true, tileSide: '64' },
    { tiles: true, tileWidth: '4096', tileHeight: '4096', tileSide: '128' },
    { tiles: true, tileSide: '128', tileOverlap: '128' },
    { align: 'turn', maxAngle: '90' },
    { align: 'shift', maxShift: '0' },
    { backbone: 'a.onnx', normalise: 'magic' },
  ]) {
    it(`ends every input in a coded error when its configuration is wrong: ${JSON.stringify(config)}`, async () => {
      await deploy({ looks: 'pictures', model: 'top', teaching: 'none', ...config });
      const caught = nextMessage('caught');
      node('score').receive({ frame: goodPart(1) });
      assert.equal(codeOf(await caught), 'CONFIG_INVALID');
    });
  }
});
