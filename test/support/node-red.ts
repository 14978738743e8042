/**
 * A real Node-RED for tests, 4.1 or 5, in a process of its own with this package loaded from `dist`.
 *
 * Looking and poking needs no node of ours in the flow:
 * - `send(nodeId, message)` hands a message to any running node, as a wire would.
 * - Every message that reaches a `debug` node, or one that is `watched`, is reported: put one where you want to
 *   look and read it with `nextMessage(debugId)`. Frames arrive as their plain properties, Buffers as Buffers.
 * - Every message our nodes send, anywhere, is held against the rule of the wire (`messageFaults`);
 *   what broke it is in `faults()`, and `stop()` throws when there is something.
 *
 * The process is killed with its group when it is stopped and when the test process ends in any way.
 */
import { execFileSync, fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Holdings } from './holdings.ts';
import type { Order, Report } from './node-red-process.ts';
import { repositoryRoot } from './shared.ts';

export type NodeRedVersion = '4.1' | '5';
export const nodeRedVersions: readonly NodeRedVersion[] = ['4.1', '5'];

/** Node modules of other people that lie in our node_modules; loaded only where a test asks for them. */
const FOREIGN_MODULES: Readonly<Record<string, string>> = {
  '@flowfuse/node-red-dashboard': 'node-red-dashboard',
  'node-red-contrib-opcua': 'node-red-contrib-opcua',
};

/** Node-RED's numbers for `logs()`. */
export const LOG_LEVEL = { fatal: 10, error: 20, warn: 30, info: 40 } as const;

export interface FlowNode {
  id: string;
  type: string;
  [property: string]: unknown;
}

export interface NodeRedOptions {
  version: NodeRedVersion;
  /** A folder of the caller's; without one a temporary folder is made and removed. */
  userDir?: string;
  /** What runs from the start; `deploy` replaces it. */
  flows?: readonly FlowNode[];
  /** Further entries of settings.js; plain data, since they cross a process. */
  settings?: Record<string, unknown>;
  /** Folders with node modules; default this repository. */
  nodesDir?: readonly string[];
  /** Modules of other people to load beside ours: `@flowfuse/node-red-dashboard`, `node-red-contrib-opcua`. */
  modules?: readonly string[];
  env?: Readonly<Record<string, string>>;
  /** Turns sign-in on, with these people. */
  users?: readonly { username: string; password: string; permissions?: string | readonly string[] }[];
  /** Further nodes whose incoming messages are reported, as those of debug nodes are. */
  watched?: readonly string[];
  /** Lets `holdings` count every timer. */
  countsTimers?: boolean;
  /** Default 60 s: two cores, other tests, and the OPC UA module alone takes 5 s to load. */
  startTimeoutMs?: number;
}

export interface LogLine {
  level: number;
  text: string;
  /** Type of the node that said it. */
  type?: string;
  /** Id of the node that said it. */
  id?: string;
}

export interface NodeStatus {
  fill?: string;
  shape?: string;
  text?: string;
}

export interface WaitOptions {
  timeoutMs?: number;
}

type ReceivedMessage = Record<string, unknown>;

/** The types this package registers, as package.json lists them. */
export function ourNodeTypes(): string[] {
  const packageJson = JSON.parse(readFileSync(join(repositoryRoot, 'package.json'), 'utf8')) as {
    'node-red': { nodes: Record<string, string> };
  };
  return Object.keys(packageJson['node-red'].nodes);
}

let built = false;

/** Compiles the package into `dist` where a source is newer; once per test process. */
export function buildPackage(): void {
  if (built) return;
  execFileSync(process.execPath, ['tools/build.ts', '--if-changed'], { cwd: repositoryRoot, stdio: 'pipe' });
  built = true;
}

const running = new Set<ChildProcess>();

function killGroup(child: ChildProcess): void {
  running.delete(child);
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, 'SIGKILL');
  } catch {
    // It has ended already.
  }
}

process.once('exit', () => running.forEach(killGroup));

