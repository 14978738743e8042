/**
 * What it costs to accept an entry into the journal, against bare SQLite in a thread with the same durability and the
 * same batching, in rounds that alternate.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { openJournal } from '../../lib/journal/journal.ts';
import { quantile, type Figure, type Section } from '../figures.ts';
import { ProcessLoad } from '../process-load.ts';
import { loopDelayFigure } from './load.ts';

const ROUNDS = 8;
/** Of one caller in one round. */
const ENTRIES = 32;
/** Enough for the percentiles where there is one caller. */
const MIN_ENTRIES = 64;
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

/** Milliseconds of each entry and of all rounds together. */
interface Measured {
  times: number[];
  ms: number;
}

/** So many callers, each with its next entry once the last is durable. */
async function round(accept: Accept, name: string, callers: number, into: Measured): Promise<void> {
  const entries = Math.max(MIN_ENTRIES, callers * ENTRIES);
  const startedAt = performance.now();
  let next = 0;
  const caller = async (): Promise<void> => {
    while (next < entries) {
      const key = `${name}-${callers}-${next}`;
      next += 1;
      const sentAt = performance.now();
      await accept(key);
      into.times.push(performance.now() - sentAt);
    }
  };
  await Promise.all(Array.from({ length: callers }, caller));
  into.ms += performance.now() - startedAt;
}

/** Accept p50 and p99 and rows per second for 1, 8 and 64 callers: ours, the floor, and the ratio of both. */
export async function journalFigures(): Promise<Section> {
  const folder = await mkdtemp(join(tmpdir(), 'jidoka-bench-journal-'));
  const sides = { floor: floor(folder), ours: await ours(folder) };
  const load = new ProcessLoad();
  const figures: Figure[] = [];
  const figure = (id: string, value: number, unit: string, detail: string): void => {
    const better = unit === '1/s' ? 'higher' : 'lower';
    figures.push({ id: `journal.${id}`, value, unit, goal: null, better, detail });
  };
  try {
    for (const callers of CALLERS) {
      const bare: Measured = { times: [], ms: 0 };
      const journal: Measured = { times: [], ms: 0 };
      for (const side of [sides.floor, sides.ours])
        await round(side.accept, 'warm', callers, { times: [], ms: 0 });
      for (let index = 0; index < ROUNDS; index += 1) {
        const runs = [
          () => round(sides.floor.accept, `round-${index}`, callers, bare),
          () => load.during(() => round(sides.ours.accept, `round-${index}`, callers, journal)),
        ];
        // Who comes first finds the disk as the other one left it: each in turn.
        for (const run of index % 2 === 0 ? runs : runs.toReversed()) await run();
      }
      const name = `${callers}-callers`;
      for (const share of [0.5, 0.99]) {
        const [bareMs, oursMs] = [quantile(bare.times, share), quantile(journal.times, share)];
        const percentile = `${name}.p${share * 100}`;
        figure(percentile, oursMs, 'ms', `bare SQLite, batched alike, ${bareMs.toFixed(2)} ms`);
        if (share === 0.5) figure(`${percentile}-ratio`, oursMs / bareMs, '×', 'ours over bare, same run');
      }
      const [bareRate, rate] = [bare, journal].map(({ times, ms }) => (times.length * 1000) / ms) as [
        number,
        number,
      ];
      figure(`${name}.rows`, rate, '1/s', `bare SQLite, batched alike, ${bareRate.toFixed(0)} 1/s`);
    }
    figures.push(loopDelayFigure('journal', load));
  } finally {
    await Promise.all([sides.floor.close(), sides.ours.close()]);
    await rm(folder, { recursive: true, force: true });
  }
  return { title: 'Journal: accepting an entry', figures };
}
