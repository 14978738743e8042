/** Messages with hostile values in every place, to every node that takes messages: each ends once, and nothing else happens. */
import assert from 'node:assert/strict';
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { registrationOf } from '../package/package-files.ts';
import { MesServer } from '../support/mes-server.ts';
import { ourNodeTypes } from '../support/node-red.ts';
import { startOpcUaServer, type TestServer } from '../support/opcua-server.ts';
import { seed } from '../support/properties.ts';
import { volume } from '../support/volume.ts';
import type { FuzzOrder, FuzzReport, Tally } from './malformed-process.ts';

/** What the flow of the child names each type; a type with two ways to take a message is there twice. */
const NODES: Readonly<Record<string, readonly string[]>> = {
  'camera-capture': ['camera'],
  'sensor-window': ['window', 'timed'],
  'onnx-infer-gpu': ['infer'],
  'anomaly-score': ['pictures', 'signals'],
  'tolerance-gate': ['gate'],
  'plc-write': ['write'],
  'plc-read': ['read'],
  'mes-ticket': ['ticket'],
};
const FENCE = { min: 10, max: 90 };

interface Fuzzed {
  tallies: Map<string, Tally>;
  uncaught: string[];
  /** It came to the end of its messages. */
  isDone: boolean;
  output: string;
}

async function fuzz(order: Omit<FuzzOrder, 'folder' | 'seed'>): Promise<Fuzzed> {
  const folder = await mkdtemp(join(tmpdir(), 'jidoka-malformed-'));
  const child = fork(join(import.meta.dirname, 'malformed-process.ts'), [], {
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    execArgv: [],
  });
  const fuzzed: Fuzzed = { tallies: new Map(), uncaught: [], isDone: false, output: '' };
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on('data', (text: Buffer) => {
      fuzzed.output = (fuzzed.output + String(text)).slice(-4_000);
    });
  }
  child.on('message', (report: FuzzReport) => {
    if (report.report === 'node') fuzzed.tallies.set(report.id, report.tally);
    else if (report.report === 'uncaught') fuzzed.uncaught.push(report.text);
    else fuzzed.isDone = true;
  });
  try {
    child.send({ ...order, folder, seed } satisfies FuzzOrder);
    await once(child, 'exit');
  } finally {
    child.kill('SIGKILL');
    await rm(folder, { recursive: true, force: true });
  }
  return fuzzed;
}

function told({ sent, messages, errors, takenOver, seconds }: Tally): string {
  return `${sent} in ${seconds.toFixed(1)} s (${messages} messages, ${errors} errors, ${takenOver} taken over)`;
}

describe('malformed messages', function () {
  this.timeout(volume(180_000, 3_600_000));
  let plc: TestServer;
  let mes: MesServer;
  let servers: { plcUrl: string; mesUrl: string };

  before(async () => {
    plc = await startOpcUaServer();
    mes = new MesServer({ honoursKey: true });
    servers = { plcUrl: plc.url, mesUrl: await mes.start() };
  });

  after(async () => {
    await mes.stop();
    await plc.stop();
  });

  it('every node that takes messages is tried', () => {
    const withInput = ourNodeTypes().filter(
      (type) => Number(registrationOf(type).literals.get('inputs') ?? 0) > 0,
    );
    assert.deepEqual(withInput.sort(), Object.keys(NODES).sort());
  });

  it('each ends in one outcome, nothing is left uncaught, and no write leaves the fence', async () => {
    const each = volume(400, 10_000);
    const volumes = Object.fromEntries(
      Object.values(NODES).flatMap((ids) => ids.map((id) => [id, Math.ceil(each / ids.length)])),
    );
    const { tallies, uncaught, isDone, output } = await fuzz({ ...servers, volumes, patienceMs: 30_000 });
    for (const [id, tally] of tallies)
      console.log(`      ${id}: ${told(tally)} ${JSON.stringify(tally.codes)}`);
    console.log(`      ${plc.writes.length} writes at the PLC, ${mes.tickets.length} tickets at the MES`);
    assert.deepEqual(uncaught, [], 'uncaught');
    assert.deepEqual(
      [...tallies.values()].flatMap(({ faults }) => faults),
      [],
      'outcomes',
    );
    assert.ok(isDone, `the process did not live through it:\n${output}`);
    for (const [id, count] of Object.entries(volumes)) assert.equal(tallies.get(id)?.sent, count, id);
    assert.ok(plc.writes.length > 0, 'nothing was written, so the fence was not tried');
    const outside = plc.writes.filter(({ tag, value }) => {
      const isWithin = typeof value === 'number' && value >= FENCE.min && value <= FENCE.max;
      return tag !== 'Speed' || !isWithin;
    });
    assert.deepEqual(outside, []);
    assert.ok(mes.tickets.length > 0);
  });

  for (const id of ['unguarded', 'unguarded-async']) {
    it(`finds a node that takes a payload for text (${id})`, async () => {
      const { tallies, uncaught } = await fuzz({ ...servers, volumes: { [id]: 64 }, patienceMs: 500 });
      const { faultCount = 0 } = tallies.get(id) ?? {};
      assert.ok(faultCount > 0, 'inputs without an outcome are seen');
      if (id === 'unguarded-async') assert.ok(uncaught.length > 0, 'what nobody caught is seen');
    });
  }
});
