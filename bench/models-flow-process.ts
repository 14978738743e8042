/** The flow: Node-RED with the built package, camera-capture → onnx-infer-gpu. */
import type { Inspection } from '../lib/inspection/inspection.ts';
import { EmbeddedNodeRed } from './embedded.ts';
import { WARM_PICTURES, type FlowOrders, type PictureTimes, type Setup } from './models-orders.ts';
import { inTurn } from './orders.ts';
import { ProcessLoad } from './process-load.ts';
import { serve } from './runner.ts';

interface RuntimeNode {
  receive(message: Record<string, unknown>): void;
}

/** Pictures on their way when the model is never to wait: one in it, one before it, two being read. */
const FED = 4;

let red: EmbeddedNodeRed<RuntimeNode>;
const oneByOne = new ProcessLoad();
const saturated = new ProcessLoad();
let ended: (message: Record<string, unknown>) => void = () => undefined;

function flow({ imageFolder, file, side, head }: Setup): Record<string, unknown>[] {
  return [
    {
      id: 'camera',
      type: 'camera-capture',
      name: 'camera',
      source: 'folder',
      folder: imageFolder,
      folderMode: 'cycle',
      trigger: 'message',
      health: false,
      wires: [['infer']],
    },
    {
      id: 'infer',
      type: 'onnx-infer-gpu',
      model: file,
      task: head.task,
      outputs: head.task === 'raw' ? (head.outputs ?? []).join(',') : '',
      inputWidth: String(side),
      inputHeight: String(side),
      providers: ['cpu'],
      queue: 'block',
      wires: [['end']],
    },
    { id: 'catch', type: 'catch', wires: [['end']] },
    { id: 'end', type: 'junction', wires: [[]] },
  ];
}

async function setup(wanted: Setup): Promise<void> {
  red = new EmbeddedNodeRed(flow(wanted), { settings: { jidokaModelFolder: wanted.modelFolder } });
  red.onReceive('end', (message) => ended(message));
  const ready = red.shown('infer', ({ fill }) => fill === 'green');
  await red.start();
  await ready;
  await inTurn(WARM_PICTURES, picture);
}

function trigger(): void {
  red.node('camera')?.receive({});
}

function timesOf(message: Record<string, unknown>, total: number): PictureTimes {
  const { inference, timings } = message['inspection'] as Inspection;
  const section = inference?.[0];
  if (message['error'] !== undefined || section === undefined) {
    throw new Error(`a picture was not inspected: ${JSON.stringify(message['error'])}`);
  }
  return { total, capture: timings['capture'] ?? NaN, run: section.ms };
}

async function picture(): Promise<PictureTimes> {
  const startedAt = performance.now();
  const message = await new Promise<Record<string, unknown>>((resolve) => {
    ended = resolve;
    trigger();
  });
  return timesOf(message, performance.now() - startedAt);
}

/** Seconds until so many came, with {@link FED} on their way at any time. */
async function stream(count: number): Promise<number> {
  const startedAt = performance.now();
  await new Promise<void>((resolve, reject) => {
    let started = 0;
    let done = 0;
    const feed = (): void => {
      if (started < count) trigger();
      started += 1;
    };
    ended = (message) => {
      done += 1;
      if (message['error'] !== undefined) reject(new Error(JSON.stringify(message['error'])));
      if (done === count) resolve();
      feed();
    };
    for (let index = 0; index < FED; index += 1) feed();
  });
  return (performance.now() - startedAt) / 1000;
}

serve<FlowOrders>({
  setup,
  round: (count) => oneByOne.during(() => inTurn(count, picture)),
  saturate: (count) => saturated.during(() => stream(count)),
  load: () => Promise.resolve({ round: oneByOne.total, saturated: saturated.total }),
});
