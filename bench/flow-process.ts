/** The flow: Node-RED with the built package, camera-capture → anomaly-score → tolerance-gate → plc-write. */
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import type { Inspection } from '../lib/inspection/inspection.ts';
import type { Station } from '../lib/station/types.ts';
import { serve, type PartTimes, type Setup } from './orders.ts';

interface RuntimeNode {
  receive(message: Record<string, unknown>): void;
  station?: Station;
}

/** The part of the `node-red` module used here. */
interface Runtime {
  init(server: unknown, settings: Record<string, unknown>): void;
  start(): Promise<void>;
  nodes: { getNode(id: string): RuntimeNode | null };
  events: { on(name: string, listener: (event: never) => void): void };
  hooks: {
    add(
      name: string,
      listener: (event: { msg: Record<string, unknown>; destination: { id: string } }) => void,
    ): void;
  };
}

const root = join(import.meta.dirname, '..');
const red = createRequire(import.meta.url)('node-red') as Runtime;
const delay = monitorEventLoopDelay({ resolution: 1 });
let ended: (message: Record<string, unknown>) => void = () => undefined;
let failed: (reason: string) => void = () => undefined;

function flow({ imageFolder, stationFolder, opcuaUrl, tag }: Setup): Record<string, unknown>[] {
  const placed = { z: 'tab', x: 0, y: 0 };
  return [
    { id: 'tab', type: 'tab', label: 'bench' },
    { id: 'station', type: 'inspection-station', name: 'Bench', folder: stationFolder, deadlineMs: '10000' },
    { id: 'plc', type: 'plc-endpoint', name: 'PLC', protocol: 'opcua', endpointUrl: opcuaUrl },
    {
      ...placed,
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
      ...placed,
      id: 'score',
      type: 'anomaly-score',
      station: 'station',
      model: 'bench',
      teaching: 'none',
      heatmap: 'never',
      wires: [['gate'], []],
    },
    {
      ...placed,
      id: 'gate',
      type: 'tolerance-gate',
      station: 'station',
      mode: 'fixed',
      threshold: '-1',
      wires: [[], [], ['write']],
    },
    {
      ...placed,
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
    { ...placed, id: 'catch', type: 'catch', wires: [['end']] },
    { ...placed, id: 'end', type: 'junction', wires: [[]] },
  ];
}

/** Resolves when a node shows a status that fits. */
function shown(id: string, fits: (status: { fill?: string; text?: string }) => boolean): Promise<void> {
  return new Promise((resolve) => {
    const listen = (event: { id: string; status: { fill?: string; text?: string } }): void => {
      if (event.id === id && fits(event.status)) resolve();
    };
    red.events.on('node-status', listen);
  });
}

async function setup(wanted: Setup): Promise<void> {
  const userDir = mkdtempSync(join(tmpdir(), 'jidoka-bench-'));
  writeFileSync(join(userDir, 'flows.json'), JSON.stringify(flow(wanted)));
  red.init(createServer(), {
    userDir,
    nodesDir: [root],
    nodesExcludes: ['node-red-dashboard', 'node-red-contrib-opcua'],
    disableEditor: true,
    flowFile: 'flows.json',
    credentialSecret: 'for the bench only',
    logging: { console: { level: 'warn' } },
    telemetry: { enabled: false },
  });
  red.hooks.add('onReceive.bench', ({ msg, destination }) => {
    if (destination.id === 'end') ended(msg);
  });
  const ready = Promise.all([
    shown('score', ({ fill }) => fill === 'green'),
    shown('write', ({ text }) => text?.endsWith('disarmed') === true),
  ]);
  await red.start();
  await ready;
  await red.nodes.getNode('station')?.station?.arm({ actor: 'bench', reason: 'measuring' });
  delay.enable();
}

async function part(): Promise<PartTimes> {
  const startedAt = performance.now();
  const message = await new Promise<Record<string, unknown>>((resolve, reject) => {
    ended = resolve;
    failed = (reason) => reject(new Error(reason));
    red.nodes.getNode('camera')?.receive({});
  });
  const total = performance.now() - startedAt;
  const { command, timings } = message['inspection'] as Inspection;
  if (command?.outcome !== 'confirmed') {
    failed(JSON.stringify(message['error'] ?? command));
    throw new Error(`a part was not confirmed: ${JSON.stringify(message['error'] ?? command)}`);
  }
  const { capture = NaN, score = NaN, decode = NaN, resize = NaN, run = NaN } = timings;
  return { total, capture, pipe: score - decode - resize - run, decode, resize, run, act: command.ms };
}

serve(setup, part, {
  reset: () => delay.reset(),
  p99: () => delay.percentile(99) / 1e6,
});
