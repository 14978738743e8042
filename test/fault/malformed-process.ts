/**
 * A flow with one of each node of ours that takes messages, and malformed messages to each of them. It runs in a
 * process of its own, so that one that does not live through it is told from one that does.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { findStation } from '../../nodes/inspection-station/lookup.ts';
import type { Message, Node, NodeAPI } from '../../nodes/runtime/types.ts';
import { testImage } from '../support/camera-server.ts';
import { keepArmed } from '../support/fault-load.ts';
import { load, node, unload, useSettings } from '../support/helper.ts';
import { malformed, wholeMessage } from '../support/malformed.ts';
import { meanModel } from '../lib/inference/onnx.ts';

export interface FuzzOrder {
  folder: string;
  plcUrl: string;
  mesUrl: string;
  seed: number;
  /** Messages for each node, by its id. */
  volumes: Record<string, number>;
  /** Longest wait for the outcomes of what was sent together. */
  patienceMs: number;
}

export type FuzzReport =
  | { report: 'ready'; nodeIds: string[] }
  | { report: 'node'; id: string; tally: Tally }
  | { report: 'uncaught'; text: string }
  | { report: 'done' };

/** What became of the messages of one node. */
export interface Tally {
  sent: number;
  /** Ended in messages on outputs. */
  messages: number;
  /** Ended in an error with a code. */
  errors: number;
  /** Something durable, or a window that is not full, has it. */
  takenOver: number;
  /** What must not be, each with the message that did it; the first few. */
  faults: string[];
  faultCount: number;
  codes: Record<string, number>;
  seconds: number;
}

/** Types whose input may be done without a message: where that is documented. */
const MAY_TAKE_OVER: ReadonlySet<string> = new Set(['mes-ticket', 'sensor-window']);
/** Sent before the first is waited for; a node refuses more than 256. */
const TOGETHER = 8;
const MOST_FAULTS = 8;

/** Payloads that differ from a number between 0 and 100. */
const WHOLE: Readonly<Record<string, typeof wholeMessage>> = {
  signals: (number) => {
    const window = { startedAtMs: 1_000 * number, rateHz: 10, samples: 10, units: {} };
    return wholeMessage(number, { features: { mean: number % 7, rms: number % 5 }, zones: {}, window });
  },
  ticket: (number) => wholeMessage(number, [{ name: 'torque', value: number, unit: 'Nm' }]),
};

interface Ended {
  what: string;
  type: string;
  sends: number;
  dones: number;
  error: unknown;
  caught: number;
  uncoded: number;
  /** Whoever sent it had to catch something. */
  threw: boolean;
}

interface Hooks {
  add(name: 'onSend.fuzz', hook: (events: { msg: Message; source: { id: string } }[]) => void): void;
  add(
    name: 'onComplete.fuzz',
    hook: (event: { msg: Message; node: { id: string }; error?: unknown }) => void,
  ): void;
}

/** Of the very Node-RED that the flow runs in. */
const { hooks } = createRequire(createRequire(import.meta.url).resolve('node-red'))('@node-red/util') as {
  hooks: Hooks;
};

function tell(report: FuzzReport): void {
  process.send?.(report);
}

for (const event of ['uncaughtException', 'unhandledRejection'] as const) {
  process.on(event, (error: unknown) => {
    let text = event as string;
    try {
      text = `${event}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`;
    } catch {
      // It cannot even be shown.
    }
    tell({ report: 'uncaught', text });
  });
}

/** The guard off, in two ways: the text of a payload, within a handler that is awaited by nobody and one that is not. */
function registerUnguarded(RED: NodeAPI): void {
  for (const [type, isAsync] of [
    ['unguarded', false],
    ['unguarded-async', true],
  ] as const) {
    RED.nodes.registerType(type, function (this: Node, config) {
      RED.nodes.createNode(this, config);
      this.on('input', (message, send, done) => {
        const answer = (): void => {
          send({ _msgid: message._msgid, payload: String(message.payload) });
          done();
        };
        if (isAsync) return void Promise.resolve().then(answer);
        answer();
      });
    });
  }
}

class Fuzz {
  readonly #ended = new Map<string, Ended>();
  #changed: () => void = () => undefined;
  readonly #order: FuzzOrder;

