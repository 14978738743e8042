/**
 * `npm run bench [-- --parts N --json FILE]`: 1080p JPEG → anomaly model → gate → confirmed OPC UA
 * write, as a deployed flow and as the bare straight line, alternating in one run.
 */
import { execFileSync, fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import sharp from 'sharp';
import { teach } from '../lib/anomaly/teach.ts';
import { Frame } from '../lib/frame/frame.ts';
import { drawPart } from '../plant/part-image.ts';
import { startPlant } from '../plant/plant.ts';
import { quantile, report, type Figure } from './figures.ts';
import type { Answer, Order, PartTimes, Setup } from './orders.ts';

const ROUNDS = 6;
const WIDTH = 1920;
const HEIGHT = 1080;
const PICTURES = 24;

const { values: options } = parseArgs({
  options: { parts: { type: 'string', default: '300' }, json: { type: 'string' } },
});
const partsPerRound = Math.ceil(Number(options.parts) / ROUNDS);

class Runner {
  readonly #child: ChildProcess;

  constructor(file: string) {
    this.#child = fork(join(import.meta.dirname, file), [], {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
  }

  async ask(order: Order): Promise<Answer> {
    const answered = once(this.#child, 'message') as Promise<[Answer]>;
    this.#child.send(order);
    const [answer] = await answered;
    if (answer.answer === 'failed') throw new Error(answer.reason);
    return answer;
  }

  async round(parts: number): Promise<{ parts: PartTimes[]; loopDelayP99: number }> {
    const answer = await this.ask({ order: 'round', parts });
    if (answer.answer !== 'round') throw new Error(`unexpected ${answer.answer}`);
    return answer;
  }

  stop(): void {
    this.#child.kill('SIGKILL');
  }
}

/** Draws stamped parts at 1080p as JPEG files and frames. */
async function draw(folder: string): Promise<Frame[]> {
  mkdirSync(folder, { recursive: true });
  const frames: Frame[] = [];
  for (let seed = 1; seed <= PICTURES; seed += 1) {
    const { rgb } = drawPart({ seed, defect: null, width: WIDTH, height: HEIGHT });
    const bytes = await sharp(rgb, { raw: { width: WIDTH, height: HEIGHT, channels: 3 } })
      .jpeg({ quality: 90 })
      .toBuffer();
    const name = `part-${String(seed).padStart(2, '0')}.jpg`;
    writeFileSync(join(folder, name), bytes);
    frames.push(new Frame(bytes, { width: WIDTH, height: HEIGHT, format: 'jpeg', source: name }));
  }
  return frames;
}

function column(parts: readonly PartTimes[], name: keyof PartTimes): number[] {
  return parts.map((part) => part[name]);
}

execFileSync(process.execPath, [join(import.meta.dirname, '..', 'tools', 'build.ts'), '--if-changed'], {
  stdio: 'inherit',
});
const home = mkdtempSync(join(tmpdir(), 'jidoka-bench-'));
const plant = await startPlant({ seed: 1, run: false });
const floor = new Runner('floor-process.ts');
const flow = new Runner('flow-process.ts');
try {
  const imageFolder = join(home, 'images');
  const frames = await draw(imageFolder);
  const modelFolder = join(home, 'station', 'models');
  const model = await teach({ frames, folder: modelFolder, name: 'bench' });
  const setup: Setup = {
    imageFolder,
    modelFolder,
    graph: model.graph,
    opcuaUrl: plant.opcua.endpointUrl,
    tag: 'ns=1;s=Line.RejectGate',
    stationFolder: join(home, 'station'),
  };
  for (const runner of [floor, flow]) {
    await runner.ask({ order: 'setup', setup });
    await runner.round(20);
  }

  const floorParts: PartTimes[] = [];
  const flowParts: PartTimes[] = [];
  const loopDelays: number[] = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    floorParts.push(...(await floor.round(partsPerRound)).parts);
    const { parts, loopDelayP99 } = await flow.round(partsPerRound);
    flowParts.push(...parts);
    loopDelays.push(loopDelayP99);
  }

  // What is left of a part when the work in the graph's process is taken away, less what is left of it
  // on the floor: capture, pipe, Node-RED, the journal's full commit, the command's checks.
  const rest = ({ total, decode, resize, run }: PartTimes): number => total - decode - resize - run;
  const floorRest = quantile(floorParts.map(rest), 0.5);
  const overhead = flowParts.map((part) => rest(part) - floorRest);
  const total = { floor: column(floorParts, 'total'), flow: column(flowParts, 'total') };
  const ratio = (share: number): number => quantile(total.flow, share) / quantile(total.floor, share);
  const ms = (values: readonly number[], share: number): string => `${quantile(values, share).toFixed(2)} ms`;
  const figures: Figure[] = [
    {
      id: 'flow.ratio.p50',
      value: ratio(0.5),
      unit: '×',
      goal: 1.15,
      better: 'lower',
      detail: `flow ${ms(total.flow, 0.5)} ÷ floor ${ms(total.floor, 0.5)}, ${total.flow.length} parts each`,
    },
    {
      id: 'flow.ratio.p99',
      value: ratio(0.99),
      unit: '×',
      goal: null,
      better: 'lower',
      detail: `flow ${ms(total.flow, 0.99)} ÷ floor ${ms(total.floor, 0.99)}`,
    },
    {
      id: 'overhead.p50',
      value: quantile(overhead, 0.5),
      unit: 'ms',
      goal: 1,
      better: 'lower',
      detail: `(total − decode − resize − run) − the same on the floor (${floorRest.toFixed(2)} ms)`,
    },
    {
      id: 'overhead.p99',
      value: quantile(overhead, 0.99),
      unit: 'ms',
      goal: null,
      better: 'lower',
      detail: '',
    },
    {
      id: 'loopDelay.p99',
      value: Math.max(...loopDelays),
      unit: 'ms',
      goal: 5,
      better: 'lower',
      detail: `Node-RED's event loop, worst of ${ROUNDS} rounds, 1 ms resolution`,
    },
  ];
  for (const name of ['capture', 'pipe', 'decode', 'resize', 'run', 'act'] as const) {
    figures.push({
      id: `flow.${name}.p50`,
      value: quantile(column(flowParts, name), 0.5),
      unit: 'ms',
      goal: null,
      better: 'lower',
      detail: `floor ${ms(column(floorParts, name), 0.5)}`,
    });
  }
  report('1080p JPEG → anomaly model → gate → confirmed OPC UA write', figures, options.json);
} finally {
  floor.stop();
  flow.stop();
  await plant.close();
  rmSync(home, { recursive: true, force: true });
}
