import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openDatabase } from '../../lib/journal/database.ts';
import { openJournal, type JournalState } from '../../lib/journal/journal.ts';
import { verifyJournal } from '../../lib/journal/verify.ts';
import { createStation } from '../../lib/station/station.ts';
import { until } from '../support/until.ts';
import { inspect, JournalWriter } from './journal-writer.ts';

const ERRORS = process.env['JIDOKA_NIGHTLY'] === '1' ? 100 : 20;
/** The first sync that fails and the distance to the next; each lands at another place of the work. */
const WHEN = 'when=9+13';

function works(command: string, ...args: string[]): boolean {
  try {
    execFileSync(command, args, { stdio: 'ignore', env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin' } });
    return true;
  } catch {
    return false;
  }
}

function strace(inject: string): string[] {
  const calls = inject.split(':', 1)[0] ?? '';
  return ['strace', '-f', '-qqq', '-o', '/dev/null', '-e', `trace=${calls}`, '-e', `inject=${inject}`];
}

describe('a journal whose disk fails', function () {
  this.timeout(240_000);
  let folder: string;
  let mounted = false;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'jidoka-disk-'));
  });
  afterEach(async () => {
    if (mounted) works('umount', '--lazy', folder);
    mounted = false;
    await rm(folder, { recursive: true, force: true });
  });

  function mount(test: Mocha.Context, ...args: string[]): void {
    mounted = works('mount', ...args, folder);
    if (mounted) return;
    console.log('      only root may mount a disk for this');
    test.skip();
  }

  it('keeps what it promised through errors of syncing, each at another place, and recovers by itself', async function () {
    if (!works('strace', '-V')) this.skip();
    openDatabase(folder).close();
    const writer = new JournalWriter(folder, 0, 'guarded', {
      wrap: strace(`fsync,fdatasync:error=EIO:${WHEN}`),
      pauseMs: 5,
    });
    const failed = (): number => writer.states.filter((state) => state === 'unavailable').length;
    await writer.until(() => failed() >= ERRORS && writer.states.at(-1) !== 'unavailable');
    const alive = !writer.hasEnded;
    await writer.kill();
    const { lost, integrity } = inspect(folder, writer.promised);
    console.log(
      `      ${failed()} errors: ${writer.promised.length} promised, ${lost} lost, ${writer.errors.length} refused`,
    );
    assert.equal(alive, true);
    assert.equal(lost, 0);
    assert.equal(integrity, 'ok');
    assert.equal(verifyJournal(folder).problems, 0);
    assert.deepEqual([...new Set(writer.errors)], ['JOURNAL_UNAVAILABLE']);
    const database = openDatabase(folder);
    const alarms = database.prepare(
      `SELECT COUNT(*) FROM ledger WHERE record ->> '$.type' = 'journal.unavailable'`,
    );
    assert.ok(Number(alarms.pluck().get()) > 0, 'the ledger has the alarm');
    database.close();
  });

  it('would promise what the disk refused if it did not sync', async function () {
    if (!works('strace', '-V')) this.skip();
    openDatabase(folder).close();
    const writer = new JournalWriter(folder, 0, 'normal', {
      wrap: strace(`fsync,fdatasync:error=EIO:${WHEN}`),
      pauseMs: 5,
    });
    await writer.until(() => writer.promised.length > 200);
    await writer.kill();
    assert.deepEqual(writer.errors, []);
  });

  it('is refused while writing is not permitted, and goes on when it is', async function () {
    if (!works('strace', '-V')) this.skip();
    openDatabase(folder).close();
    const writer = new JournalWriter(folder, 0, 'guarded', {
      wrap: strace('pwrite64:error=EACCES:when=40..60'),
      pauseMs: 20,
    });
    await writer.until(() => writer.states.includes('unavailable') && writer.states.at(-1) !== 'unavailable');
    const before = writer.promised.length;
    await writer.until(() => writer.promised.length > before);
    await writer.kill();
    const { lost } = inspect(folder, writer.promised);
    console.log(`      writing denied: ${writer.promised.length} promised, ${lost} lost`);
    assert.equal(lost, 0);
  });

  it('cannot be opened on a disk that is read-only, and can when it no longer is', async function () {
    mount(this, '--bind', folder);
    assert.ok(works('mount', '-o', 'remount,bind,ro', folder));
    await assert.rejects(openJournal({ folder }), { code: 'JOURNAL_UNAVAILABLE' });
    assert.ok(works('mount', '-o', 'remount,bind,rw', folder));
    const journal = await openJournal({ folder, ballastBytes: 4096 });
    await journal.setValue('after', 1);
    await journal.close();
  });

  it('on a full disk disarms the station, loses nothing, leaves the alarm in the ledger, and recovers without being asked', async function () {
    mount(this, '-t', 'tmpfs', '-o', 'size=1m', 'none');
    const states: JournalState[] = [];
    const station = createStation({
      ...{
        id: 's',
        name: 'press 4',
        line: '',
        folder,
        defaultDeadlineMs: 900,
        autonomy: 'act',
        leaseMs: 60_000,
      },
      openJournal: (options) =>
        openJournal({
          ...options,
          ballastBytes: 128 * 1024,
          onState: (state) => {
            // It also tells how near its bounds it is.
            if (state === states.at(-1)) return;
            states.push(state);
            if (state === 'full') void station.disarm({ actor: 'system', reason: `the journal is ${state}` });
          },
        }),
    });
    const journal = await station.journal();
    await station.arm({ actor: 'kim', reason: 'the shift begins' });
    assert.equal(station.arming().state, 'ARMED');
    const hog = join(folder, 'somebody else');
    await writeFile(hog, Buffer.alloc(300_000));
    const kept: string[] = [];
    let code: string | undefined;
    for (let number = 0; code === undefined; number += 1) {
      const key = `k-${number}`;
      try {
        await journal.acceptOutbox({ key, stream: 'mes:a', partId: null, body: 'x'.repeat(3000) });
        kept.push(key);
      } catch (error) {
        ({ code } = error as { code: string });
      }
    }
    assert.equal(code, 'JOURNAL_FULL');
    assert.deepEqual(states, ['low', 'full']);
    assert.notEqual(station.arming().state, 'ARMED');
    await rm(hog);
    // What the station writes meanwhile may find room and lose it again: in the end there is room.
    await until(async () => {
      const types = (await journal.ledger()).map(({ type }) => type);
      return states.at(-1) !== 'full' && types.includes('journal.low') && types.includes('journal.full');
    }, 'a journal that writes again and says what has happened');
    await station.close();
    const { lost } = inspect(folder, kept);
    console.log(`      disk full: ${kept.length} promised, ${lost} lost, then ${states.join(' → ')}`);
    assert.equal(lost, 0);
  });
});
