import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { openJournal } from '../../../lib/journal/journal.ts';

const KILLS = 20;
const child = fileURLToPath(import.meta.resolve('./accept-until-killed-process.ts'));

/** Starts the child, kills it once it has promised so many entries, and returns what it promised. */
async function promisedBeforeKill(folder: string, first: number, variant: string, after: number) {
  const running = spawn(process.execPath, [child, folder, String(first), variant], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let said = '';
  running.stdout.setEncoding('utf8').on('data', (text: string) => {
    said += text;
    if (said.split('\n').length > after) running.kill('SIGKILL');
  });
  const [, signal] = (await once(running, 'close')) as [number | null, string | null];
  assert.equal(signal, 'SIGKILL');
  return said.split('\n').slice(0, -1).map(Number);
}

describe('a journal whose process is killed', () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'jidoka-kill-'));
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  async function lostAfterKills(variant: string, kills: number): Promise<{ promised: number; lost: number }> {
    const promised: number[] = [];
    for (let kill = 0; kill < kills; kill += 1) {
      promised.push(...(await promisedBeforeKill(folder, kill * 1_000_000, variant, 10 + 7 * kill)));
    }
    const journal = await openJournal({ folder, ballastBytes: 4096 });
    const kept = new Set((await journal.outbox({ limit: 10_000 })).map(({ key }) => key));
    assert.ok(kept.size < 10_000, 'the query holds everything');
    await journal.close();
    return {
      promised: promised.length,
      lost: promised.filter((number) => !kept.has(`k-${number}`)).length,
    };
  }

  it('has every entry it promised', async function () {
    this.timeout(120_000);
    const { promised, lost } = await lostAfterKills('guarded', KILLS);
    assert.ok(promised > 10 * KILLS);
    assert.equal(lost, 0);
  });

  it('would lose entries if it promised before the commit', async function () {
    this.timeout(60_000);
    const { lost } = await lostAfterKills('careless', 3);
    assert.ok(lost > 0);
  });
});
