/** One Node-RED with one way to find objects in a picture: our nodes, a peer's, or a function node. */
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { EmbeddedNodeRed } from './embedded.ts';
import { FUNCTION_NODE } from './function-node.ts';
import { inTurn } from './orders.ts';
import type { PeerOrders, Setup } from './peers-orders.ts';
import { ProcessLoad } from './process-load.ts';
import { serve } from './runner.ts';

interface RuntimeNode {
  receive(message: Record<string, unknown>): void;
}

type FlowNode = Record<string, unknown>;

const WARM_PICTURES = 10;

let red: EmbeddedNodeRed<RuntimeNode>;
const load = new ProcessLoad();
let ended: (message: Record<string, unknown>) => void = () => undefined;

/** The node called `first` is sent the trigger; the last one is wired to `end`. */
const FLOWS: Readonly<Record<Setup['way'], (setup: Setup) => FlowNode[]>> = {
  ours: ({ imageFolder, model }) => [
    {
      id: 'first',
      type: 'camera-capture',
      source: 'folder',
      folder: imageFolder,
      folderMode: 'cycle',
      trigger: 'message',
      health: false,
      wires: [['last']],
    },
    {
      id: 'last',
      type: 'onnx-infer-gpu',
      model,
      task: 'detect',
      confidence: '0.5',
      providers: ['cpu'],
      wires: [['end']],
    },
  ],
  'good-i-deer': ({ image }) => [
    fileIn(image),
    {
      id: 'last',
      type: 'good-object-detection',
      returnValue: '0',
      model: 'yolov8n',
      threshold: 0.5,
      absolutePathDir: '',
      wires: [['end']],
    },
  ],
  'function-node': ({ image, modelFolder, model }) => [
    fileIn(image),
    {
      id: 'last',
      type: 'function',
      func: FUNCTION_NODE,
      initialize: `context.set('model', ${JSON.stringify(join(modelFolder, model))})`,
      outputs: 1,
      wires: [['end']],
    },
  ],
};

function fileIn(filename: string): FlowNode {
  return { id: 'first', type: 'file in', filename, filenameType: 'str', format: '', wires: [['last']] };
}

function optionsFor({ way, modelFolder, peers }: Setup): ConstructorParameters<typeof EmbeddedNodeRed>[1] {
  if (way === 'ours') return { settings: { jidokaModelFolder: modelFolder } };
  // as tutorials say: in settings.js, for global.get()
  const require = createRequire(join(peers, 'package.json'));
  const modules = ['onnxruntime-node', 'sharp'].map((name): [string, unknown] => [name, require(name)]);
  const functionGlobalContext = { ...Object.fromEntries(modules), Float32Array };
  return { nodesDir: peers, settings: way === 'function-node' ? { functionGlobalContext } : {} };
}

async function detect(): Promise<Record<string, unknown>> {
  const message = await new Promise<Record<string, unknown>>((resolve) => {
    ended = resolve;
    red.node('first')?.receive({});
  });
  if (message['error'] !== undefined) throw new Error(JSON.stringify(message['error']));
  return message;
}

async function timed(): Promise<number> {
  const startedAt = performance.now();
  await detect();
  return performance.now() - startedAt;
}

/** All three answer with other words. */
function countOf({ payload }: Record<string, unknown>): number {
  const { objects, data } = payload as { objects?: unknown[]; data?: Record<string, unknown[]> };
  return objects?.length ?? Object.values(data ?? {}).flat().length;
}

serve<PeerOrders>({
  async setup(wanted) {
    const catching = { id: 'catch', type: 'catch', wires: [['end']] };
    const end = { id: 'end', type: 'junction', wires: [[]] };
    red = new EmbeddedNodeRed([...FLOWS[wanted.way](wanted), catching, end], optionsFor(wanted));
    red.onReceive('end', (message) => ended(message));
    const ready = red.shown('last', ({ fill }) => fill === 'green');
    await red.start();
    // the others load their model with the first picture
    if (wanted.way === 'ours') await ready;
    const messages = await inTurn(WARM_PICTURES, detect);
    return countOf(messages[0] ?? {});
  },
  round: (count) => load.during(() => inTurn(count, timed)),
  load: () => Promise.resolve(load.total),
});