  constructor(order: FuzzOrder) {
    this.#order = order;
    hooks.add('onSend.fuzz', (events) => {
      const ids = new Set(events.map(({ msg, source }) => `${source.id} ${msg._msgid}`));
      for (const id of ids) this.#note(id, (ended) => (ended.sends += 1));
    });
    hooks.add('onComplete.fuzz', ({ msg, node: { id }, error }) => {
      this.#note(`${id} ${msg._msgid}`, (ended) => {
        ended.dones += 1;
        ended.error = error;
      });
    });
    node('caught').on('input', (message: Message) => {
      const error = message['error'] as { code?: unknown; source?: { id?: string } };
      this.#note(`${error.source?.id} ${message._msgid}`, (ended) => {
        ended.caught += 1;
        if (typeof error.code !== 'string') ended.uncoded += 1;
      });
    });
  }

  async run(id: string, type: string): Promise<Tally> {
    const { seed, volumes, patienceMs } = this.#order;
    const volume = volumes[id] ?? 0;
    const tally: Tally = {
      sent: 0,
      messages: 0,
      errors: 0,
      takenOver: 0,
      faults: [],
      faultCount: 0,
      codes: {},
      seconds: 0,
    };
    const startedAt = performance.now();
    for (let from = 0; from < volume; from += TOGETHER) {
      const keys: string[] = [];
      for (const { what, message } of malformed(
        seed,
        from,
        Math.min(TOGETHER, volume - from),
        WHOLE[id] ?? wholeMessage,
      )) {
        const messageId = `${id}-${from + keys.length}`;
        message['_msgid'] = messageId;
        const key = `${id} ${messageId}`;
        keys.push(key);
        this.#ended.set(key, {
          what,
          type,
          sends: 0,
          dones: 0,
          error: undefined,
          caught: 0,
          uncoded: 0,
          threw: false,
        });
        try {
          node(id).receive(message);
        } catch {
          this.#note(key, (ended) => (ended.threw = true));
        }
      }
      await this.#settled(keys, patienceMs);
      for (const key of keys) this.#judge(key, tally);
    }
    tally.seconds = (performance.now() - startedAt) / 1000;
    return tally;
  }

  #note(key: string, change: (ended: Ended) => void): void {
    const ended = this.#ended.get(key);
    if (ended === undefined) return;
    change(ended);
    this.#changed();
  }

  #settled(keys: readonly string[], patienceMs: number): Promise<void> {
    const isOver = (): boolean =>
      keys.every((key) => {
        const { dones = 0, error, caught = 0 } = this.#ended.get(key) ?? {};
        return dones > 0 && (error === undefined || error === null || caught > 0);
      });
    return new Promise((resolve) => {
      const finish = (): void => {
        clearTimeout(timer);
        this.#changed = () => undefined;
        // One turn more, for what would come twice.
        setImmediate(resolve);
      };
      const timer = setTimeout(finish, patienceMs);
      this.#changed = () => {
        if (isOver()) finish();
      };
      this.#changed();
    });
  }

  #judge(key: string, tally: Tally): void {
    const ended = this.#ended.get(key);
    if (ended === undefined) return;
    const { what, type, sends, dones, error, caught, uncoded, threw } = ended;
    const isError = error !== undefined && error !== null;
    const { code } = Object(error) as { code?: unknown };
    tally.sent += 1;
    if (isError) tally.errors += 1;
    else if (sends > 0) tally.messages += 1;
    else tally.takenOver += 1;
    const said = code === 'UNEXPECTED' ? `UNEXPECTED ${(error as Error).message.slice(0, 80)}` : String(code);
    if (isError) tally.codes[said] = (tally.codes[said] ?? 0) + 1;
    const faults = [
      threw ? 'thrown at the sender' : '',
      dones === 1 ? '' : `${dones} outcomes`,
      isError && sends > 0 ? 'an error and a message' : '',
      isError && typeof code !== 'string' ? 'an error without a code' : '',
      isError && caught === 0 ? 'an error that the Catch node has not heard of' : '',
      uncoded > 0 ? 'the Catch node heard of no code' : '',
      !isError && sends === 0 && dones === 1 && !MAY_TAKE_OVER.has(type) ? 'no message and no error' : '',
    ].filter((fault) => fault !== '');
    if (faults.length > 0) {
      tally.faultCount += 1;
      if (tally.faults.length < MOST_FAULTS) tally.faults.push(`${key} (${what}): ${faults.join(', ')}`);
    }
    // Late tickets carry the same id; what belongs to a message that has been judged is not counted again.
    this.#ended.delete(key);
  }
}

const ours = (id: string, type: string, properties: Record<string, unknown>): FlowEntry => ({
  id,
  type,
  version: type === 'anomaly-score' || type === 'plc-write' || type === 'mes-ticket' ? 2 : 1,
  ...properties,
});
type FlowEntry = Record<string, unknown> & { id: string; type: string };

