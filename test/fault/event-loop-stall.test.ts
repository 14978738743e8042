/**
 * What a PLC sees of a Node-RED whose event loop stands still, or which is killed: its beats stop, and
 * three missing beats later the PLC is back on its own value, by its own clock. The control beats from a
 * thread of its own, as a heartbeat must not: the PLC never learns that nobody decides any more.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { type OpcuaPlc, startOpcua } from '../../plant/opcua.ts';
import { PlcMemory } from '../../plant/plc-memory.ts';
import { type FlowNode, type NodeRed, nodeRedVersions, startNodeRed } from '../support/node-red.ts';
import { repositoryRoot } from '../support/shared.ts';

const NIGHTLY = process.env['JIDOKA_NIGHTLY'] === '1';
const STALLS = NIGHTLY ? 20 : 3;
const KILLS = NIGHTLY ? 5 : 1;
const STALL_MS = 2000;
/** Three beats of 500 ms, and what the reaction may differ from it. */
const TIMEOUT_MS = 1500;
const SLACK_MS = 200;
const BEAT_TAG = 'ns=1;s=Line.Torque.Heartbeat';
const COMMANDED = 50;
const OWN_VALUE = 42;

interface Stop {
  sinceLastMs: number;
  cycleMs: number;
}

/** The PLC in this process, Node-RED in another, and what the block of the PLC notices. */
class Stand {
  readonly plc = new PlcMemory();
  readonly stops: Stop[] = [];
  #server: OpcuaPlc | undefined;
  #commands = 0;

  constructor() {
    this.plc.torque.on('beats', ({ alive, ...stop }) => {
      if (!alive) this.stops.push(stop);
    });
  }

  async open(): Promise<void> {
    this.#server = await startOpcua({ plc: this.plc });
  }

  async close(): Promise<void> {
    await this.#server?.close();
    this.plc.close();
  }

  flow(beats: 'from the loop that decides' | 'from a thread of its own'): FlowNode[] {
    const endpointUrl = this.#server?.endpointUrl ?? '';
    const ours = beats === 'from the loop that decides';
    return [
      { id: 'flow', type: 'tab', label: 'Press 4' },
      { id: 'station', type: 'inspection-station', name: 'Press 4', line: 'L2', autonomy: 'act' },
      {
        id: 'plc',
        type: 'plc-endpoint',
        protocol: 'opcua',
        endpointUrl,
        security: 'None',
        ...(ours ? { heartbeatTag: BEAT_TAG, heartbeatMs: '500' } : {}),
      },
      {
        id: 'write',
        z: 'flow',
        type: 'plc-write',
        station: 'station',
        endpoint: 'plc',
        tag: 'ns=1;s=Line.TorqueSetpoint',
        value: '45',
        valueType: 'num',
        wires: [[], []],
      },
      {
        id: 'stall',
        z: 'flow',
        type: 'function',
        func: `const end = Date.now() + msg.payload; while (Date.now() < end); return msg;`,
        outputs: 1,
        wires: [['stalled']],
      },
      { id: 'stalled', z: 'flow', type: 'debug', active: true, wires: [] },
      ...(ours ? [] : [threadThatBeats(endpointUrl)]),
    ];
  }

