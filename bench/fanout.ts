/**
 * `npm run bench:fanout [-- --minutes N --json FILE]`: a raw 1080p video at 30 frames a second through
 * camera-capture into one branch, then into four. What a branch costs the main thread, and whether
 * memory stays flat.
 */
import { execFileSync, fork } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import type { Phase } from './fanout-process.ts';
import { report, type Figure } from './figures.ts';

const { values } = parseArgs({
  options: { minutes: { type: 'string', default: '10' }, json: { type: 'string' } },
});
const minutes = Number(values.minutes);
const BRANCHES = 4;
const SINGLE_SECONDS = 20;
const SAMPLES_PER_MINUTE = 60;
/** Share of the time at the start in which heap and caches grow to their size. */
const SETTLING = 0.2;

/** Ten seconds of a moving ball. */
function renderVideo(file: string): void {
  execFileSync('gst-launch-1.0', [
    '-q',
    'videotestsrc',
    'num-buffers=300',
    'pattern=ball',
    '!',
    'video/x-raw,width=1920,height=1080,framerate=30/1',
    '!',
    'x264enc',
    'speed-preset=ultrafast',
    '!',
    'mp4mux',
    '!',
    'filesink',
    `location=${file}`,
  ]);
}

function run(branches: number, seconds: number): Promise<Phase> {
  const child = fork(join(import.meta.dirname, 'fanout-process.ts'), [file, `${branches}`, `${seconds}`]);
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code) => reject(new Error(`the flow ended with exit code ${code ?? -1}`)));
    child.once('message', (phase) => {
      resolve(phase as Phase);
      child.kill();
    });
  });
}

/** Slope of the least-squares line, in megabytes a minute. */
function slope(rss: readonly number[]): number {
  const settled = rss.slice(Math.floor(rss.length * SETTLING));
  const middle = (settled.length - 1) / 2;
  const mean = settled.reduce((sum, value) => sum + value, 0) / settled.length;
  let above = 0;
  let below = 0;
  for (const [index, value] of settled.entries()) {
    above += (index - middle) * (value - mean);
    below += (index - middle) ** 2;
  }
  return (above / below) * SAMPLES_PER_MINUTE;
}

const folder = mkdtempSync(join(tmpdir(), 'jidoka-bench-'));
const file = join(folder, 'line.mp4');
renderVideo(file);
const one = await run(1, SINGLE_SECONDS);
const many = await run(BRANCHES, Math.round(minutes * 60));
rmSync(folder, { recursive: true });

const [lowest, highest] = [Math.min(...many.rss), Math.max(...many.rss)].map((mb) => mb.toFixed(0));
const figures: Figure[] = [
  {
    id: 'capture.fanout.mainMs',
    value: many.mainMs,
    unit: 'ms',
    goal: null,
    better: 'lower',
    detail: `main thread for each frame, all in all; one branch ${one.mainMs.toFixed(3)} ms`,
  },
  {
    id: 'capture.fanout.branchesMs',
    value: many.mainMs - one.mainMs,
    unit: 'ms',
    goal: 0.2,
    better: 'lower',
    detail: `what ${BRANCHES - 1} further branches add for each frame`,
  },
  {
    id: 'capture.fanout.rssSlope',
    value: slope(many.rss),
    unit: 'MB/min',
    goal: 1,
    better: 'lower',
    detail: `over ${minutes} minutes, ${lowest} to ${highest} MB`,
  },
  {
    id: 'capture.fanout.rate',
    value: many.frames / (minutes * 60),
    unit: 'frames/s',
    goal: 29,
    better: 'higher',
    detail: `${many.frames} frames of 1920 × 1080 RGB`,
  },
];
report(`${BRANCHES} branches, 1080p at 30 frames a second`, figures, values.json);