function flowFor({ folder, plcUrl, mesUrl }: FuzzOrder): FlowEntry[] {
  const placed = { z: 'flow', station: 'station', wires: [['end'], ['end'], ['end']] };
  const channels = [{ name: 'vibration', unit: 'g' }];
  const window = {
    ...placed,
    channels,
    sourceHz: '10',
    rateHz: '10',
    length: '4',
    features: ['mean', 'rms'],
  };
  return [
    { id: 'flow', type: 'tab' },
    ours('station', 'inspection-station', { name: 'Press 4', autonomy: 'act', deadlineMs: '60000' }),
    ours('plc', 'plc-endpoint', { name: 'PLC', protocol: 'opcua', endpointUrl: plcUrl }),
    ours('mes', 'mes-endpoint', { name: 'MES', baseUrl: mesUrl }),
    ours('camera', 'camera-capture', {
      ...placed,
      source: 'folder',
      folder: join(folder, 'images'),
      folderMode: 'cycle',
      trigger: 'message',
      health: false,
    }),
    ours('window', 'sensor-window', { ...window, clock: 'rate' }),
    ours('timed', 'sensor-window', { ...window, clock: 'timestamps', timeProperty: 'time' }),
    ours('infer', 'onnx-infer-gpu', { ...placed, model: 'mean.onnx', task: 'raw', providers: ['cpu'] }),
    ours('pictures', 'anomaly-score', { ...placed, looks: 'pictures', model: 'pictures', teaching: 'none' }),
    ours('signals', 'anomaly-score', {
      ...placed,
      looks: 'signals',
      model: 'signals',
      signalTeaching: 'first-parts',
      windows: '1000',
    }),
    ours('gate', 'tolerance-gate', {
      ...placed,
      scoreProperty: 'inspection.anomaly.score',
      mode: 'fixed',
      threshold: '0.5',
      fallback: 'review',
    }),
    ours('write', 'plc-write', {
      ...placed,
      endpoint: 'plc',
      tag: 'ns=1;s=Speed',
      value: 'payload',
      valueType: 'msg',
      dataType: 'Float',
      min: '10',
      max: '90',
      maxPerMinute: '60000',
      settleMs: '0',
    }),
    ours('read', 'plc-read', {
      ...placed,
      endpoint: 'plc',
      tags: [{ tag: 'ns=1;s=Torque', name: 'torque' }],
    }),
    ours('ticket', 'mes-ticket', {
      ...placed,
      endpoint: 'mes',
      defectClass: 'topic',
      defectClassType: 'msg',
      measurements: 'payload',
    }),
    { ...placed, id: 'unguarded', type: 'unguarded' },
    { ...placed, id: 'unguarded-async', type: 'unguarded-async' },
    { id: 'end', type: 'helper', z: 'flow' },
    { id: 'caught', type: 'helper', z: 'flow' },
    { id: 'catch', type: 'catch', z: 'flow', wires: [['caught']] },
  ];
}

async function registers(): Promise<((RED: NodeAPI) => void)[]> {
  const types = [
    'inspection-station',
    'plc-endpoint',
    'mes-endpoint',
    'camera-capture',
    'sensor-window',
    'onnx-infer-gpu',
    'anomaly-score',
    'tolerance-gate',
    'plc-write',
    'plc-read',
    'mes-ticket',
  ];
  const modules = types.map(async (type) => {
    const module = (await import(`../../nodes/${type}/${type}.ts`)) as { default: (RED: NodeAPI) => void };
    return module.default;
  });
  return Promise.all(modules);
}

async function fuzz(order: FuzzOrder): Promise<void> {
  const { folder, volumes } = order;
  for (const name of ['images', 'models']) mkdirSync(join(folder, name));
  writeFileSync(join(folder, 'models', 'mean.onnx'), meanModel());
  writeFileSync(join(folder, 'images', 'part.jpg'), await testImage(1, 64, 48));
  useSettings({ userDir: folder, jidokaModelFolder: join(folder, 'models') });
  const flow = flowFor(order);
  await load([registerUnguarded, ...(await registers())], flow);
  const stopArming = await keepArmed(findStation('station'));
  const run = new Fuzz(order);
  // A part in front of all, so that whatever has to start has started.
  for (const id of Object.keys(volumes)) node(id).receive({ ...wholeMessage(0), _msgid: `first-${id}` });
  for (const id of Object.keys(volumes)) {
    const { type = '' } = flow.find((entry) => entry.id === id) ?? {};
    tell({ report: 'node', id, tally: await run.run(id, type) });
  }
  stopArming();
  await unload();
  tell({ report: 'done' });
}

process.on('disconnect', () => process.exit());
process.once('message', (order: FuzzOrder) => {
  void fuzz(order).finally(() => process.disconnect());
});
