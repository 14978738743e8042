/**
 * camera-capture → onnx-infer-gpu as a deployed flow, 1080p JPEG files, against the same in a straight
 * line: one after the other for the latency, and saturated for the throughput.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { benchModels, type BenchModel } from './bench-models.ts';
import { quantile, type Figure, type Section } from './figures.ts';
import type { FloorOrders, FlowOrders, PictureTimes, Round, Saturation, Setup } from './models-orders.ts';
import { drawPictures } from './pictures.ts';
import { Runner } from './runner.ts';

/** Short turns, so that both sides see the same machine. */
const ROUNDS = 10;
const PICTURES = 24;
const WARM_PICTURES = 20;

interface Measured {
  floor: Round[];
  flow: Round[];
  saturated: Saturation[];
  /** Pictures of each saturated turn. */
  perRound: number;
}

async function measure(setup: Setup, pictures: number): Promise<Measured> {
  const floor = new Runner<FloorOrders>('models-floor-process.ts');
  const flow = new Runner<FlowOrders>('models-flow-process.ts');
  const perRound = Math.ceil(pictures / ROUNDS);
  const measured: Measured = { floor: [], flow: [], saturated: [], perRound };
  try {
    for (const side of [floor, flow]) {
      await side.ask('setup', setup);
      await side.ask('round', WARM_PICTURES);
    }
    for (let round = 0; round < ROUNDS; round += 1) {
      measured.floor.push(await floor.ask('round', perRound));
      measured.flow.push(await flow.ask('round', perRound));
      measured.saturated.push(await flow.ask('saturate', perRound));
    }
    return measured;
  } finally {
    floor.stop();
    flow.stop();
  }
}

function figuresOf(name: string, { floor, flow, saturated, perRound }: Measured): Figure[] {
  const all = (rounds: readonly Round[], column: keyof PictureTimes): number[] =>
    rounds.flatMap(({ pictures }) => pictures.map((picture) => picture[column]));
  const ms = (values: readonly number[], share: number): string => `${quantile(values, share).toFixed(2)} ms`;
  const totals = { floor: all(floor, 'total'), flow: all(flow, 'total') };
  const medians = (rounds: readonly Round[]): string =>
    `read ${ms(all(rounds, 'capture'), 0.5)}, graph ${ms(all(rounds, 'run'), 0.5)}`;
  const figures = [
    [0.5, 1.1],
    [0.99, 1.25],
  ].map(([share, goal]): Figure => {
    const [over, under] = [totals.flow, totals.floor].map((times) => quantile(times, share as number));
    return {
      id: `models.${name}.ratio.p${(share as number) * 100}`,
      value: (over as number) / (under as number),
      unit: '×',
      goal: goal as number,
      better: 'lower',
      detail:
        `flow ${(over as number).toFixed(2)} ms ÷ floor ${(under as number).toFixed(2)} ms` +
        (share === 0.5 ? `; flow: ${medians(flow)}; floor: ${medians(floor)}` : ''),
    };
  });
  const seconds = saturated.reduce((sum, turn) => sum + turn.seconds, 0);
  const rate = (perRound * saturated.length) / seconds;
  const floorRate = totals.floor.length / (totals.floor.reduce((sum, total) => sum + total, 0) / 1000);
  figures.push({
    id: `models.${name}.throughput.ratio`,
    value: rate / floorRate,
    unit: '×',
    goal: 0.95,
    better: 'higher',
    detail: `flow ${rate.toFixed(1)} ÷ floor ${floorRate.toFixed(1)} pictures a second`,
  });
  for (const [kind, turns] of [
    ['loopDelay', flow],
    ['loopDelay.saturated', saturated],
  ] as const) {
    const collections = turns.flatMap((turn) => turn.collections);
    figures.push({
      id: `models.${name}.${kind}.p99`,
      value: Math.max(...turns.map(({ loopDelayP99 }) => loopDelayP99)),
      unit: 'ms',
      goal: 5,
      better: 'lower',
      detail:
        `worst of ${ROUNDS} rounds; ${collections.length} full garbage collections in ` +
        `${perRound * turns.length} pictures, the longest ${Math.max(0, ...collections).toFixed(1)} ms`,
    });
  }
  return figures;
}

function placed(model: BenchModel, folder: string): Omit<Setup, 'imageFolder'> {
  const { name, bytes, side, head } = model;
  const file = `${name}.onnx`;
  writeFileSync(join(folder, file), bytes);
  return { modelFolder: folder, file, side, head };
}

/** @param pictures for each side of each model */
export async function measureModels({
  parts: pictures = 300,
  nets,
}: {
  parts?: number;
  nets?: readonly string[];
}): Promise<Section> {
  const home = mkdtempSync(join(tmpdir(), 'jidoka-bench-'));
  try {
    const imageFolder = join(home, 'images');
    const modelFolder = join(home, 'models');
    mkdirSync(modelFolder);
    await drawPictures(imageFolder, PICTURES);
    const figures: Figure[] = [];
    for (const model of benchModels(nets)) {
      const setup = { imageFolder, ...placed(model, modelFolder) };
      figures.push(...figuresOf(model.name, await measure(setup, pictures)));
    }
    return { title: `1080p JPEG file → model, ${pictures} pictures each way`, figures };
  } finally {
    rmSync(home, { recursive: true, force: true });
  }
}
