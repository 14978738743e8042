/**
 * A real Node-RED that is deployed again and again while it works, whole or in single nodes: nothing of what it held
 * is left behind, at the servers or in the process, and no part, command or ticket is lost or comes twice. The
 * servers' own records and the journal are the truth. `JIDOKA_SEED=n` repeats a run.
 */
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import Database from 'better-sqlite3';
import type { Inspection } from '../../lib/inspection/inspection.ts';
import { verifyJournal } from '../../lib/journal/verify.ts';
import { seededRandom } from '../../lib/statistics/random.ts';
import { settledHoldings } from '../support/holdings.ts';
import { type FlowNode, type NodeRed, nodeRedVersions, startNodeRed } from '../support/node-red.ts';
import { pause } from '../support/ordeal.ts';
import { seed } from '../support/properties.ts';
import { PROTOCOLS, RedeployStand, TAGS } from '../support/redeploy-stand.ts';
import { repositoryRoot } from '../support/shared.ts';
import { volume } from '../support/volume.ts';

const DEPLOYS = volume(100, 200);
/** With every change, as many of them as fit in. */
const BUDGET_MS = volume(40_000, Infinity);
const FEWEST = 10;
const WAIT_MS = 60_000;
/** Each of them is there to leave something behind. */
const NODES = [
  ...['station', 'mes', 'camera', 'infer', 'gate', 'ticket', 'watch'],
  ...PROTOCOLS.flatMap((protocol) => [`plc-${protocol}`, `write-${protocol}`]),
];
const NOTHING = { opcua: 0, modbus: 0, mqtt: 0, mes: 0, subscriptions: 0 };
const BARE: readonly FlowNode[] = [{ id: 'flow', type: 'tab', label: 'Press 4' }];

interface CommandRow {
  id: string;
  tag: string;
  value: string;
  outcome: string | null;
}

/** What must be zero, and what shows that there was a load. */
interface Judgement {
  parts: number;
  /** Came to the gate, and are not on record with a verdict. */
  lostParts: number;
  commands: number;
  confirmed: number;
  /** On record without an outcome. */
  openCommands: number;
  /** Confirmed, and the PLC has not seen it. */
  falseConfirmed: number;
  /** Effects beyond one for each command. */
  doubles: number;
  tickets: number;
  /** Came to mes-ticket, and neither the MES nor the Catch node has heard of them. */
  lostTickets: number;
  doubleTickets: number;
}

/** Ours, except that what they do when they are closed is left out. */
async function writeUnclosed(folder: string, types: readonly string[]): Promise<void> {
  const files = types.map((type) =>
    pathToFileURL(join(repositoryRoot, 'dist', 'nodes', type, `${type}.js`)).toString(),
  );
  const code = `
    module.exports = async (RED) => {
      const nodes = Object.create(RED.nodes, {
        registerType: { value: (type, make, options) => RED.nodes.registerType('unclosed-' + type, make, options) },
        createNode: { value: (node, config) => {
          RED.nodes.createNode(node, config);
          const { on } = node;
          node.on = (event, listener) => (event === 'close' ? node : on.call(node, event, listener));
        } },
      });
      for (const file of ${JSON.stringify(files)}) (await import(file)).default(Object.create(RED, { nodes: { value: nodes } }));
    };`;
  const dialogs = types.map(
    (type) => `<script type="text/html" data-template-name="unclosed-${type}"></script>`,
  );
  await writeFile(join(folder, 'unclosed.js'), code);
  await writeFile(join(folder, 'unclosed.html'), dialogs.join('\n'));
}

async function until(what: string, isSo: () => boolean | Promise<boolean>): Promise<void> {
  const limit = performance.now() + WAIT_MS;
  while (!(await isSo())) {
    assert.ok(performance.now() < limit, `waited for ${what}`);
    await pause(5);
  }
}

