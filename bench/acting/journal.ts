/** What it costs to accept an entry into the journal, against bare SQLite in a thread with the same durability. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { openJournal } from '../../lib/journal/journal.ts';
import { quantile, type Figure, type Section } from '../figures.ts';

const ENTRIES = 512;
const WARM = 64;
const CALLERS = [1, 8, 64] as const;
const BODY = { event: 'x'.repeat(600) };

type Accept = (key: string) => Promise<unknown>;

interface Side {
  accept: Accept;
  close: () => Promise<unknown>;
}

function floor(folder: string): Side {
  const worker = new Worker(new URL('./journal-floor-worker.ts', import.meta.url), {
    workerData: join(folder, 'floor.db'),
  });
  const waiting = new Map<string, () => void>();
  worker.on('message', (key: string) => {
    waiting.get(key)?.();
    waiting.delete(key);
  });
  const ended = new Promise((resolve) => worker.once('exit', resolve));
  return {
    accept: (key) =>
      new Promise<void>((resolve) => {
        waiting.set(key, resolve);
        worker.postMessage({ key, stream: 'mes:a:station', body: JSON.stringify(BODY) });
      }),
    close: () => {
      worker.postMessage('close');
      return ended;
    },
  };
}

async function ours(folder: string): Promise<Side> {
  const journal = await openJournal({ folder, ballastBytes: 4096 });
  return {
    accept: (key) => journal.acceptOutbox({ key, stream: 'mes:a:station', partId: null, body: BODY }),
    close: () => journal.close(),
  };
}

/** So many callers, each with its next entry once the last is durable. */
async function measure(accept: Accept, name: string, callers: number, entries: number) {
  const times: number[] = [];
  const startedAt = performance.now();
  let next = 0;
  const caller = async (): Promise<void> => {
    while (next < entries) {
      const key = `${name}-${callers}-${next}`;
      next += 1;
      const sentAt = performance.now();
      await accept(key);
      times.push(performance.now() - sentAt);
    }
  };
  await Promise.all(Array.from({ length: callers }, caller));
  return { times, rowsPerSecond: (entries * 1000) / (performance.now() - startedAt) };
}

/** Accept p50 and p99 and rows per second for 1, 8 and 64 callers: ours, the floor, and the ratio of both. */
export async function journalFigures(): Promise<Section> {
  const folder = await mkdtemp(join(tmpdir(), 'jidoka-bench-journal-'));
  const sides = { floor: floor(folder), ours: await ours(folder) };
  const figures: Figure[] = [];
  const figure = (
    id: string,
    value: number,
    unit: string,
    better: Figure['better'],
    detail: string,
  ): void => {
    figures.push({ id: `journal.${id}`, value, unit, goal: null, better, detail });
  };
  try {
    for (const callers of CALLERS) {
      await measure(sides.floor.accept, 'warm', callers, WARM);
      await measure(sides.ours.accept, 'warm', callers, WARM);
      const bare = await measure(sides.floor.accept, 'entry', callers, ENTRIES);
      const journal = await measure(sides.ours.accept, 'entry', callers, ENTRIES);
      const p50 = [bare, journal].map(({ times }) => quantile(times, 0.5)) as [number, number];
      const p99 = [bare, journal].map(({ times }) => quantile(times, 0.99)) as [number, number];
      const name = `${callers}-callers`;
      figure(`${name}.p50`, p50[1], 'ms', 'lower', `bare SQLite ${p50[0].toFixed(2)} ms`);
      figure(`${name}.p99`, p99[1], 'ms', 'lower', `bare SQLite ${p99[0].toFixed(2)} ms`);
      figure(`${name}.p50-ratio`, p50[1] / p50[0], '×', 'lower', 'ours over bare, same run');
      const bareRate = bare.rowsPerSecond;
      figure(
        `${name}.rows`,
        journal.rowsPerSecond,
        '1/s',
        'higher',
        `bare SQLite ${bareRate.toFixed(0)} 1/s`,
      );
    }
  } finally {
    await Promise.all([sides.floor.close(), sides.ours.close()]);
    await rm(folder, { recursive: true, force: true });
  }
  return { title: 'Journal: accepting an entry', figures };
}