export class NodeRed {
  readonly version: NodeRedVersion;
  readonly userDir: string;
  readonly #ownsUserDir: boolean;
  readonly #child: ChildProcess;
  readonly #logs: LogLine[] = [];
  readonly #messages = new Map<string, ReceivedMessage[]>();
  readonly #read = new Map<string, number>();
  readonly #statuses = new Map<string, NodeStatus[]>();
  readonly #faults: string[] = [];
  readonly #checkedTypes = new Set<string>();
  readonly #checks = new Set<() => void>();
  #output = '';
  #url = '';
  #refusal: string | undefined;
  #starts = 0;
  #missingTypes = false;
  #stopped = false;
  #holdings: Holdings | undefined;
  #ended = false;
  #token: string | undefined;

  constructor(child: ChildProcess, version: NodeRedVersion, userDir: string, ownsUserDir: boolean) {
    this.#child = child;
    this.version = version;
    this.userDir = userDir;
    this.#ownsUserDir = ownsUserDir;
    child.on('message', (report: Report) => {
      this.#take(report);
      this.#check();
    });
    child.once('exit', (code, signal) => {
      this.#ended = true;
      this.#refusal ??= `Node-RED ended by itself (${signal ?? code ?? 'unknown'})`;
      running.delete(child);
      this.#check();
    });
    const keep = (text: unknown): void => {
      this.#output = (this.#output + String(text)).slice(-20_000);
    };
    child.stdout?.on('data', keep);
    child.stderr?.on('data', keep);
    // One that a failed test left behind must not keep the test run from ending (and it from being killed).
    child.unref();
    child.channel?.unref();
    for (const stream of [child.stdout, child.stderr]) (stream as Socket | null)?.unref();
  }

  /** `http://127.0.0.1:<port>`; the editor and the HTTP nodes share it. */
  get url(): string {
    return this.#url;
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  logs(): readonly LogLine[] {
    return this.#logs;
  }

  /** What went to stdout and stderr past Node-RED's log: a crash, a library's banner. */
  output(): string {
    return this.#output;
  }

  /** Breaches of the rule of the wire by our nodes. */
  faults(): readonly string[] {
    return this.#faults;
  }

  /** Types of ours whose outgoing messages have been held against the rule. */
  checkedTypes(): ReadonlySet<string> {
    return this.#checkedTypes;
  }

  waitForLog(pattern: RegExp, { timeoutMs = 10_000 }: WaitOptions = {}): Promise<LogLine> {
    return this.#until(
      () => this.#logs.find(({ text }) => pattern.test(text)),
      `a log line ${pattern}`,
      timeoutMs,
    );
  }

  /** The statuses a node has shown since the start, oldest first. */
  statuses(nodeId: string): readonly NodeStatus[] {
    return this.#statuses.get(nodeId) ?? [];
  }

