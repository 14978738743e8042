/**
 * `npm start`: the plant in a box and a Node-RED that runs the pilot station on it.
 *
 * Everything binds to 127.0.0.1 and keeps its data in `.jidoka/`. Ports can be moved; a busy one is
 * said plainly. Admin sign-in is on: the password is made at the first start and printed once.
 *
 *   npm start -- [--images DIR] [--port 1880] [--plant-port 8101] [--opcua-port 4840]
 *                [--modbus-port 5020] [--takt MS] [--defects SHARE] [--seed N] [--data DIR]
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { createServer } from 'node:net';
import { extname, join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { probeImage } from '../lib/frame/probe.ts';
import { connectPilotFlow, readPilotFlow, type FlowNode, type PilotImages } from './pilot-flow.ts';
import { startPlant } from './plant.ts';

const root = join(import.meta.dirname, '..');
const require = createRequire(import.meta.url);
const USER = 'operator';
const IMAGE_EXTENSIONS = new Set(['.jpg', '.jpeg', '.png', '.webp']);
const FIRST_PARTS = 60;
/** The pilot flow's budget: at most this share of good parts rejected, with 1 − δ confidence. */
const ALPHA_PERCENT = 5;
const DELTA = 0.05;
/** Without this many good parts teaching refuses. */
const FEWEST_PARTS = 10;

/** What only a person can set right; printed without a stack. */
class StartError extends Error {}

function port(text: string, name: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1 || value > 65_535) {
    throw new StartError(`--${name} must be a port number, not "${text}".`);
  }
  return value;
}

async function assertFree(wanted: number, what: string, option: string): Promise<void> {
  await new Promise<void>((done, failed) => {
    const probe = createServer();
    probe.once('error', () =>
      failed(new StartError(`Port ${wanted} for ${what} is busy. Choose another with --${option}.`)),
    );
    probe.listen(wanted, '127.0.0.1', () => probe.close(() => done()));
  });
}

function listImages(folder: string, recursive: boolean): string[] {
  return readdirSync(folder, { recursive, withFileTypes: true })
    .filter((entry) => entry.isFile() && IMAGE_EXTENSIONS.has(extname(entry.name).toLowerCase()))
    .map((entry) => join(entry.parentPath, entry.name));
}

/** What the pilot promises where it can, and the tightest promise fewer good parts allow: 1 − δ^(1/n). */
function budgetFor(goodParts: number): number {
  const tightest = 100 * (1 - DELTA ** (1 / goodParts));
  return Math.max(ALPHA_PERCENT, Math.ceil(tightest * 10) / 10);
}

/** Small pictures gain nothing from being blown up (AUROC 0.98 at 224, 0.94 at 448 on 288 × 384). */
function resolutionFor(image: string): 224 | 448 {
  const header = probeImage(readFileSync(image));
  if (header === undefined) throw new StartError(`${image} is not a picture that can be read.`);
  const { width, height } = header;
  return Math.min(width, height) >= 600 ? 448 : 224;
}

/** How a folder of the user's images is taught and shown: from its good parts where it names them. */
function readImages(option: string | undefined, intervalMs: number): PilotImages | undefined {
  if (option === undefined) return undefined;
  const folder = resolve(option);
  if (!existsSync(folder) || !statSync(folder).isDirectory()) {
    throw new StartError(`--images ${folder} is not a folder.`);
  }
  const teachFolder = ['train_good', join('train', 'good'), 'train', 'good', 'normal']
    .map((name) => join(folder, name))
    .find((path) => existsSync(path));
  // Teaching reads one folder; the camera goes through all of them.
  const images = listImages(teachFolder ?? folder, teachFolder === undefined);
  const count = images.length;
  if (count < FEWEST_PARTS) {
    throw new StartError(
      `${teachFolder ?? folder} has ${count} images; at least ${FEWEST_PARTS} good ones are needed.`,
    );
  }
  const resolution = resolutionFor(images[0] ?? '');
  const firstParts = Math.min(FIRST_PARTS, count);
  const alphaPercent = budgetFor(teachFolder === undefined ? firstParts : count);
  return { folder, teachFolder, firstParts, alphaPercent, resolution, intervalMs };
}

interface Secrets {
  passwordHash: string;
  credentialSecret: string;
}

/** The hash of the password, and the password itself when it was made just now. */
function readSecrets(dataFolder: string): Secrets & { password: string | undefined } {
  const file = join(dataFolder, 'secrets.json');
  if (existsSync(file)) {
    return { ...(JSON.parse(readFileSync(file, 'utf8')) as Secrets), password: undefined };
  }
  const { hashSync } = require('bcryptjs') as { hashSync: (text: string, rounds: number) => string };
  const password = randomBytes(9).toString('base64url');
  const secrets = { passwordHash: hashSync(password, 10), credentialSecret: randomBytes(24).toString('hex') };
  writeFileSync(file, JSON.stringify(secrets), { mode: 0o600 });
  return { ...secrets, password };
}

function writeSettings(
  dataFolder: string,
  nodeRedPort: number,
  { passwordHash, credentialSecret }: Secrets,
): string {
  const settings = {
    uiHost: '127.0.0.1',
    uiPort: nodeRedPort,
    userDir: dataFolder,
    flowFile: 'flows.json',
    credentialSecret,
    nodesDir: [root],
    // Lies in node_modules for an example and a test; the pilot does without it.
    nodesExcludes: ['node-red-contrib-opcua'],
    adminAuth: {
      type: 'credentials',
      users: [{ username: USER, password: passwordHash, permissions: '*' }],
    },
    telemetry: { enabled: false, updateNotification: false },
    editorTheme: { tours: false, page: { title: 'Jidoka' }, header: { title: 'Jidoka pilot station' } },
    functionTimeout: 5,
    // The MES of the plant runs on this machine; any other may take its place.
    jidokaAllowedHosts: ['localhost', '*'],
    logging: { console: { level: 'warn', metrics: false, audit: false } },
  };
  const file = join(dataFolder, 'settings.cjs');
  writeFileSync(file, `module.exports = ${JSON.stringify(settings, null, 2)};\n`, { mode: 0o600 });
  return file;
}