  /** The PLC sees beats, and holds a value it was commanded. */
  async commanded(): Promise<void> {
    const { torque } = this.plc;
    while (this.plc.torqueStatus.SafeStateActive) await once(torque, 'scan');
    this.#commands += 1;
    const acknowledged = once(torque, 'ack');
    this.plc.writeTorque({ Arm: true, Value: COMMANDED, TtlMs: 60_000, CmdId: this.#commands }, 'opcua');
    assert.deepEqual(await acknowledged, [{ id: this.#commands, result: 1 }]);
    while (this.plc.get('TorqueSetpoint') !== COMMANDED) await once(torque, 'scan');
  }

  /** True when the block has fallen back by the time `over` resolves. */
  async fellBack(over: Promise<unknown>): Promise<boolean> {
    const before = this.stops.length;
    await over;
    return this.stops.length > before;
  }

  /** Fails unless the block fell back as it must, every time, and its output with it. */
  check(what: string): void {
    const times = this.stops.map(({ sinceLastMs }) => Math.round(sinceLastMs));
    console.log(
      `      ${what}: the PLC fell back ${times.join(', ')} ms after the last beat (${TIMEOUT_MS} ± ${SLACK_MS})`,
    );
    for (const { sinceLastMs, cycleMs } of this.stops) {
      assert.ok(sinceLastMs >= TIMEOUT_MS - SLACK_MS, `after ${sinceLastMs} ms`);
      // A cycle of the PLC that came late is this machine's, not the gateway's.
      assert.ok(
        sinceLastMs <= TIMEOUT_MS + SLACK_MS + cycleMs,
        `after ${sinceLastMs} ms, ${cycleMs} ms a cycle`,
      );
    }
  }
}

/** What a heartbeat must not be: the same counter in a worker thread, which goes on whatever the loop does. */
function threadThatBeats(endpointUrl: string): FlowNode {
  const lib = (file: string): string =>
    JSON.stringify(pathToFileURL(join(repositoryRoot, 'lib', 'plc', file)).href);
  const thread = `
    Promise.all([import(${lib('heartbeat.ts')}), import(${lib('opcua.ts')})]).then(([{ Heartbeat }, { OpcUaTransport }]) => {
      const transport = new OpcUaTransport({ endpointUrl: ${JSON.stringify(endpointUrl)}, security: 'None', pkiFolder: process.cwd() + '/thread-pki' });
      transport.open();
      new Heartbeat({ transport, tag: ${JSON.stringify(BEAT_TAG)}, armed: () => true }).start();
    });
    setInterval(() => undefined, 1000);`;
  return {
    id: 'thread',
    z: 'flow',
    type: 'function',
    func: 'return msg;',
    libs: [{ var: 'threads', module: 'worker_threads' }],
    initialize: `context.set('thread', new threads.Worker(${JSON.stringify(thread)}, { eval: true }));`,
    finalize: `return context.get('thread').terminate();`,
    outputs: 1,
    wires: [[]],
  };
}

for (const version of NIGHTLY ? nodeRedVersions : (['5'] as const)) {
  describe(`a Node-RED ${version} that stands still`, function () {
    this.timeout(STALLS * 20_000 + 120_000);
    let stand: Stand;
    let nodeRed: NodeRed | undefined;

    beforeEach(async () => {
      stand = new Stand();
      await stand.open();
    });
    afterEach(async () => {
      await nodeRed?.stop();
      nodeRed = undefined;
      await stand.close();
    });

    const start = async (flows: FlowNode[]): Promise<NodeRed> => {
      nodeRed = await startNodeRed({ version, flows, settings: { functionExternalModules: true } });
      return nodeRed;
    };
    const stall = (runtime: NodeRed): Promise<unknown> => {
      runtime.send('stall', { payload: STALL_MS });
      return runtime.nextMessage('stalled', { timeoutMs: 60_000 });
    };

    it(`puts the PLC back on its own value ${STALLS} times out of ${STALLS} when its loop stalls for 2 s`, async () => {
      const runtime = await start(stand.flow('from the loop that decides'));
      for (let round = 0; round < STALLS; round += 1) {
        await stand.commanded();
        assert.ok(await stand.fellBack(stall(runtime)), `the PLC did not notice stall ${round + 1}`);
        assert.equal(stand.plc.get('TorqueSetpoint'), OWN_VALUE);
      }
      assert.equal(stand.stops.length, STALLS);
      stand.check(`${STALLS} stalls of 2 s, Node-RED ${version}`);
    });

    it('puts the PLC back on its own value when it is killed', async () => {
      for (let round = 0; round < KILLS; round += 1) {
        const runtime = await start(stand.flow('from the loop that decides'));
        await stand.commanded();
        process.kill(runtime.pid ?? 0, 'SIGKILL');
        while (stand.stops.length <= round) await once(stand.plc.torque, 'scan');
        while (stand.plc.get('TorqueSetpoint') !== OWN_VALUE) await once(stand.plc.torque, 'scan');
        await runtime.stop();
      }
      stand.check(`${KILLS} kill -9, Node-RED ${version}`);
    });

    it('is not noticed by the PLC when the beats come from a thread of their own', async () => {
      const runtime = await start(stand.flow('from a thread of its own'));
      await stand.commanded();
      assert.equal(await stand.fellBack(stall(runtime)), false);
      assert.equal(stand.plc.get('TorqueSetpoint'), COMMANDED);
    });
  });
}