  /** Resolves when the node's present status fits. */
  waitForStatus(
    nodeId: string,
    fits: (status: NodeStatus) => boolean,
    { timeoutMs = 10_000 }: WaitOptions = {},
  ): Promise<NodeStatus> {
    return this.#until(
      () => {
        const status = this.statuses(nodeId).at(-1);
        return status !== undefined && fits(status) ? status : undefined;
      },
      `the expected status of ${nodeId}`,
      timeoutMs,
    );
  }

  /** Everything that has reached this debug node, oldest first. */
  messages(nodeId: string): readonly ReceivedMessage[] {
    return this.#messages.get(nodeId) ?? [];
  }

  /** The oldest message at this debug node that has not been read yet. */
  nextMessage(nodeId: string, { timeoutMs = 10_000 }: WaitOptions = {}): Promise<ReceivedMessage> {
    return this.#until(
      () => {
        const position = this.#read.get(nodeId) ?? 0;
        const message = this.messages(nodeId)[position];
        if (message !== undefined) this.#read.set(nodeId, position + 1);
        return message;
      },
      `a message at ${nodeId}`,
      timeoutMs,
    );
  }

  /** Hands a message to a running node, as a wire would. */
  send(nodeId: string, message: Record<string, unknown>): void {
    this.#order({ order: 'send', nodeId, message });
  }

  /** Asks the admin API or an HTTP node, as the person signed in where somebody is. */
  async request(path: string, init: RequestInit = {}): Promise<Response> {
    const headers = new Headers(init.headers);
    if (this.#token !== undefined && !headers.has('authorization')) {
      headers.set('authorization', `Bearer ${this.#token}`);
    }
    return fetch(new URL(path, this.#url), { ...init, headers });
  }

  /** Signs a person in; later requests are theirs. Returns the bearer token. */
  async signIn(username: string, password: string, scope = '*'): Promise<string> {
    const response = await fetch(new URL('/auth/token', this.#url), {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({
        client_id: 'node-red-admin',
        grant_type: 'password',
        scope,
        username,
        password,
      }),
    });
    if (!response.ok) throw new Error(`signing in as ${username} was answered with ${response.status}`);
    const { access_token: token } = (await response.json()) as { access_token: string };
    this.#token = token;
    return token;
  }

  /** What the process holds of the machine: files, sockets, children, threads, timers, listeners. */
  holdings(): Promise<Holdings> {
    this.#holdings = undefined;
    this.#order({ order: 'holdings' });
    return this.#until(() => this.#holdings, 'what it holds', 10_000);
  }

  /**
   * Replaces all flows, or of them the nodes that changed, and resolves when they run; throws when a node type is
   * missing.
   */
  async deploy(flows: readonly FlowNode[], type: 'full' | 'nodes' = 'full'): Promise<void> {
    const before = this.#starts;
    this.#missingTypes = false;
    const response = await this.request('/flows', {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'Node-RED-Deployment-Type': type },
      body: JSON.stringify(flows),
    });
    if (!response.ok) {
      throw new Error(`deploying was answered with ${response.status}: ${await response.text()}`);
    }
    await this.#flowsRunning(before);
  }

  /** Ends the process as a crash does, in the middle of whatever it does; what it has told us by then is read. */
  async kill(): Promise<void> {
    if (!this.#ended) {
      const gone = once(this.#child, 'close');
      this.#child.kill('SIGKILL');
      await gone;
    }
    killGroup(this.#child);
  }

  /** Stops the flows, ends the process and its group. Throws when a message of ours broke the rule of the wire. */
  async stop(): Promise<void> {
    this.#child.ref();
    if (!this.#ended && this.#child.connected) {
      this.#order({ order: 'stop' });
      // Node-RED itself waits 15 s for a node that does not close.
      await this.#until(() => this.#stopped || undefined, 'Node-RED to stop', 20_000).catch(() => undefined);
    }
    const gone = this.#ended ? Promise.resolve() : once(this.#child, 'exit');
    killGroup(this.#child);
    await gone;
    if (this.#ownsUserDir) rmSync(this.userDir, { recursive: true, force: true });
    if (this.#faults.length > 0) {
      throw new Error(`messages broke the rule of the wire:\n  ${[...new Set(this.#faults)].join('\n  ')}`);
    }
  }

  /** For `startNodeRed`: gives the order to start and resolves when the flows run. */
  async begin(order: Order, timeoutMs: number): Promise<void> {
    this.#order(order);
    await this.#until(() => (this.#url === '' ? undefined : this.#url), 'Node-RED to start', timeoutMs);
    await this.#flowsRunning(0);
  }

  async #flowsRunning(before: number): Promise<void> {
    await this.#until(
      () => this.#missingTypes || this.#starts > before || undefined,
      'the flows to run',
      30_000,
    );
    if (this.#missingTypes) {
      const lines = this.#logs.map(({ text }) => text);
      const from = lines.findLastIndex((text) => /missing types/i.test(text));
      throw new Error(`the flows need node types that are not there: ${lines.slice(from + 1).join(' ')}`);
    }
  }

  #order(order: Order): void {
    this.#child.send(order);
  }

  #take(report: Report): void {
    switch (report.report) {
      case 'ready':
        this.#url = `http://127.0.0.1:${report.port}`;
        break;
      case 'refused':
        this.#refusal = report.reason;
        break;
      case 'log': {
        const { level, text, type, id } = report;
        this.#logs.push({
          level,
          text,
          ...(type === undefined ? {} : { type }),
          ...(id === undefined ? {} : { id }),
        });
        break;
      }
      case 'flows':
        if (report.state === 'started') this.#starts += 1;
        else this.#missingTypes = true;
        break;
      case 'status':
        append(this.#statuses, report.nodeId, report.status);
        break;
      case 'message':
        append(this.#messages, report.nodeId, report.message);
        break;
      case 'checked':
        this.#checkedTypes.add(report.type);
        break;
      case 'fault':
        this.#faults.push(`${report.type} (${report.nodeId}): ${report.fault}`);
        break;
      case 'holdings':
        this.#holdings = report.holdings;
        break;
      case 'stopped':
        this.#stopped = true;
    }
  }

  #check(): void {
    for (const check of [...this.#checks]) check();
  }

  /** Resolves with the first value `read` gives; it is asked again after every report of the child. */
  #until<Value>(read: () => Value | undefined, what: string, timeoutMs: number): Promise<Value> {
    return new Promise((resolve, reject) => {
      const finish = (): void => {
        clearTimeout(timer);
        this.#checks.delete(check);
      };
      const give = (reason: string): void => {
        finish();
        const last = this.#logs.slice(-15).map(({ text }) => text);
        reject(
          new Error(`waited for ${what}: ${reason}\n${[...last, this.#output.slice(-2_000)].join('\n')}`),
        );
      };
      const check = (): void => {
        const value = read();
        if (value !== undefined) {
          finish();
          resolve(value);
        } else if (this.#refusal !== undefined) give(this.#refusal);
      };
      const timer = setTimeout(() => give(`nothing within ${timeoutMs} ms`), timeoutMs);
      this.#checks.add(check);
      check();
    });
  }
}

