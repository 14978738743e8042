import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openDatabase } from '../../lib/journal/database.ts';
import { verifyJournal } from '../../lib/journal/verify.ts';
import { volume } from '../support/volume.ts';
import { inspect, JournalWriter } from './journal-writer.ts';

const KILLS = volume(100, 1000);
/** At a time, each with a folder of its own: starting takes longer than writing. */
const LANES = 4;
/** A killed process leaves the page cache behind, so memory does here, and syncing it takes no time. */
const base = existsSync('/dev/shm') ? '/dev/shm' : tmpdir();

describe('a journal whose process is killed', function () {
  this.timeout(volume(600_000, 1_800_000));
  let folder: string;
  let compileCache: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(base, 'jidoka-kill-'));
    compileCache = join(folder, 'compiled');
    await new JournalWriter(join(folder, 'first'), 0, 'once', { compileCache }).end();
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  async function killed(
    lane: string,
    kills: number,
    variant: string,
  ): Promise<{ promised: number; lost: number }> {
    const own = join(folder, lane);
    openDatabase(own).close();
    const promised: string[] = [];
    for (let kill = 0; kill < kills; kill += 1) {
      const writer = new JournalWriter(own, kill * 1_000_000, variant, { compileCache });
      // no two kills after the same number of promises
      await writer.until(() => writer.promised.length > 1 + ((kill * 7) % 40));
      await writer.kill();
      promised.push(...writer.promised);
    }
    const { lost, integrity } = inspect(own, promised);
    assert.equal(integrity, 'ok');
    assert.equal(verifyJournal(own).problems, 0);
    return { promised: promised.length, lost };
  }

  it('has every entry it promised', async () => {
    const lanes = Array.from({ length: LANES }, (_, lane) =>
      killed(`lane-${lane}`, KILLS / LANES, 'guarded'),
    );
    const results = await Promise.all(lanes);
    const promised = results.reduce((sum, result) => sum + result.promised, 0);
    const lost = results.reduce((sum, result) => sum + result.lost, 0);
    console.log(`      ${KILLS} kills: ${promised} entries promised, ${lost} lost`);
    assert.ok(promised > KILLS);
    assert.equal(lost, 0);
  });

  it('would lose entries if it promised before the commit', async () => {
    const { lost } = await killed('careless', 3, 'careless');
    assert.ok(lost > 0);
  });
});
