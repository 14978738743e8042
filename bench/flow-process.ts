/** The flow: Node-RED with the built package, camera-capture → anomaly-score → tolerance-gate → plc-write. */
import type { Inspection } from '../lib/inspection/inspection.ts';
import type { Station } from '../lib/station/types.ts';
import { EmbeddedNodeRed } from './embedded.ts';
import { inTurn, WARM_PARTS, type FlowOrders, type PartTimes, type Setup } from './orders.ts';
import { ProcessLoad } from './process-load.ts';
import { serve } from './runner.ts';

interface RuntimeNode {
  receive(message: Record<string, unknown>): void;
  station?: Station;
}

let red: EmbeddedNodeRed<RuntimeNode>;
const load = new ProcessLoad();
let ended: (message: Record<string, unknown>) => void = () => undefined;

function flow({ imageFolder, stationFolder, opcuaUrl, tag }: Setup): Record<string, unknown>[] {
  return [
    { id: 'station', type: 'inspection-station', name: 'Bench', folder: stationFolder, deadlineMs: '10000' },
    { id: 'plc', type: 'plc-endpoint', name: 'PLC', protocol: 'opcua', endpointUrl: opcuaUrl },
    {
      id: 'camera',
      type: 'camera-capture',
      name: 'camera',
      station: 'station',
      source: 'folder',
      folder: imageFolder,
      folderMode: 'cycle',
      trigger: 'message',
      health: false,
      wires: [['score']],
    },
    {
      id: 'score',
      type: 'anomaly-score',
      station: 'station',
      model: 'bench',
      teaching: 'none',
      heatmap: 'never',
      wires: [['gate'], []],
    },
    {
      id: 'gate',
      type: 'tolerance-gate',
      station: 'station',
      mode: 'fixed',
      threshold: '-1',
      wires: [[], [], ['write']],
    },
    {
      id: 'write',
      type: 'plc-write',
      station: 'station',
      endpoint: 'plc',
      tag,
      value: 'true',
      valueType: 'bool',
      maxPerMinute: '',
      wires: [['end'], ['end']],
    },
    { id: 'catch', type: 'catch', wires: [['end']] },
    { id: 'end', type: 'junction', wires: [[]] },
  ];
}

async function setup(wanted: Setup): Promise<void> {
  red = new EmbeddedNodeRed(flow(wanted));
  red.onReceive('end', (message) => ended(message));
  const ready = Promise.all([
    red.shown('score', ({ fill }) => fill === 'green'),
    red.shown('write', ({ text }) => text?.endsWith('disarmed') === true),
  ]);
  await red.start();
  await ready;
  await red.node('station')?.station?.arm({ actor: 'bench', reason: 'measuring' });
  await inTurn(WARM_PARTS, part);
}

async function part(): Promise<PartTimes> {
  const startedAt = performance.now();
  const message = await new Promise<Record<string, unknown>>((resolve) => {
    ended = resolve;
    red.node('camera')?.receive({});
  });
  const total = performance.now() - startedAt;
  const { command, timings } = message['inspection'] as Inspection;
  if (command?.outcome !== 'confirmed') {
    throw new Error(`a part was not confirmed: ${JSON.stringify(message['error'] ?? command)}`);
  }
  const { capture = NaN, score = NaN, decode = NaN, resize = NaN, run = NaN } = timings;
  return { total, capture, pipe: score - decode - resize - run, decode, resize, run, act: command.ms };
}

serve<FlowOrders>({
  setup,
  round: (count) => load.during(() => inTurn(count, part)),
  load: () => Promise.resolve(load.total),
});
