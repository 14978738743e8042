/**
 * The plant in a box: a stamping line with its camera, its PLC (OPC UA and Modbus TCP) and its MES, all
 * real servers on 127.0.0.1, and a board that tells what is true. `node plant/plant.ts` runs it alone.
 */
import { createServer } from 'node:http';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { Camera, type CameraFaults, type CameraOptions } from './camera.ts';
import { PlantError } from './errors.ts';
import { sendJson, sendProblem } from './http.ts';
import { Line, type LineCounts, type LineOptions, type Part } from './line.ts';
import { Mes, type MesFaults, type MesOptions, type MesTicket } from './mes.ts';
import { type ModbusPlc, startModbus } from './modbus.ts';
import { type OpcuaPlc, startOpcua } from './opcua.ts';
import { folderPictures, paintedPictures, type PictureSource } from './pictures.ts';
import { PlcMemory, type PlcWrite } from './plc-memory.ts';
import { HOST, listen, shut } from './ports.ts';

export interface PlantOptions extends Omit<LineOptions, 'plc'> {
  /** Absent or 0: a free one. */
  ports?: { camera?: number; opcua?: number; modbus?: number; mes?: number; board?: number };
  /** A folder of the user's own images, instead of the painted parts. */
  images?: string;
  /** Picture size in pixels; 960 × 720 unless told. */
  width?: number;
  height?: number;
  cameraCredentials?: NonNullable<CameraOptions['credentials']>;
  mesToken?: NonNullable<MesOptions['token']>;
  pkiFolder?: string;
  /**
   * `true` (unless told) starts the line at once; `when-watched` when somebody first looks through the
   * camera, so that no set-up part is missed; `false` leaves it to `line.step()` or `line.start()`.
   */
  run?: boolean | 'when-watched';
}

export interface PartTruth {
  sequence: number;
  /** Null for good; `unknown kind` for an image the user filed under bad. */
  defect: string | null;
  bad: boolean | null;
  /** Where the defect is in the picture: left, top, width, height. Set once the picture is made. */
  box: [number, number, number, number] | null;
  fate: Part['fate'];
}

export interface Plant {
  line: Line;
  plc: PlcMemory;
  camera: {
    url: string;
    snapshotUrl: string;
    streamUrl: string;
    faults: CameraFaults;
    /** Breaks its connections and refuses new ones; and the way back. */
    kill(): Promise<void>;
    revive(): Promise<void>;
    viewers(): number;
  };
  opcua: { endpointUrl: string; port: number; writes: readonly PlcWrite[] };
  modbus: { host: string; port: number };
  mes: {
    url: string;
    tickets: readonly MesTicket[];
    faults: MesFaults;
    requests: Mes['requests'];
    evidence(sha256: string): Buffer | undefined;
  };
  /** `GET` it for what {@link boardOf} says. */
  boardUrl: string;
  /** By part id; the newest ten thousand. */
  truth: ReadonlyMap<string, PartTruth>;
  counts: LineCounts;
  /** Settles once every picture triggered so far is shown. */
  settled(): Promise<void>;
  close(): Promise<void>;
}

const KEPT_TRUTHS = 10_000;
const AHEAD = 2;

/**
 * Starts all of it; about a second.
 * @throws PlantError PLANT_PORT_BUSY, PLANT_NO_IMAGES
 */
