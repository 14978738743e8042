/**
 * A real Node-RED that is deployed again and again while it works, whole or in single nodes: nothing of what it held
 * is left behind, at the servers or in the process, and no part, command or ticket is lost or comes twice. The
 * servers' own records and the journal are the truth. `JIDOKA_SEED=n` repeats a run.
 */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { seededRandom } from '../../lib/statistics/random.ts';
import { judgeGateway } from '../support/gateway-judge.ts';
import { GatewayStand, PROTOCOLS } from '../support/gateway-stand.ts';
import { atWork, startGateway, ticketsOut } from '../support/gateway.ts';
import { settledHoldings } from '../support/holdings.ts';
import { type FlowNode, type NodeRed, nodeRedVersions } from '../support/node-red.ts';
import { pause } from '../support/ordeal.ts';
import { seed } from '../support/properties.ts';
import { volume } from '../support/volume.ts';

const DEPLOYS = volume(100, 200);
/** With every change, as many of them as fit in. */
const BUDGET_MS = volume(40_000, Infinity);
const FEWEST = 10;
/** Each of them is there to leave something behind. */
const NODES = [
  ...['station', 'mes', 'camera', 'infer', 'gate', 'ticket', 'watch'],
  ...PROTOCOLS.flatMap((protocol) => [`plc-${protocol}`, `write-${protocol}`]),
];
const NOTHING = { opcua: 0, modbus: 0, mqtt: 0, mes: 0, subscriptions: 0 };
const BARE: readonly FlowNode[] = [{ id: 'flow', type: 'tab', label: 'Press 4' }];

for (const version of volume(['5'] as const, nodeRedVersions)) {
  describe(`a Node-RED ${version} that is deployed while it works`, function () {
    this.timeout(volume(180_000, 1_800_000));
    let userDir: string;
    let stand: GatewayStand;
    let nodeRed: NodeRed;
    beforeEach(async () => {
      userDir = await mkdtemp(join(tmpdir(), 'jidoka-redeploy-'));
      stand = new GatewayStand();
      await stand.open();
      await stand.furnish(userDir);
    });
    afterEach(async () => {
      await nodeRed.stop();
      await stand.close();
      await rm(userDir, { recursive: true, force: true });
    });

    /** Ends the load, lets the tickets go out, and takes everything of ours away. */
    async function rest(flow: readonly FlowNode[]): Promise<void> {
      await nodeRed.deploy(
        flow.filter(({ id }) => id !== 'camera'),
        'nodes',
      );
      await ticketsOut(nodeRed);
      await nodeRed.deploy(BARE);
    }

    interface Deployed {
      deploys: number;
      slowestMs: number;
      /** What the process and the servers go on holding after everything of ours was taken away. */
      leaked: Record<string, string>;
      left: ReturnType<GatewayStand['left']>;
    }

    /** @param lacking types whose close is left out */
    async function deployed(wanted: number, lacking: readonly string[] = []): Promise<Deployed> {
      const random = seededRandom(seed);
      let flow = stand.flow(userDir, lacking);
      nodeRed = await startGateway({ version, userDir, flow, lacking: { types: lacking, what: 'close' } });
      // Whatever is loaded once and kept has been by then.
      await atWork(nodeRed, stand);
      await rest(flow);
      const before = await nodeRed.holdings();
      const left = stand.left();

      await nodeRed.deploy(flow);
      const startedAt = performance.now();
      let [deploys, slowestMs] = [0, 0];
      while (deploys < wanted && (deploys < FEWEST || performance.now() - startedAt < BUDGET_MS)) {
        // Also while links are being made.
        if (random.below(2) === 0) await atWork(nodeRed, stand);
        await pause(random.below(250));
        deploys += 1;
        const changed = NODES[random.below(NODES.length)];
        flow = flow.map((node) => (node.id === changed ? { ...node, info: `deploy ${deploys}` } : node));
        const from = performance.now();
        await nodeRed.deploy(flow, random.below(2) === 0 ? 'full' : 'nodes');
        slowestMs = Math.max(slowestMs, performance.now() - from);
      }
      await atWork(nodeRed, stand);
      await rest(flow);
      const leaked = await settledHoldings(before, () => nodeRed.holdings());
      await settledHoldings(left, () => Promise.resolve(stand.left()));
      return { deploys, slowestMs, leaked, left: stand.left() };
    }

    it(`leaves nothing behind, loses nothing and does nothing twice (up to ${DEPLOYS} deploys)`, async () => {
      const { deploys, slowestMs, leaked, left } = await deployed(DEPLOYS);
      await nodeRed.stop();
      const { load, wrong } = judgeGateway(userDir, stand, (node) => nodeRed.messages(node));
      const figures = { ...load, ...wrong, mostLinks: stand.mostLinks };
      console.log(
        `      ${deploys} deploys, seed ${seed}: ${JSON.stringify(figures)}; the slowest took ${slowestMs.toFixed()} ms`,
      );
      assert.deepEqual(leaked, {}, 'held by the process');
      assert.deepEqual(left, NOTHING, 'left at the servers');
      assert.deepEqual(stand.mostLinks, { opcua: 1, modbus: 1, mqtt: 1 }, 'one link each at any time');
      assert.ok(load.confirmed > deploys && load.tickets > 0);
      for (const [what, count] of Object.entries(wrong)) assert.equal(count, 0, what);
      const complaints = nodeRed.logs().filter(({ text }) => /timed out/i.test(text));
      assert.deepEqual(complaints, [], 'nodes that did not close in time');
      assert.doesNotMatch(nodeRed.output(), /MaxListenersExceeded/);
    });

    it('(control) leaves links behind where an endpoint is not closed', async () => {
      const { leaked, left } = await deployed(4, ['plc-endpoint']);
      console.log(`      (control) held: ${JSON.stringify(leaked)}, left: ${JSON.stringify(left)}`);
      for (const protocol of PROTOCOLS) assert.ok(left[protocol] > 0, protocol);
      assert.ok(leaked['sockets'] !== undefined, 'sockets of the process');
    });
  });
}