function append<Item>(lists: Map<string, Item[]>, key: string, item: Item): void {
  const list = lists.get(key);
  if (list === undefined) lists.set(key, [item]);
  else list.push(item);
}

/** Starts a Node-RED and resolves when its flows run. */
export async function startNodeRed(options: NodeRedOptions): Promise<NodeRed> {
  const { version, flows = [], modules = [], users = [] } = options;
  if (options.nodesDir === undefined) buildPackage();
  const userDir = options.userDir ?? mkdtempSync(join(tmpdir(), 'jidoka-node-red-'));
  writeFileSync(join(userDir, 'flows.json'), JSON.stringify(flows));

  const child = fork(join(import.meta.dirname, 'node-red-process.ts'), [], {
    cwd: userDir,
    // A group of its own, so that it can be killed with whatever its nodes started.
    detached: true,
    env: { ...process.env, NODE_RED_HOME: userDir, ...options.env },
    execArgv: [],
    serialization: 'advanced',
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  });
  running.add(child);
  const nodeRed = new NodeRed(child, version, userDir, options.userDir === undefined);
  const require = createRequire(import.meta.url);
  try {
    await nodeRed.begin(
      {
        order: 'start',
        module: require.resolve(version === '5' ? 'node-red' : 'node-red-4'),
        settings: {
          userDir,
          flowFile: 'flows.json',
          credentialSecret: 'for tests only',
          nodesDir: [...(options.nodesDir ?? [repositoryRoot])],
          // Node-RED finds what lies in our node_modules by itself; these only load when asked for.
          nodesExcludes: Object.entries(FOREIGN_MODULES)
            .filter(([name]) => !modules.includes(name))
            .map(([, folder]) => folder),
          telemetry: { enabled: false, updateNotification: false },
          externalModules: { autoInstall: false, palette: { allowInstall: false, allowUpload: false } },
          editorTheme: { tours: false },
          // The MES of a test runs beside it.
          jidokaAllowedHosts: ['localhost', '*'],
          ...options.settings,
        },
        users: users.map(({ username, password, permissions = '*' }) => ({
          username,
          password,
          permissions,
        })),
        ourTypes: ourNodeTypes(),
        watched: options.watched ?? [],
        countsTimers: options.countsTimers ?? false,
      },
      options.startTimeoutMs ?? 60_000,
    );
  } catch (error) {
    killGroup(child);
    if (options.userDir === undefined) rmSync(userDir, { recursive: true, force: true });
    throw error;
  }
  return nodeRed;
}