/** Keeps what the user changed in the flow; only the addresses follow the plant. */
function writeFlow(dataFolder: string, connect: (flow: FlowNode[]) => FlowNode[]): void {
  const file = join(dataFolder, 'flows.json');
  const flow = existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as FlowNode[]) : readPilotFlow();
  writeFileSync(`${file}.new`, JSON.stringify(connect(flow), null, 2));
  renameSync(`${file}.new`, file);
}

function startNodeRed(settingsFile: string, dataFolder: string): ChildProcess {
  const script = join(root, 'node_modules', 'node-red', 'red.js');
  return spawn(process.execPath, [script, '--settings', settingsFile, '--userDir', dataFolder], {
    stdio: ['ignore', 'inherit', 'inherit'],
    env: process.env,
  });
}

async function answers(url: string, nodeRed: ChildProcess): Promise<void> {
  while (nodeRed.exitCode === null) {
    const response = await fetch(url).catch(() => undefined);
    if (response?.ok === true) return;
    await new Promise((resume) => setTimeout(resume, 200));
  }
  throw new StartError(`Node-RED ended with code ${nodeRed.exitCode} before it was ready.`);
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      images: { type: 'string' },
      port: { type: 'string', default: '1880' },
      'plant-port': { type: 'string', default: '8101' },
      'opcua-port': { type: 'string', default: '4840' },
      'modbus-port': { type: 'string', default: '5020' },
      takt: { type: 'string', default: '1500' },
      defects: { type: 'string', default: '0.03' },
      seed: { type: 'string', default: '7' },
      data: { type: 'string', default: join(root, '.jidoka') },
    },
  });
  const nodeRedPort = port(values.port, 'port');
  const cameraPort = port(values['plant-port'], 'plant-port');
  const taktMs = Number(values.takt);
  if (!(taktMs >= 200)) throw new StartError('--takt must be 200 ms or more.');
  const defectShare = Number(values.defects);
  if (!(defectShare >= 0 && defectShare <= 1))
    throw new StartError('--defects must be a share between 0 and 1.');
  const images = readImages(values.images, taktMs);
  await assertFree(nodeRedPort, 'Node-RED', 'port');

  // Images of one folder are one station of their own: its model must not judge another folder's parts.
  const name =
    images === undefined
      ? 'pilot'
      : `images-${createHash('sha256').update(images.folder).digest('hex').slice(0, 8)}`;
  const dataFolder = join(resolve(values.data), name);
  mkdirSync(dataFolder, { recursive: true });

  const plant = await startPlant({
    seed: Number(values.seed),
    taktMs,
    // A part has to be past the reject gate before the next one is judged.
    travelMs: Math.min(900, 0.6 * taktMs),
    defectShare,
    pkiFolder: join(dataFolder, 'plant-pki'),
    run: images === undefined && 'when-watched',
    ports: {
      camera: cameraPort,
      mes: cameraPort + 1,
      board: cameraPort + 2,
      opcua: port(values['opcua-port'], 'opcua-port'),
      modbus: port(values['modbus-port'], 'modbus-port'),
    },
  });
  const secrets = readSecrets(dataFolder);
  const addresses = {
    streamUrl: plant.camera.streamUrl,
    opcuaUrl: plant.opcua.endpointUrl,
    mesUrl: plant.mes.url,
    boardUrl: plant.boardUrl,
    stationFolder: join(dataFolder, 'station'),
  };
  writeFlow(dataFolder, (flow) => connectPilotFlow(flow, addresses, images));

  const nodeRed = startNodeRed(writeSettings(dataFolder, nodeRedPort, secrets), dataFolder);
  let stopping = false;
  const stop = (code: number): void => {
    if (stopping) return;
    stopping = true;
    if (nodeRed.exitCode === null) nodeRed.kill('SIGTERM');
    const ended = nodeRed.exitCode === null ? new Promise((done) => nodeRed.once('exit', done)) : undefined;
    void Promise.all([ended, plant.close()]).finally(() => process.exit(code));
  };
  nodeRed.once('exit', (code) => stop(code ?? 1));
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop(0));

  const url = `http://127.0.0.1:${nodeRedPort}`;
  await answers(`${url}/`, nodeRed);
  const password =
    secrets.password ?? '(printed at the first start; remove the data folder to make a new one)';
  console.log(`
The pilot station is running.

  Operator page  ${url}/dashboard
  Editor         ${url}/
  User           ${USER}
  Password       ${password}

  MES tickets    ${plant.mes.url}/
  PLC (OPC UA)   ${plant.opcua.endpointUrl}
  Data           ${dataFolder}

It first looks at ${images?.firstParts ?? FIRST_PARTS} good parts and teaches itself; then sign in on the operator page and arm it.
With so many good parts it rejects at most ${images?.alphaPercent ?? ALPHA_PERCENT} % of good parts, 95 % sure.
Stop with Ctrl+C.
`);
}

main().catch((error: unknown) => {
  console.error(
    error instanceof StartError || (error as { code?: string }).code === 'PLANT_PORT_BUSY'
      ? `\n${(error as Error).message}\n`
      : error,
  );
  process.exit(1);
});
