/** A flow in which every node of ours that has outputs sends real messages, beside real servers. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { meanModel } from '../lib/inference/onnx.ts';
import { testImage } from '../support/camera-server.ts';
import { MesServer } from '../support/mes-server.ts';
import { startNodeRed, type FlowNode, type NodeRed, type NodeRedVersion } from '../support/node-red.ts';
import { startOpcUaServer, type TestServer } from '../support/opcua-server.ts';

/** The fewest a model can be taught with. */
const GOOD_PARTS = 10;
const PERSON = { username: 'ann', password: 'for tests only' };
/** Debug nodes at the ends of the flow. */
const ENDS = [
  'scored',
  'confirmed',
  'refused',
  'ticketed',
  'predicted',
  'windowed',
  'read',
  'watched',
] as const;

export interface Talk {
  nodeRed: NodeRed;
  stop(): Promise<void>;
}

function flowFor(folder: string, plc: TestServer, mesUrl: string): FlowNode[] {
  const ours = (id: string, type: string, properties: Record<string, unknown>): FlowNode => ({
    id,
    type,
    version: 1,
    ...properties,
  });
  const placed = { z: 'tab', x: 100, y: 100, station: 'station' };
  return [
    { id: 'tab', type: 'tab', label: 'every node' },
    ours('station', 'inspection-station', {
      name: 'Test',
      folder: join(folder, 'station'),
      deadlineMs: '60000',
    }),
    ours('plc', 'plc-endpoint', { name: 'PLC', protocol: 'opcua', endpointUrl: plc.url }),
    ours('mes', 'mes-endpoint', { name: 'MES', baseUrl: mesUrl }),
    ours('camera', 'camera-capture', {
      ...placed,
      name: 'Camera',
      source: 'folder',
      folder: join(folder, 'images'),
      folderMode: 'cycle',
      trigger: 'message',
      wires: [['score', 'infer']],
    }),
    ours('score', 'anomaly-score', {
      ...placed,
      model: 'test',
      teaching: 'first-parts',
      parts: String(GOOD_PARTS),
      heatmap: 'always',
      wires: [['gate', 'scored'], []],
    }),
    // Every score is above this threshold, so every part is rejected.
    ours('gate', 'tolerance-gate', {
      ...placed,
      scoreProperty: 'inspection.anomaly.score',
      mode: 'fixed',
      threshold: '-1',
      fallback: 'review',
      wires: [[], [], ['write', 'ticket']],
    }),
    ours('write', 'plc-write', {
      ...placed,
      endpoint: 'plc',
      tag: 'ns=1;s=RejectGate',
      value: 'true',
      valueType: 'bool',
      wires: [['confirmed'], ['refused']],
    }),
    ours('reader', 'plc-read', {
      ...placed,
      endpoint: 'plc',
      tags: [{ tag: 'ns=1;s=Torque', name: 'torque' }],
      wires: [['read']],
    }),
    ours('watcher', 'plc-watch', {
      ...placed,
      endpoint: 'plc',
      tag: 'ns=1;s=Feeder',
      when: 'change',
      countState: true,
      wires: [['watched']],
    }),
    ours('ticket', 'mes-ticket', {
      ...placed,
      endpoint: 'mes',
      defectClass: 'test',
      wires: [['ticketed'], ['ticketed']],
    }),
    ours('infer', 'onnx-infer-gpu', {
      ...placed,
      model: 'mean.onnx',
      task: 'raw',
      providers: ['cpu'],
      wires: [['predicted'], ['predicted']],
    }),
    ours('window', 'sensor-window', {
      ...placed,
      channels: [{ name: 'current', unit: 'A' }],
      clock: 'rate',
      sourceHz: '10',
      rateHz: '10',
      lengthUnit: 'samples',
      length: '4',
      features: ['mean', 'rms'],
      wires: [['windowed']],
    }),
    ...ENDS.map((id) => ({ id, type: 'debug', z: 'tab', active: false, x: 300, y: 100, wires: [] })),
  ];
}

/** Teaches, rejects a part while disarmed and one while armed, and runs a model of the user's on each. */
export async function letAllNodesTalk(version: NodeRedVersion): Promise<Talk> {
  const folder = mkdtempSync(join(tmpdir(), 'jidoka-messages-'));
  mkdirSync(join(folder, 'images'));
  mkdirSync(join(folder, 'models'));
  writeFileSync(join(folder, 'models', 'mean.onnx'), meanModel());
  for (let number = 0; number < GOOD_PARTS; number += 1) {
    writeFileSync(join(folder, 'images', `part-${number}.jpg`), await testImage(number, 320, 240));
  }
  const plc = await startOpcUaServer();
  const mes = new MesServer();
  const mesUrl = await mes.start();
  let nodeRed: NodeRed | undefined;
  const stop = async (): Promise<void> => {
    try {
      await nodeRed?.stop();
    } finally {
      await mes.stop();
      await plc.stop();
      rmSync(folder, { recursive: true, force: true });
    }
  };
  try {
    nodeRed = await startNodeRed({
      version,
      users: [PERSON],
      settings: { jidokaModelFolder: join(folder, 'models') },
    });
    await nodeRed.signIn(PERSON.username, PERSON.password);
    await nodeRed.deploy(flowFor(folder, plc, mesUrl));
    for (let part = 0; part < GOOD_PARTS; part += 1) {
      nodeRed.send('camera', {});
      await nodeRed.nextMessage('scored', { timeoutMs: 20_000 });
    }
    await nodeRed.waitForStatus('score', ({ fill }) => fill === 'green', { timeoutMs: 60_000 });
    nodeRed.send('camera', {});
    await nodeRed.nextMessage('refused');
    await nodeRed.waitForStatus('write', ({ text }) => text === 'plc-write.status.disarmed');
    const answer = await nodeRed.request('/jidoka/stations/station/arm', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ reason: 'a test of messages' }),
    });
    if (!answer.ok) throw new Error(`arming was answered with ${await answer.text()}`);
    nodeRed.send('camera', {});
    for (const end of ['confirmed', 'ticketed', 'predicted']) {
      await nodeRed.nextMessage(end, { timeoutMs: 20_000 });
    }
    await nodeRed.nextMessage('watched', { timeoutMs: 20_000 });
    nodeRed.send('reader', {});
    await nodeRed.nextMessage('read', { timeoutMs: 20_000 });
    for (const payload of [1, 2, 3, 6]) nodeRed.send('window', { payload });
    await nodeRed.nextMessage('windowed', { timeoutMs: 20_000 });
    return { nodeRed, stop };
  } catch (error) {
    await stop().catch(() => undefined);
    throw error;
  }
}