export async function startPlant(options: PlantOptions = {}): Promise<Plant> {
  const ports = options.ports ?? {};
  const plc = new PlcMemory();
  // Two runs must not share part ids: a station's journal outlives the run.
  const batch =
    options.batch ??
    Math.floor(Date.now() / 1000)
      .toString(36)
      .toUpperCase();
  const line = new Line({ ...options, batch, plc });
  const truth = new Map<string, PartTruth>();
  const state = { ready: false, watched: false };
  const closers: (() => Promise<void>)[] = [];
  const close = async (): Promise<void> => {
    line.stop();
    for (const closer of closers.splice(0).reverse()) await closer();
    plc.close();
  };
  try {
    const pictures = await openPictures(options);
    closers.push(() => pictures.close());
    line.judgeBy((plan) => pictures.bad(plan));
    // The painter warms up (about a second) while the servers start.
    const first = pictures.picture(line.plan(1));

    const camera = new Camera({
      port: ports.camera ?? 0,
      onFirstLook: () => {
        state.watched = true;
        if (state.ready && options.run === 'when-watched') line.start();
      },
      ...(options.cameraCredentials === undefined ? {} : { credentials: options.cameraCredentials }),
    });
    await camera.open();
    closers.push(() => camera.close());
    const mes = new Mes({
      port: ports.mes ?? 0,
      ...(options.mesToken === undefined ? {} : { token: options.mesToken }),
    });
    await mes.open();
    closers.push(() => mes.close());
    const board = createServer((request, response) => {
      const { pathname } = new URL(request.url ?? '/', 'http://board');
      if (request.method === 'GET' && pathname === '/line.json')
        sendJson(response, 200, boardOf(line, truth));
      else sendProblem(response, 404, 'There is GET /line.json');
    });
    const boardPort = await listen(board, ports.board ?? 0, 'line board');
    closers.push(() => shut(board));
    const modbus: ModbusPlc = await startModbus({ plc, port: ports.modbus ?? 0 });
    closers.push(() => modbus.close());
    const opcua: OpcuaPlc = await startOpcua({
      plc,
      port: ports.opcua ?? 0,
      ...(options.pkiFolder === undefined ? {} : { pkiFolder: options.pkiFolder }),
    });
    closers.push(() => opcua.close());

    const settled = connect(line, camera, pictures, truth);
    await first;
    state.ready = true;
    const run = options.run ?? true;
    if (run === true || (run === 'when-watched' && state.watched)) line.start();
    return {
      line,
      plc,
      camera: {
        url: camera.url,
        snapshotUrl: camera.snapshotUrl,
        streamUrl: camera.streamUrl,
        faults: camera.faults,
        kill: () => camera.kill(),
        revive: () => camera.revive(),
        viewers: () => camera.viewers,
      },
      opcua,
      modbus,
      mes: {
        url: mes.url,
        tickets: mes.tickets,
        faults: mes.faults,
        requests: mes.requests,
        evidence: (sha256) => mes.evidence(sha256),
      },
      boardUrl: `http://${HOST}:${boardPort}/line.json`,
      truth,
      counts: line.counts,
      settled,
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

async function openPictures(options: PlantOptions): Promise<PictureSource> {
  if (options.images !== undefined) {
    return folderPictures(options.images, options.seed ?? 1, options.goodParts ?? 80);
  }
  return paintedPictures({
    ...(options.width === undefined ? {} : { width: options.width }),
    ...(options.height === undefined ? {} : { height: options.height }),
  });
}

/** Each part under the camera is photographed, and what is true of it is written down. */
function connect(
  line: Line,
  camera: Camera,
  pictures: PictureSource,
  truth: Map<string, PartTruth>,
): () => Promise<void> {
  let last = Promise.resolve();
  line.on('part', (part) => {
    const entry: PartTruth = {
      sequence: part.sequence,
      defect: pictures.defect(part),
      bad: part.bad,
      box: null,
      fate: part.fate,
    };
    truth.set(part.id, entry);
    if (truth.size > KEPT_TRUTHS) truth.delete(truth.keys().next().value ?? '');
    const picture = pictures.picture(part).then(({ jpeg, box }) => {
      entry.box = box;
      return jpeg;
    });
    last = camera.trigger(part.id, picture);
    for (let ahead = 1; ahead <= AHEAD; ahead++) void pictures.picture(line.plan(part.sequence + ahead)).catch(() => undefined); // prettier-ignore
  });
  line.on('fate', (part) => {
    const entry = truth.get(part.id);
    if (entry !== undefined) entry.fate = part.fate;
  });
  return () => last;
}

/** What the board shows: counts against the truth, the PLC's state, and the last 20 parts. */
export function boardOf(line: Line, truth: ReadonlyMap<string, PartTruth>): Record<string, unknown> {
  const { plc } = line;
  return {
    taktMs: line.taktMs,
    travelMs: line.travelMs,
    counts: line.counts,
    feederEnable: plc.get('FeederEnable'),
    rejectGate: plc.get('RejectGate'),
    manual: plc.get('Manual'),
    torqueSetpoint: plc.get('TorqueSetpoint'),
    heartbeat: plc.get('Heartbeat'),
    parts: Array.from(truth, ([id, entry]) => ({ id, ...entry }))
      .slice(-20)
      .reverse(),
  };
}

function readPort(text: string | undefined, fallback: number): number {
  if (text === undefined) return fallback;
  return wholeNumber('a port', text, 0, 65_535);
}

function wholeNumber(name: string, text: string, low: number, high: number): number {
  const value = Number(text);
  if (text.trim() !== '' && Number.isInteger(value) && value >= low && value <= high) return value;
  throw new PlantError(
    'PLANT_BAD_OPTION',
    `${name} must be a whole number from ${low} to ${high}, not "${text}".`,
  );
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      takt: { type: 'string', default: '1500' },
      travel: { type: 'string', default: '900' },
      seed: { type: 'string', default: '1' },
      'good-parts': { type: 'string', default: '80' },
      images: { type: 'string' },
      'camera-port': { type: 'string' },
      'opcua-port': { type: 'string' },
      'modbus-port': { type: 'string' },
      'mes-port': { type: 'string' },
      'board-port': { type: 'string' },
    },
  });
  const plant = await startPlant({
    taktMs: wholeNumber('--takt', values.takt, 20, 3_600_000),
    travelMs: wholeNumber('--travel', values.travel, 1, 3_600_000),
    seed: wholeNumber('--seed', values.seed, 0, 0xffffffff),
    goodParts: wholeNumber('--good-parts', values['good-parts'], 0, 1_000_000),
    ...(values.images === undefined ? {} : { images: values.images }),
    ports: {
      camera: readPort(values['camera-port'], 18_080),
      opcua: readPort(values['opcua-port'], 14_840),
      modbus: readPort(values['modbus-port'], 15_020),
      mes: readPort(values['mes-port'], 18_081),
      board: readPort(values['board-port'], 18_082),
    },
  });
  console.log(`The line runs.
  camera   ${plant.camera.snapshotUrl}
           ${plant.camera.streamUrl}
  OPC UA   ${plant.opcua.endpointUrl}   (ns=1;s=Line.RejectGate, …)
  Modbus   ${plant.modbus.host}:${plant.modbus.port}
  MES      ${plant.mes.url}
  board    ${plant.boardUrl}
Ctrl+C stops it.`);
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => void plant.close());
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  main().catch((error: unknown) => {
    const known = error instanceof PlantError || (error instanceof Error && 'code' in error);
    const hint = error instanceof PlantError ? error.hint : undefined;
    console.error(known ? `${error.message}${hint === undefined ? '' : ` ${hint}`}` : error);
    process.exitCode = 1;
  });
}
