/**
 * 1080p JPEG → anomaly model → gate → confirmed OPC UA write, as a deployed flow and as the bare
 * straight line, alternating in one run.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { teach } from '../lib/anomaly/teach.ts';
import { startPlant } from '../plant/plant.ts';
import { quantile, type Figure, type Section } from './figures.ts';
import type { FloorOrders, FlowOrders, PartTimes, Setup } from './orders.ts';
import { drawPictures } from './pictures.ts';
import { Runner } from './runner.ts';

const ROUNDS = 6;
const PICTURES = 24;

function column(parts: readonly PartTimes[], name: keyof PartTimes): number[] {
  return parts.map((part) => part[name]);
}

export async function measureFlow({ parts = 300 }: { parts?: number }): Promise<Section> {
  const partsPerRound = Math.ceil(parts / ROUNDS);
  const home = mkdtempSync(join(tmpdir(), 'jidoka-bench-'));
  const plant = await startPlant({ seed: 1, run: false });
  const floor = new Runner<FloorOrders>('floor-process.ts');
  const flow = new Runner<FlowOrders>('flow-process.ts');
  try {
    const imageFolder = join(home, 'images');
    const frames = await drawPictures(imageFolder, PICTURES);
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
    await floor.ask('setup', setup);
    await flow.ask('setup', setup);

    const floorParts: PartTimes[] = [];
    const flowParts: PartTimes[] = [];
    for (let round = 0; round < ROUNDS; round += 1) {
      floorParts.push(...(await floor.ask('round', partsPerRound)));
      flowParts.push(...(await flow.ask('round', partsPerRound)));
    }
    const { loopDelayP99, collections } = await flow.ask('load');

    // What is left of a part when the work in the graph's process is taken away, less what is left of it
    // on the floor: capture, pipe, Node-RED, the journal's full commit, the command's checks.
    const rest = ({ total, decode, resize, run }: PartTimes): number => total - decode - resize - run;
    const floorRest = quantile(floorParts.map(rest), 0.5);
    const overhead = flowParts.map((part) => rest(part) - floorRest);
    const total = { floor: column(floorParts, 'total'), flow: column(flowParts, 'total') };
    const ratio = (share: number): number => quantile(total.flow, share) / quantile(total.floor, share);
    const ms = (values: readonly number[], share: number): string =>
      `${quantile(values, share).toFixed(2)} ms`;
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
        value: loopDelayP99,
        unit: 'ms',
        goal: 5,
        better: 'lower',
        detail: `Node-RED's event loop; ${collections.length} full garbage collections in ${flowParts.length} parts`,
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
    return { title: '1080p JPEG → anomaly model → gate → confirmed OPC UA write', figures };
  } finally {
    floor.stop();
    flow.stop();
    await plant.close();
    rmSync(home, { recursive: true, force: true });
  }
}
