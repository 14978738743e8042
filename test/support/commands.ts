/** What tests of commands share: an armed station, a command with sensible manners, waiting for a link. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Command } from '../../lib/plc/command.ts';
import type { Transport } from '../../lib/plc/transport.ts';
import { createStation, type StationControl } from '../../lib/station/station.ts';
import type { Autonomy } from '../../lib/station/types.ts';
import { MemoryJournal } from './memory-journal.ts';

export const person = { actor: 'anna', reason: 'shift start' };

export async function testStation(
  autonomy: Autonomy = 'act',
): Promise<{ station: StationControl; journal: MemoryJournal; folder: string; remove: () => Promise<void> }> {
  const folder = await mkdtemp(join(tmpdir(), 'jidoka-plc-'));
  const journal = new MemoryJournal();
  const station = createStation({
    id: 'station',
    name: 'press-4',
    line: '',
    folder,
    defaultDeadlineMs: 900,
    autonomy,
    openJournal: () => Promise.resolve(journal),
  });
  const remove = async (): Promise<void> => {
    await station.close();
    await rm(folder, { recursive: true, force: true });
  };
  return { station, journal, folder, remove };
}

let commands = 0;

export function command(tag: string, value: unknown, changes: Partial<Command> = {}): Command {
  commands += 1;
  return {
    id: `c-${commands}`,
    partId: 'p-1',
    tag,
    value,
    actor: 'system',
    startedAt: performance.now(),
    deadlineMs: 5000,
    limits: {},
    maxPerMinute: 600,
    settleMs: 400,
    tolerance: 0,
    timeoutMs: 1000,
    approvalMs: 2000,
    signal: new AbortController().signal,
    ...changes,
  };
}

export function linkIs(transport: Transport, state: 'up' | 'down'): Promise<void> {
  const reached = (): boolean => transport.linkUp() === (state === 'up');
  return new Promise((resolve) => {
    if (reached()) resolve();
    else {
      const stop = transport.onLink(() => {
        if (!reached()) return;
        stop();
        resolve();
      });
    }
  });
}
