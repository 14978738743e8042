/**
 * A station that commands and tickets is killed at any moment, and started again: what it was promised is kept, no
 * command and no ticket comes twice. The PLC's and the MES's own records are the truth.
 */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import Database from 'better-sqlite3';
import { verifyJournal } from '../../lib/journal/verify.ts';
import { seededRandom } from '../../lib/statistics/random.ts';
import { Mes } from '../../plant/mes.ts';
import { startOpcua, type OpcuaPlc } from '../../plant/opcua.ts';
import { PlcMemory } from '../../plant/plc-memory.ts';
import { pause } from '../support/ordeal.ts';
import { seed } from '../support/properties.ts';
import { ToldProcess } from '../support/told-process.ts';
import { volume } from '../support/volume.ts';
import { PLAIN_TAG, type ActingOrder } from './acting-order.ts';

const KILLS = volume(25, 1000);
/** More than a life has time for. */
const NUMBERS_A_LIFE = 1000;
const child = fileURLToPath(import.meta.resolve('./acting-process.ts'));
/** A killed process leaves the page cache behind, so memory does here. */
const base = existsSync('/dev/shm') ? '/dev/shm' : tmpdir();

interface CommandRow {
  id: string;
  number: number;
  tag: string;
  value: string;
}

interface Judgement {
  commands: number;
  confirmed: number;
  /** Told of, and not in the journal. */
  lostCommands: number;
  /** Called confirmed, and the PLC has not seen it. */
  falseConfirmed: number;
  /** Effects beyond one for each command, or of no command on record. */
  doubles: number;
  tickets: number;
  /** Promised, and not at the MES. */
  lostTickets: number;
  doubleTickets: number;
  /** Starts at which the station was armed. */
  armedAtStart: number;
}

describe('a station whose process is killed', function () {
  this.timeout(volume(600_000, 7_200_000));
  let folder: string;
  let plc: PlcMemory;
  let opcua: OpcuaPlc;
  let mes: Mes;
  const compileCache = (): string => join(folder, 'compiled');

  beforeEach(async () => {
    folder = await mkdtemp(join(base, 'jidoka-killed-'));
    plc = new PlcMemory();
    opcua = await startOpcua({ plc, maxSessions: 100 });
    mes = new Mes();
    // As many systems do: what keeps tickets apart is the question before the second attempt.
    mes.faults.honourIdempotencyKey = false;
    await mes.open();
  });
  afterEach(async () => {
    await mes.close();
    await opcua.close();
    plc.close();
    await rm(folder, { recursive: true, force: true });
  });

  function start(variant: ActingOrder['variant'], first = 0): ToldProcess {
    const order: ActingOrder = {
      folder: join(folder, 'station'),
      pkiFolder: join(folder, 'pki'),
      opcuaUrl: opcua.endpointUrl,
      mesUrl: mes.url,
      first,
      variant,
    };
    return new ToldProcess(child, [JSON.stringify(order)], { compileCache: compileCache() });
  }

  async function killed(kills: number, variant: 'guarded' | 'careless'): Promise<Judgement> {
    const random = seededRandom(seed);
    const plainEffects = new Map<number, number>();
    const blockEffects = new Map<number, number>();
    const count = (effects: Map<number, number>, of: number): void => {
      effects.set(of, (effects.get(of) ?? 0) + 1);
    };
    plc.on('write', ({ tag, value }) => tag === 'Heartbeat' && count(plainEffects, Number(value)));
    plc.torque.on('effect', ({ id }) => count(blockEffects, id));

    // Ends by itself, and leaves its compiled code to those that do not.
    await start('drain').end();
    const lines: string[] = [];
    for (let kill = 0; kill < kills; kill += 1) {
      const life = start(variant, kill * NUMBERS_A_LIFE);
      // Now and then while it still starts, else after any number of promises.
      const isStarting = random.below(5) === 0 && variant === 'guarded';
      const wanted = random.below(60);
      const has = (word: string): boolean => life.lines.some((line) => line.includes(word));
      const isAtWork = (): boolean => life.lines.length > wanted && has('confirmed') && has('kept');
      await life.until(() => (isStarting ? life.lines.length > 0 : isAtWork()));
      await pause(random.below(isStarting ? 150 : 8));
      await life.kill();
      lines.push(...life.lines);
    }
    const last = start('drain');
    await last.end();
    lines.push(...last.lines);
    return judge(lines, plainEffects, blockEffects);
  }

  function judge(
    lines: readonly string[],
    plainEffects: ReadonlyMap<number, number>,
    blockEffects: ReadonlyMap<number, number>,
  ): Judgement {
    assert.equal(verifyJournal(join(folder, 'station')).problems, 0);
    const database = new Database(join(folder, 'station', 'journal.db'), { readonly: true });
    const rows = database.prepare('SELECT id, number, tag, value FROM commands').all() as CommandRow[];
    database.close();
    const said = (word: string): string[][] =>
      lines.map((line) => line.split(' ')).filter(([first]) => first === word);
    const byId = new Map(rows.map((row) => [row.id, row]));
    const intended = new Map<number, number>();
    for (const { tag, value } of rows)
      if (tag === PLAIN_TAG) intended.set(Number(value), (intended.get(Number(value)) ?? 0) + 1);
    const numbers = new Set(rows.filter(({ tag }) => tag !== PLAIN_TAG).map(({ number }) => number));
    const ended = said('command');
    const confirmed = ended.filter(([, , outcome]) => outcome === 'confirmed').map(([, id = '']) => id);
    const tickets = new Map<string | null, number>();
    for (const { externalId } of mes.tickets) tickets.set(externalId, (tickets.get(externalId) ?? 0) + 1);
    const kept = said('kept').map(([, key = '']) => key);
    return {
      commands: rows.length,
      confirmed: confirmed.length,
      lostCommands: ended.filter(([, id = '']) => !byId.has(id)).length,
      falseConfirmed: confirmed.filter((id) => {
        const row = byId.get(id);
        if (row === undefined) return true;
        return row.tag === PLAIN_TAG ? !plainEffects.has(Number(row.value)) : !blockEffects.has(row.number);
      }).length,
      doubles:
        [...plainEffects].filter(([value, times]) => times > (intended.get(value) ?? 0)).length +
        [...blockEffects].filter(([number, times]) => times > 1 || !numbers.has(number)).length,
      tickets: kept.length,
      lostTickets: kept.filter((key) => !tickets.has(key)).length,
      doubleTickets: [...tickets.values()].filter((times) => times > 1).length,
      armedAtStart: said('state').filter(([, state]) => state === 'ARMED').length,
    };
  }

  it(`keeps what it promised, and does nothing twice (${KILLS} kills)`, async () => {
    const { commands, confirmed, tickets, ...wrong } = await killed(KILLS, 'guarded');
    const figures = JSON.stringify({ commands, confirmed, tickets, ...wrong });
    console.log(`      ${KILLS} kills, seed ${seed}: ${figures}`);
    // Four of five lives have come to work.
    assert.ok(confirmed > KILLS / 2 && tickets > KILLS / 2);
    assert.deepEqual(wrong, {
      lostCommands: 0,
      falseConfirmed: 0,
      doubles: 0,
      lostTickets: 0,
      doubleTickets: 0,
      armedAtStart: 0,
    });
  });

  it('(control) loses tickets that were promised before the journal had them', async () => {
    const { lostTickets } = await killed(5, 'careless');
    assert.ok(lostTickets > 0);
  });
});
