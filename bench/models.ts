/**
 * camera-capture → onnx-infer-gpu as a deployed flow, 1080p JPEG files, against the same in a straight
 * line: one after the other for the latency, and saturated for the throughput.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { benchModels, type BenchModel } from './bench-models.ts';
import { quantile, type Figure, type Section } from './figures.ts';
import type { FloorOrders, FlowOrders, PictureTimes, Setup } from './models-orders.ts';
import { drawPictures } from './pictures.ts';
import type { Load } from './process-load.ts';
import { Runner } from './runner.ts';

/** Short turns, so that both sides see the same machine. */
const ROUNDS = 10;
const PICTURES = 24;

interface Measured {
  floor: PictureTimes[];
  flow: PictureTimes[];
  /** Pictures a second, saturated. */
  rate: number;
  /** Of Node-RED's process. */
  load: { round: Load; saturated: Load };
}

async function measure(setup: Setup, pictures: number): Promise<Measured> {
  const floor = new Runner<FloorOrders>('models-floor-process.ts');
  const flow = new Runner<FlowOrders>('models-flow-process.ts');
  const perRound = Math.ceil(pictures / ROUNDS);
  const times: { floor: PictureTimes[]; flow: PictureTimes[] } = { floor: [], flow: [] };
  let seconds = 0;
  try {
    await floor.ask('setup', setup);
    await flow.ask('setup', setup);
    for (let round = 0; round < ROUNDS; round += 1) {
      times.floor.push(...(await floor.ask('round', perRound)));
      times.flow.push(...(await flow.ask('round', perRound)));
      seconds += await flow.ask('saturate', perRound);
    }
    return { ...times, rate: (perRound * ROUNDS) / seconds, load: await flow.ask('load') };
  } finally {
    floor.stop();
    flow.stop();
  }
}

function figuresOf(name: string, { floor, flow, rate, load }: Measured): Figure[] {
  const ms = (times: readonly PictureTimes[], column: keyof PictureTimes, share: number): number =>
    quantile(
      times.map((picture) => picture[column]),
      share,
    );
  const median = (times: readonly PictureTimes[], column: keyof PictureTimes): string =>
    ms(times, column, 0.5).toFixed(2);
  const ratio = (share: number, goal: number, more = ''): Figure => {
    const [over, under] = [ms(flow, 'total', share), ms(floor, 'total', share)];
    return {
      id: `models.${name}.ratio.p${share * 100}`,
      value: over / under,
      unit: '×',
      goal,
      better: 'lower',
      detail: `flow ${over.toFixed(2)} ms ÷ floor ${under.toFixed(2)} ms${more}`,
    };
  };
  const floorRate = (1000 * floor.length) / floor.reduce((sum, { total }) => sum + total, 0);
  const delay = (kind: string, { loopDelayP99, collections }: Load): Figure => ({
    id: `models.${name}.${kind}.p99`,
    value: loopDelayP99,
    unit: 'ms',
    goal: 5,
    better: 'lower',
    detail:
      `${collections.length} full garbage collections in ${flow.length} pictures, ` +
      `the longest ${Math.max(0, ...collections).toFixed(1)} ms`,
  });
  const reading = `; read ${median(flow, 'capture')} and ${median(floor, 'capture')} ms`;
  const running = `, graph ${median(flow, 'run')} and ${median(floor, 'run')} ms`;
  return [
    ratio(0.5, 1.1, reading + running),
    ratio(0.99, 1.25),
    {
      id: `models.${name}.throughput.ratio`,
      value: rate / floorRate,
      unit: '×',
      goal: 0.95,
      better: 'higher',
      detail: `flow ${rate.toFixed(1)} ÷ floor ${floorRate.toFixed(1)} pictures a second`,
    },
    delay('loopDelay', load.round),
    delay('loopDelay.saturated', load.saturated),
  ];
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
