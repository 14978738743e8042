/**
 * A real Node-RED that is killed (`kill -9`) at any moment while it commands and tickets, and started again: what it
 * told of is kept, no command and no ticket comes twice. The servers' own records are the truth. `JIDOKA_SEED=n`
 * repeats a run.
 */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { seededRandom } from '../../lib/statistics/random.ts';
import { judgeGateway, type Judgement } from '../support/gateway-judge.ts';
import { GatewayStand } from '../support/gateway-stand.ts';
import { atWork, startGateway, stationOf, ticketsOut, type GatewayOptions } from '../support/gateway.ts';
import { type NodeRed, nodeRedVersions } from '../support/node-red.ts';
import { pause } from '../support/ordeal.ts';
import { seed } from '../support/properties.ts';
import { volume } from '../support/volume.ts';

const KILLS = volume(100, 500);
/** With every change, as many of them as fit in. */
const BUDGET_MS = volume(40_000, Infinity);
const FEWEST = 5;

interface Killed extends Judgement {
  kills: number;
  /** Starts at which the station was armed. */
  armedAtStart: number;
}

for (const version of volume(['5'] as const, nodeRedVersions)) {
  describe(`a Node-RED ${version} that is killed`, function () {
    this.timeout(volume(300_000, 14_400_000));
    let userDir: string;
    let stand: GatewayStand;
    let nodeRed: NodeRed | undefined;
    beforeEach(async () => {
      userDir = await mkdtemp(join(tmpdir(), 'jidoka-gateway-killed-'));
      stand = new GatewayStand();
      await stand.open();
      await stand.furnish(userDir);
    });
    afterEach(async () => {
      await nodeRed?.kill();
      nodeRed = undefined;
      await stand.close();
      await rm(userDir, { recursive: true, force: true });
    });

    async function killed(wanted: number, lacking?: GatewayOptions['lacking']): Promise<Killed> {
      const random = seededRandom(seed);
      const flow = stand.flow(userDir, lacking?.types);
      const options = { version, userDir, ...(lacking === undefined ? {} : { lacking }) };
      const heard = new Map<string, Record<string, unknown>[]>();
      const startedAt = performance.now();
      let [kills, armedAtStart] = [0, 0];
      while (kills < wanted && (kills < FEWEST || performance.now() - startedAt < BUDGET_MS)) {
        const life = await startGateway({ ...options, flow });
        nodeRed = life;
        if ((await stationOf(life)).arming.state === 'ARMED') armedAtStart += 1;
        // Now and then while it makes its links, else at work.
        if (lacking !== undefined || random.below(4) > 0) await atWork(life, stand);
        await pause(random.below(200));
        await life.kill();
        kills += 1;
        for (const node of ['gate', 'commanded', 'accepted', 'caught'])
          heard.set(node, [...(heard.get(node) ?? []), ...life.messages(node)]);
      }
      const last = await startGateway({ ...options, flow: flow.filter(({ id }) => id !== 'camera') });
      nodeRed = last;
      await ticketsOut(last);
      await last.stop();
      const judgement = judgeGateway(userDir, stand, (node) => heard.get(node) ?? []);
      return { kills, armedAtStart, ...judgement };
    }

    it(`keeps what it told of, and does nothing twice (up to ${KILLS} kills)`, async () => {
      const { kills, armedAtStart, load, wrong } = await killed(KILLS);
      // Without having told of it, a part that was under way at the kill may be unknown.
      const { lostParts, ...broken } = wrong;
      const figures = JSON.stringify({ ...load, ...broken, armedAtStart, unrecorded: lostParts });
      console.log(`      ${kills} kills, seed ${seed}: ${figures}`);
      assert.ok(load.confirmed > kills && load.tickets > 0);
      assert.equal(armedAtStart, 0, 'armed at a start');
      for (const [what, count] of Object.entries(broken)) assert.equal(count, 0, what);
    });

    it('(control) loses tickets where an input is done before the journal has it', async () => {
      const { wrong } = await killed(3, { types: ['mes-ticket'], what: 'durable' });
      assert.ok(wrong.lostTickets > 0);
    });
  });
}
