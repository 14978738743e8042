/** examples/17 as it is shipped: node-red-contrib-opcua beside our endpoint at one OPC UA server, which is restarted. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Inspection } from '../../lib/inspection/inspection.ts';
import { startOpcua, type OpcuaPlc } from '../../plant/opcua.ts';
import { PlcMemory } from '../../plant/plc-memory.ts';
import { flowOf } from '../package/package-files.ts';
import { nodeRedVersions, startNodeRed, type FlowNode, type NodeRed } from '../support/node-red.ts';

const PERSON = { username: 'ann', password: 'for tests only' };
/** It comes back 8 to 9 s after the server did; the rest is for a busy machine. */
const PATIENCE = { timeoutMs: 60_000 };

for (const version of nodeRedVersions) {
  describe(`our endpoint beside node-red-contrib-opcua in Node-RED ${version}`, function () {
    this.timeout(120_000);
    let folder: string;
    let plc: PlcMemory;
    let server: OpcuaPlc;
    let nodeRed: NodeRed;

    before(async () => {
      folder = mkdtempSync(join(tmpdir(), 'jidoka-beside-'));
      plc = new PlcMemory();
      server = await startOpcua({ plc, pkiFolder: join(folder, 'pki') });
      const flows = (flowOf('examples/17 - Beside node-red-contrib-opcua.json') as FlowNode[]).map((node) => {
        if (node.type === 'OpcUa-Endpoint') return { ...node, endpoint: server.endpointUrl };
        if (node.type === 'plc-endpoint') return { ...node, endpointUrl: server.endpointUrl };
        // How soon a command follows its part is not the question here.
        if (node.type === 'inspection-station') return { ...node, deadlineMs: '20000' };
        return node;
      });
      nodeRed = await startNodeRed({
        version,
        flows,
        users: [PERSON],
        modules: ['node-red-contrib-opcua'],
        startTimeoutMs: 110_000,
      });
      await nodeRed.signIn(PERSON.username, PERSON.password);
    });

    after(async () => {
      await nodeRed.stop();
      await server.close();
      plc.close();
      rmSync(folder, { recursive: true, force: true });
    });

    /** Resolves when node-red-contrib-opcua has told this value. */
    async function told(debugId: string, value: unknown): Promise<void> {
      while ((await nodeRed.nextMessage(debugId, PATIENCE))['payload'] !== value);
    }

    async function partPresent(value: boolean): Promise<void> {
      plc.set('PartPresent', value);
      await told('jb-trigger', value);
    }

    /** What plc-watch sent. */
    async function watched(): Promise<unknown[]> {
      const message = await nodeRed.nextMessage('jb-part', PATIENCE);
      return [(message['payload'] as { value: unknown }).value, (message['plc'] as { edge: string }).edge];
    }

    /** What became of the command of a bad part, as it leaves this output. */
    async function commanded(debugId: string): Promise<unknown[]> {
      nodeRed.send('jb-gate', { payload: 4.8 });
      const { inspection } = await nodeRed.nextMessage(debugId, PATIENCE);
      const { command } = inspection as Inspection;
      return [command?.outcome, command?.reason];
    }

    const writeShows = (key: string): Promise<unknown> =>
      nodeRed.waitForStatus('jb-write', ({ text }) => text === `plc-write.status.${key}`, PATIENCE);

    /** Green once it has seen the state its tag is in, so that what follows is an edge. */
    const watchIs = (colour: 'green' | 'yellow'): Promise<unknown> =>
      nodeRed.waitForStatus('jb-watch', ({ fill }) => fill === colour, PATIENCE);

    it('both hear the trigger, the list is told item by item, and our write is confirmed', async () => {
      await told('jb-values', 42);
      await told('jb-trigger', false);
      const answer = await nodeRed.request('/jidoka/stations/jb-station/arm', {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ reason: 'commissioning' }),
      });
      assert.equal(answer.status, 200, await answer.text());
      await writeShows('armed');
      await watchIs('green');
      await partPresent(true);
      assert.deepEqual(await watched(), [true, 'rising']);
      plc.set('PartCounter', 3);
      await told('jb-values', 3);
      assert.deepEqual(await commanded('jb-confirmed'), ['confirmed', undefined]);
      assert.equal(plc.get('RejectGate'), true);
    });

    it('both come back after the server was restarted; what is not delivered meanwhile is reported', async () => {
      const { port } = server;
      await server.close();
      const lost = (await nodeRed.nextMessage('jb-errors', PATIENCE))['error'] as { code?: string };
      assert.equal(lost.code, 'PLC_LINK_LOST');
      await writeShows('offline');
      await watchIs('yellow');
      assert.deepEqual(await commanded('jb-otherwise'), ['refused', 'LINK_DOWN']);
      plc.set('RejectGate', false);
      plc.set('PartPresent', false);

      const backAt = performance.now();
      server = await startOpcua({ plc, port, pkiFolder: join(folder, 'pki') });
      await writeShows('armed');
      await watchIs('green');
      const oursMs = performance.now() - backAt;
      await told('jb-trigger', false);
      console.log(
        `      back after the server's start: ours ${oursMs.toFixed(0)} ms, ` +
          `node-red-contrib-opcua ${(performance.now() - backAt).toFixed(0)} ms`,
      );
      await partPresent(true);
      assert.deepEqual(await watched(), [true, 'rising']);
      for (const count of [7, 8]) {
        plc.set('PartCounter', count);
        await told('jb-values', count);
      }
      assert.equal(plc.writes.length, 1, 'what was refused has not come after all');
      assert.deepEqual(await commanded('jb-confirmed'), ['confirmed', undefined]);
      assert.equal(plc.get('RejectGate'), true);
      assert.equal(plc.writes.length, 2);
      assert.equal(nodeRed.messages('jb-errors').length, 1, 'the lost link is told once');
    });
  });
}
