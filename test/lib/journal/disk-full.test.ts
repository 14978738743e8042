import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { JournalError, openJournal, type JournalState } from '../../../lib/journal/journal.ts';

const BALLAST_BYTES = 256 * 1024;

/** A disk of 2 MB in memory; only root of a Linux machine may have one. */
function smallDisk(folder: string): boolean {
  try {
    execFileSync('/bin/mount', ['-t', 'tmpfs', '-o', 'size=2m', 'none', folder], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

describe('a journal on a full disk', () => {
  let folder: string;
  let mounted = false;
  before(async function () {
    folder = await mkdtemp(join(tmpdir(), 'jidoka-disk-'));
    mounted = smallDisk(folder);
    if (!mounted) this.skip();
  });
  after(async () => {
    if (mounted) execFileSync('/bin/umount', ['--lazy', folder]);
    await rm(folder, { recursive: true, force: true });
  });

  it('spends its ballast once, says that it is full, loses nothing, and goes on when there is room', async () => {
    const states: JournalState[] = [];
    const options = {
      folder,
      ballastBytes: BALLAST_BYTES,
      onState: (state: JournalState) => states.push(state),
    };
    const journal = await openJournal(options);
    await writeFile(join(folder, 'somebody else'), Buffer.alloc(1_000_000));
    const kept: string[] = [];
    let failure: unknown;
    for (let number = 0; failure === undefined; number += 1) {
      const key = `key-${number}`;
      try {
        await journal.setValue(key, 'x'.repeat(4000));
        kept.push(key);
      } catch (error) {
        failure = error;
      }
    }
    assert.ok(kept.length > 10);
    assert.ok(failure instanceof JournalError);
    assert.equal(failure.code, 'JOURNAL_FULL');
    assert.deepEqual(states, ['low', 'full']);
    assert.equal(existsSync(join(folder, 'ballast')), false);
    assert.equal(await journal.getValue('key-0'), 'x'.repeat(4000), 'it still answers');

    await rm(join(folder, 'somebody else'));
    await journal.setValue('after', 1);
    await journal.close();
    const again = await openJournal(options);
    for (const key of kept) assert.equal(await again.getValue(key), 'x'.repeat(4000));
    assert.equal(await again.getValue('after'), 1);
    await again.close();
  });

  it('answers everything that waits when its ballast cannot be deleted', async () => {
    const own = join(folder, 'own');
    await mkdir(join(own, 'ballast', 'in the way'), { recursive: true });
    const journal = await openJournal({ folder: own, ballastBytes: 1 });
    const hog = join(folder, 'somebody else');
    await assert.rejects(writeFile(hog, Buffer.alloc(4_000_000)), { code: 'ENOSPC' });
    const numbers = Array.from({ length: 20 }, (_, number) => number);
    const outcomes = await Promise.allSettled(
      numbers.map((number) => journal.setValue(`key-${number}`, 'x'.repeat(10_000))),
    );
    const codes = outcomes.map((outcome) =>
      outcome.status === 'rejected' ? (outcome.reason as JournalError).code : 'kept',
    );
    assert.deepEqual([...new Set(codes)], ['JOURNAL_FULL']);
    await rm(hog);
    await journal.setValue('after', 1);
    await journal.close();
  });
});
