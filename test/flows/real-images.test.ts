/**
 * The deployed pilot flow on real pictures, with the real OPC UA and MES servers of the plant: what
 * reaches the PLC and the MES is exactly what the gate decided, part by part.
 */
import assert from 'node:assert/strict';
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { extname, join } from 'node:path';
import type { Inspection } from '../../lib/inspection/inspection.ts';
import { startPlant, type Plant } from '../../plant/plant.ts';
import { auroc } from '../../lib/statistics/auroc.ts';
import { nodeRedVersions, type NodeRed } from '../support/node-red.ts';
import { LOOK, startPilot, station } from '../support/pilot.ts';
import { requirePath, shared } from '../support/shared.ts';

interface Split {
  train_good: string[];
  test_good: string[];
  test_bad: string[];
}

const SETS = [
  { name: 'cubes', split: 'dobot_cubes', folder: 'anomalib_dobot_cubes', goal: 0.99 },
  { name: 'cookies', split: 'aws_cookies', folder: 'aws_cookies_288x384', goal: 0.95 },
  { name: 'aliens', split: 'aws_aliens', folder: 'aws_aliens', goal: 0.97 },
] as const;
const DELTA = 0.05;
const IMAGES = shared('data', 'images');
/** Of each set, as the first release scored them. */
const firstScores = new Map<string, number[]>();

function readSplit(name: string): Split {
  const splits = JSON.parse(readFileSync(join(IMAGES, 'splits.json'), 'utf8')) as Record<string, Split>;
  const split = splits[name];
  assert.ok(split !== undefined, name);
  return split;
}

/** Copies listed pictures into one folder, in this order by name. */
function layOut(target: string, folder: string, groups: Record<string, readonly string[]>): void {
  mkdirSync(target, { recursive: true });
  for (const [group, files] of Object.entries(groups)) {
    files.forEach((file, index) => {
      const name = `${group}-${String(index).padStart(3, '0')}${extname(file)}`;
      copyFileSync(join(IMAGES, folder, file), join(target, name));
    });
  }
}

function inspectionOf(message: Record<string, unknown>): Inspection {
  return message['inspection'] as Inspection;
}

for (const version of nodeRedVersions) {
  describe(`the pilot station on real pictures, Node-RED ${version}`, function () {
    this.timeout(420_000);
    let plant: Plant;
    let temporary: string;

    before(async function () {
      requirePath(this, IMAGES, 'the set of real pictures');
      temporary = mkdtempSync(join(tmpdir(), 'jidoka-real-'));
      plant = await startPlant({ seed: 1, run: false });
    });
    after(async () => {
      await plant.close();
      rmSync(temporary, { recursive: true, force: true });
    });

    for (const set of SETS) {
      it(`judges every part of ${set.name} once, writes once and tickets once per reject`, async () => {
        const split = readSplit(set.split);
        const home = join(temporary, set.name);
        layOut(join(home, 'train'), set.folder, { good: split.train_good });
        layOut(join(home, 'test'), set.folder, { bad: split.test_bad, good: split.test_good });
        // The tightest budget this many good parts can promise: n ≥ ln δ / ln(1 − α).
        const alpha = 1 - DELTA ** (1 / split.train_good.length) + 1e-6;
        const writesBefore = plant.opcua.writes.length;
        const ticketsBefore = plant.mes.tickets.length;

        const nodeRed = await startPilot({
          version,
          plant,
          stationFolder: join(home, 'station'),
          change: {
            'pilot-camera': {
              source: 'folder',
              folder: join(home, 'test'),
              folderMode: 'once',
              trigger: 'message',
              deadlineMs: '15000',
            },
            'pilot-score': { resolution: '224', teaching: 'folder', folder: join(home, 'train') },
            'pilot-gate': { alphaPercent: String(alpha * 100) },
          },
        });
        try {
          const { good, bad, verdicts } = await inspectAll(nodeRed, split);
          const rejected = verdicts.filter(({ verdict }) => verdict?.decision === 'reject');

          assert.equal(
            new Set(verdicts.map(({ part }) => part.id)).size,
            verdicts.length,
            'one verdict per part',
          );
          const confirmed = nodeRed.messages(LOOK.command).map(inspectionOf);
          assert.deepEqual(
            confirmed.map(({ part, command }) => [part.id, command?.outcome]),
            rejected.map(({ part }) => [part.id, 'confirmed']),
          );
          assert.equal(plant.opcua.writes.length - writesBefore, rejected.length, 'writes the server saw');
          const tickets = plant.mes.tickets.slice(ticketsBefore);
          assert.equal(tickets.length, rejected.length, 'tickets in the MES');
          assert.equal(nodeRed.messages(LOOK.failed).length, 0);

          const scores = verdicts.map(scoreOf);
          assert.deepEqual(
            scores,
            firstScores.get(set.name) ?? scores,
            'the same scores in both releases, to the bit',
          );
          firstScores.set(set.name, scores);
          const area = auroc(good.map(scoreOf), bad.map(scoreOf));
          const overkill = good.filter(({ verdict }) => verdict?.decision !== 'accept').length;
          const escapes = bad.filter(({ verdict }) => verdict?.decision === 'accept').length;
          console.log(
            `      ${set.name}: AUROC ${area.toFixed(4)} (goal ${set.goal}), overkill ${overkill}/${good.length}, ` +
              `escapes ${escapes}/${bad.length}, budget ${(alpha * 100).toFixed(1)} % from ${split.train_good.length} parts`,
          );
          assert.ok(area >= set.goal, `AUROC ${area}`);
        } finally {
          await nodeRed.stop();
        }
      });
    }
  });
}

function scoreOf({ anomaly }: Inspection): number {
  assert.ok(anomaly !== undefined);
  return anomaly.score;
}

/** Triggers one part after the other and waits for what each has to bring about. */
async function inspectAll(
  nodeRed: NodeRed,
  split: Split,
): Promise<{ good: Inspection[]; bad: Inspection[]; verdicts: Inspection[] }> {
  await nodeRed.waitForStatus('pilot-score', ({ fill }) => fill === 'green', { timeoutMs: 180_000 });
  await nodeRed.waitForStatus('pilot-divert', ({ text }) => text === 'plc-write.status.disarmed', {
    timeoutMs: 20_000,
  });
  await station(nodeRed, '/arm', { reason: 'acceptance run on real pictures' });

  const verdicts: Inspection[] = [];
  let rejects = 0;
  const count = split.test_bad.length + split.test_good.length;
  for (let index = 0; index < count; index += 1) {
    nodeRed.send('pilot-camera', {});
    const message = await nodeRed.nextMessage(LOOK.verdict, { timeoutMs: 30_000 });
    verdicts.push(inspectionOf(message));
    if (message['payload'] === 'reject') {
      rejects += 1;
      await nodeRed.nextMessage(LOOK.command, { timeoutMs: 30_000 });
    }
  }
  for (let index = 0; index < rejects; index += 1) {
    await nodeRed.nextMessage(LOOK.ticket, { timeoutMs: 30_000 });
  }
  return {
    bad: verdicts.slice(0, split.test_bad.length),
    good: verdicts.slice(split.test_bad.length),
    verdicts,
  };
}
