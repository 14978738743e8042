/**
 * Runs one Node-RED for the tests: the child process behind `startNodeRed`. It takes its orders over
 * the IPC channel and ends, with everything it started, when that channel closes.
 */
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import { countTimers, holdings, listenersOf, type Emitter, type Holdings } from './holdings.ts';
import { messageFaults } from './message-rule.ts';

/** What the parent asks for. */
export type Order =
  | {
      order: 'start';
      /** Path of Node-RED's main module, 4.1 or 5. */
      module: string;
      settings: Record<string, unknown>;
      users: { username: string; password: string; permissions: string | readonly string[] }[];
      /** Types whose outgoing messages must keep the rule of the wire. */
      ourTypes: string[];
      /** Nodes whose incoming messages are reported as those of debug nodes are. */
      watched: readonly string[];
      /** Counts timers from the start, for `holdings`. */
      countsTimers: boolean;
    }
  | { order: 'send'; nodeId: string; message: Record<string, unknown> }
  | { order: 'holdings' }
  | { order: 'stop' };

/** What the parent is told. */
export type Report =
  | { report: 'ready'; port: number }
  | { report: 'refused'; reason: string }
  | { report: 'log'; level: number; text: string; type?: string; id?: string }
  | { report: 'flows'; state: 'started' | 'missing-types' }
  | { report: 'status'; nodeId: string; status: { fill?: string; shape?: string; text?: string } }
  | { report: 'message'; nodeId: string; message: Record<string, unknown> }
  | { report: 'checked'; type: string }
  | { report: 'fault'; nodeId: string; type: string; fault: string }
  | { report: 'holdings'; holdings: Holdings }
  | { report: 'stopped' };

interface RuntimeNode {
  id: string;
  type: string;
  receive: (message: Record<string, unknown>) => void;
}

interface SendEvent {
  msg: Record<string, unknown>;
  source: { id: string; node?: RuntimeNode };
}

interface ReceiveEvent {
  msg: Record<string, unknown>;
  destination: { id: string; node?: RuntimeNode };
}

interface LogMessage {
  level: number;
  msg: unknown;
  type?: string;
  id?: string;
}

/** The part of the `node-red` module used here; the same in 4.1 and 5. */
interface Runtime {
  init(server: unknown, settings: Record<string, unknown>): void;
  start(): Promise<void>;
  stop(): Promise<void>;
  readonly httpAdmin: unknown;
  readonly httpNode: unknown;
  readonly nodes: { getNode(id: string): RuntimeNode | null };
  readonly events: Emitter & {
    on(name: 'flows:started', listener: () => void): void;
    on(
      name: 'node-status',
      listener: (event: { id: string; status: { fill?: string; shape?: string; text?: string } }) => void,
    ): void;
    on(name: 'runtime-event', listener: (event: { id: string; payload?: { error?: string } }) => void): void;
  };
  readonly hooks: {
    add(name: 'onSend.test', listener: (events: SendEvent[]) => void): void;
    add(name: 'onReceive.test', listener: (event: ReceiveEvent) => void): void;
  };
}

let runtime: Runtime | undefined;
let timers: () => Holdings = () => ({});

function tell(report: Report): void {
  if (process.connected) process.send?.(report);
}

/** Without what cannot cross a process: request and response of HTTP nodes, functions. */
function portable(message: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(message).filter(
      ([key, value]) => key !== 'req' && key !== 'res' && typeof value !== 'function',
    ),
  );
}

function textOf(message: unknown): string {
  if (message instanceof Error) {
    // An error with a code was meant; any other one is worth its stack.
    return 'code' in message ? String(message) : (message.stack ?? message.message);
  }
  return typeof message === 'string' ? message : JSON.stringify(message);
}

function observe(red: Runtime, ourTypes: ReadonlySet<string>, watched: ReadonlySet<string>): void {
  red.events.on('flows:started', () => tell({ report: 'flows', state: 'started' }));
  red.events.on('runtime-event', ({ id, payload }) => {
    if (id === 'runtime-state' && payload?.error === 'missing-types') {
      tell({ report: 'flows', state: 'missing-types' });
    }
  });
  red.events.on('node-status', ({ id, status }) => tell({ report: 'status', nodeId: id, status }));
  const checked = new Set<string>();
  red.hooks.add('onSend.test', (events) => {
    for (const { msg, source } of events) {
      if (source.node === undefined || !ourTypes.has(source.node.type)) continue;
      const { type } = source.node;
      if (!checked.has(type)) tell({ report: 'checked', type });
      checked.add(type);
      for (const fault of messageFaults(msg)) {
        tell({ report: 'fault', nodeId: source.id, type, fault });
      }
    }
  });
  red.hooks.add('onReceive.test', ({ msg, destination }) => {
    if (destination.node?.type === 'debug' || (destination.node && watched.has(destination.id))) {
      tell({ report: 'message', nodeId: destination.id, message: portable(msg) });
    }
  });
}

async function start(order: Order & { order: 'start' }): Promise<void> {
  if (order.countsTimers) timers = countTimers();
  // Node-RED's own express and bcryptjs, whichever release it is.
  const load = createRequire(order.module);
  const red = load(order.module) as Runtime;
  const express = load('express') as () => {
    (request: unknown, response: unknown): void;
    use(path: string, handler: unknown): void;
  };
  const { hashSync } = load('bcryptjs') as { hashSync: (text: string, rounds: number) => string };

  const application = express();
  const server = createServer(application);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;

  const settings: Record<string, unknown> = {
    ...order.settings,
    uiHost: '127.0.0.1',
    uiPort: port,
    logging: {
      console: { level: 'off' },
      test: {
        level: 'info',
        handler:
          () =>
          ({ level, msg, type, id }: LogMessage) =>
            tell({
              report: 'log',
              level,
              text: textOf(msg),
              ...(type === undefined ? {} : { type }),
              ...(id === undefined ? {} : { id }),
            }),
      },
    },
  };
  if (order.users.length > 0) {
    // Four rounds: the hash only has to be of the right form here.
    settings['adminAuth'] = {
      type: 'credentials',
      users: order.users.map((user) => ({ ...user, password: hashSync(user.password, 4) })),
    };
  }

  red.init(server, settings);
  runtime = red;
  observe(red, new Set(order.ourTypes), new Set(order.watched));
  application.use(
    typeof settings['httpAdminRoot'] === 'string' ? settings['httpAdminRoot'] : '/',
    red.httpAdmin,
  );
  application.use('/', red.httpNode);
  await red.start();
  tell({ report: 'ready', port });
}

async function obey(order: Order): Promise<void> {
  switch (order.order) {
    case 'start':
      await start(order);
      return;
    case 'send': {
      const node = runtime?.nodes.getNode(order.nodeId);
      if (node) node.receive(order.message);
      else tell({ report: 'refused', reason: `no node ${order.nodeId} is running` });
      return;
    }
    case 'holdings': {
      const listeners = {
        ...listenersOf('process', process),
        ...listenersOf('RED', runtime?.events ?? process),
      };
      tell({ report: 'holdings', holdings: { ...(await holdings()), ...listeners, ...timers() } });
      return;
    }
    case 'stop':
      await runtime?.stop();
      tell({ report: 'stopped' });
  }
}

/** Takes the whole process group along, so that nothing a node started outlives the test. */
function end(): void {
  process.kill(-process.pid, 'SIGKILL');
}

process.on('disconnect', end);
process.on('message', (order: Order) => {
  obey(order).catch((error: unknown) => {
    tell({
      report: 'refused',
      reason: error instanceof Error ? (error.stack ?? error.message) : String(error),
    });
  });
});
