import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openDatabase } from '../../lib/journal/database.ts';
import { verifyJournal } from '../../lib/journal/verify.ts';
import { inspect, JournalWriter } from './journal-writer.ts';
import { LoopDisk } from './loop-disk.ts';

const isNightly = process.env['JIDOKA_NIGHTLY'] === '1';
const CUTS = isNightly ? 100 : 20;
/** Of the control: fewer do, most of them lose something. */
const CONTROL_CUTS = isNightly ? 20 : 6;

interface Cuts {
  promised: number;
  lost: number;
  /** Cuts after which the file was whole and the ledger unbroken. */
  intact: number;
}

describe('a journal whose machine loses power', function () {
  this.timeout(isNightly ? 900_000 : 240_000);
  let work: string;
  let disk: LoopDisk | undefined;
  beforeEach(async function () {
    work = await mkdtemp(join(tmpdir(), 'jidoka-power-'));
    try {
      disk = LoopDisk.make(work);
    } catch (error) {
      console.log(`      no disk to cut the power of: ${(error as Error).message.split('\n', 1)[0] ?? ''}`);
      this.skip();
    }
  });
  afterEach(async () => {
    disk?.close();
    disk = undefined;
    await rm(work, { recursive: true, force: true });
  });

  /** Stops the writer amid its work and looks at what the disk has; the writer goes on. */
  async function cut(variant: string, cuts: number): Promise<Cuts> {
    assert.ok(disk);
    const { folder } = disk;
    openDatabase(folder).close();
    const writer = new JournalWriter(folder, 0, variant);
    const found: Cuts = { promised: 0, lost: 0, intact: 0 };
    try {
      for (let number = 0; number < cuts; number += 1) {
        const before = writer.promised.length;
        await writer.until(() => writer.promised.length > before + 3 + ((number * 5) % 23));
        // what it has written to the pipe it has promised, heard or not: only what was heard is counted
        const promised = [...writer.promised];
        writer.process.kill('SIGSTOP');
        disk.afterCut((mounted) => {
          const { lost, integrity } = inspect(mounted, promised);
          found.lost += lost;
          if (integrity === 'ok' && verifyJournal(mounted).problems === 0) found.intact += 1;
        });
        found.promised += promised.length;
        writer.process.kill('SIGCONT');
      }
    } finally {
      await writer.kill();
    }
    return found;
  }

  it('has every entry it promised', async () => {
    const { promised, lost, intact } = await cut('guarded', CUTS);
    console.log(
      `      ${CUTS} power cuts: ${promised} promises looked after, ${lost} lost, ${intact} intact`,
    );
    assert.equal(lost, 0);
    assert.equal(intact, CUTS);
  });

  it('would lose entries if it did not wait for the disk', async () => {
    const { promised, lost } = await cut('normal', CONTROL_CUTS);
    console.log(`      with synchronous=NORMAL: ${promised} promises looked after, ${lost} lost`);
    assert.ok(lost > 0);
  });
});