for (const version of volume(['5'] as const, nodeRedVersions)) {
  describe(`a Node-RED ${version} that is deployed while it works`, function () {
    this.timeout(volume(180_000, 1_800_000));
    let userDir: string;
    let stand: RedeployStand;
    let nodeRed: NodeRed;
    beforeEach(async () => {
      userDir = await mkdtemp(join(tmpdir(), 'jidoka-redeploy-'));
      stand = new RedeployStand();
      await stand.open();
      await stand.furnish(userDir);
    });
    afterEach(async () => {
      await nodeRed.stop();
      await stand.close();
      await rm(userDir, { recursive: true, force: true });
    });

    async function ask(verb: string): Promise<boolean> {
      const { ok } = await nodeRed.request(`/jidoka/stations/station/${verb}`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ reason: 'after a deploy' }),
      });
      return ok;
    }

    /** Armed by a person, as after each deploy, and commanding each of the PLCs. */
    async function atWork(): Promise<void> {
      const before = PROTOCOLS.map((protocol) => stand.effects[protocol].length);
      const areAllAtWork = (): boolean =>
        PROTOCOLS.every((protocol, index) => stand.effects[protocol].length > (before[index] ?? 0));
      await until('commands', async () => {
        if (areAllAtWork()) return true;
        if (!(await ask('arm'))) await ask('reset');
        return false;
      });
    }

    async function waitingTickets(): Promise<number> {
      const answer = await nodeRed.request('/jidoka/stations/station');
      const { counts } = (await answer.json()) as { counts: { outbox: { waiting: number } } };
      return counts.outbox.waiting;
    }

    /** Ends the load, lets the tickets go out, and takes everything of ours away. */
    async function rest(flow: readonly FlowNode[]): Promise<void> {
      await nodeRed.deploy(
        flow.filter(({ id }) => id !== 'camera'),
        'nodes',
      );
      await until('the tickets to go out', async () => (await waitingTickets()) === 0);
      await nodeRed.deploy(BARE);
    }

    interface Deployed {
      deploys: number;
      slowestMs: number;
      /** What the process and the servers go on holding after everything of ours was taken away. */
      leaked: Record<string, string>;
      left: ReturnType<RedeployStand['left']>;
    }

    /** @param lacking types whose close is left out */
    async function deployed(wanted: number, lacking: readonly string[] = []): Promise<Deployed> {
      await writeUnclosed(userDir, lacking);
      const random = seededRandom(seed);
      let flow = stand.flow(userDir, lacking);
      nodeRed = await startNodeRed({
        version,
        userDir,
        flows: flow,
        nodesDir: lacking.length === 0 ? [repositoryRoot] : [repositoryRoot, userDir],
        watched: ['gate', 'ticket'],
        countsTimers: true,
        settings: { jidokaAllowAnonymousArming: true, jidokaModelFolder: join(userDir, 'models') },
      });
      // Whatever is loaded once and kept has been by then.
      await atWork();
      await rest(flow);
      const before = await nodeRed.holdings();
      const left = stand.left();

      await nodeRed.deploy(flow);
      const startedAt = performance.now();
      let [deploys, slowestMs] = [0, 0];
      while (deploys < wanted && (deploys < FEWEST || performance.now() - startedAt < BUDGET_MS)) {
        // Also while links are being made.
        if (random.below(2) === 0) await atWork();
        await pause(random.below(250));
        deploys += 1;
        const changed = NODES[random.below(NODES.length)];
        flow = flow.map((node) => (node.id === changed ? { ...node, info: `deploy ${deploys}` } : node));
        const from = performance.now();
        await nodeRed.deploy(flow, random.below(2) === 0 ? 'full' : 'nodes');
        slowestMs = Math.max(slowestMs, performance.now() - from);
      }
      await atWork();
      await rest(flow);
      const leaked = await settledHoldings(before, () => nodeRed.holdings());
      await settledHoldings(left, () => Promise.resolve(stand.left()));
      return { deploys, slowestMs, leaked, left: stand.left() };
    }

    function judge(): Judgement {
      const folder = join(userDir, 'jidoka', 'press-4');
      assert.equal(verifyJournal(folder).problems, 0);
      const database = new Database(join(folder, 'journal.db'), { readonly: true });
      const decided = new Set(
        (database.prepare('SELECT id FROM parts WHERE decision IS NOT NULL').all() as { id: string }[]).map(
          ({ id }) => id,
        ),
      );
      const rows = database.prepare('SELECT id, tag, value, outcome FROM commands').all() as CommandRow[];
      database.close();
      const partsAt = (node: string): string[] =>
        nodeRed
          .messages(node)
          .flatMap(({ inspection }) => (inspection as Inspection | undefined)?.part.id ?? []);
      const doubles = PROTOCOLS.map((protocol) => {
        const allowed = new Map<number, number>();
        for (const { tag, value } of rows)
          if (tag === TAGS[protocol]) allowed.set(Number(value), (allowed.get(Number(value)) ?? 0) + 1);
        for (const value of stand.effects[protocol]) allowed.set(value, (allowed.get(value) ?? 0) - 1);
        return [...allowed.values()].filter((rest) => rest < 0).length;
      });
      const confirmed = rows.filter(({ outcome }) => outcome === 'confirmed');
      const protocolOf = (tag: string) => PROTOCOLS.find((protocol) => TAGS[protocol] === tag) ?? 'opcua';
      const ticketed = new Map<unknown, number>();
      for (const { event } of stand.mes.tickets) {
        const part = (event['part'] as { id?: string } | undefined)?.id;
        ticketed.set(part, (ticketed.get(part) ?? 0) + 1);
      }
      const caught = new Set(partsAt('caught'));
      return {
        parts: partsAt('gate').length,
        lostParts: partsAt('gate').filter((id) => !decided.has(id)).length,
        commands: rows.length,
        confirmed: confirmed.length,
        openCommands: rows.filter(({ outcome }) => outcome === null).length,
        falseConfirmed: confirmed.filter(
          ({ tag, value }) => !stand.effects[protocolOf(tag)].includes(Number(value)),
        ).length,
        doubles: doubles.reduce((sum, count) => sum + count, 0),
        tickets: stand.mes.tickets.length,
        lostTickets: partsAt('ticket').filter((id) => !ticketed.has(id) && !caught.has(id)).length,
        doubleTickets: [...ticketed.values()].filter((times) => times > 1).length,
      };
    }

    it(`leaves nothing behind, loses nothing and does nothing twice (up to ${DEPLOYS} deploys)`, async () => {
      const { deploys, slowestMs, leaked, left } = await deployed(DEPLOYS);
      await nodeRed.stop();
      const { parts, commands, confirmed, tickets, ...wrong } = judge();
      const figures = { parts, commands, confirmed, tickets, ...wrong, mostLinks: stand.mostLinks };
      console.log(
        `      ${deploys} deploys, seed ${seed}: ${JSON.stringify(figures)}; the slowest took ${slowestMs.toFixed()} ms`,
      );
      assert.deepEqual(leaked, {}, 'held by the process');
      assert.deepEqual(left, NOTHING, 'left at the servers');
      assert.deepEqual(stand.mostLinks, { opcua: 1, modbus: 1, mqtt: 1 }, 'one link each at any time');
      assert.ok(confirmed > deploys && tickets > 0);
      assert.deepEqual(wrong, {
        lostParts: 0,
        openCommands: 0,
        falseConfirmed: 0,
        doubles: 0,
        lostTickets: 0,
        doubleTickets: 0,
      });
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
