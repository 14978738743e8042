/** Node-RED with the built package in this process, as the benches run it. */
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

interface NodeStatus {
  fill?: string;
  text?: string;
}

interface Received {
  msg: Record<string, unknown>;
  destination: { id: string };
}

/** The part of the `node-red` module used here. */
interface Runtime<RuntimeNode> {
  init(server: unknown, settings: Record<string, unknown>): void;
  start(): Promise<void>;
  stop(): Promise<void>;
  nodes: { getNode(id: string): RuntimeNode | null };
  events: {
    on(name: 'flows:started', listener: () => void): void;
    on(name: 'node-status', listener: (event: { id: string; status: NodeStatus }) => void): void;
  };
  hooks: { add(name: string, listener: (event: Received) => void): void };
}

export class EmbeddedNodeRed<RuntimeNode = unknown> {
  readonly #red = createRequire(import.meta.url)('node-red') as Runtime<RuntimeNode>;
  readonly #userDir = mkdtempSync(join(tmpdir(), 'jidoka-bench-'));

  /**
   * @param flow nodes without a place on the canvas get one
   * @param options.nodesDir where its nodes are; our built package unless told
   * @param options.settings as in settings.js
   */
  constructor(
    flow: readonly Record<string, unknown>[],
    options: { nodesDir?: string; settings?: Record<string, unknown> } = {},
  ) {
    const placed = flow.map((node) => ('wires' in node ? { z: 'tab', x: 0, y: 0, ...node } : node));
    const tab = { id: 'tab', type: 'tab', label: 'bench' };
    // a process that is no longer needed ends without stopping
    process.once('exit', () => rmSync(this.#userDir, { recursive: true, force: true }));
    writeFileSync(join(this.#userDir, 'flows.json'), JSON.stringify([tab, ...placed]));
    this.#red.init(createServer(), {
      userDir: this.#userDir,
      nodesDir: [options.nodesDir ?? join(import.meta.dirname, '..')],
      nodesExcludes: ['node-red-dashboard', 'node-red-contrib-opcua'],
      disableEditor: true,
      flowFile: 'flows.json',
      credentialSecret: 'for the bench only',
      logging: { console: { level: 'warn' } },
      telemetry: { enabled: false },
      ...options.settings,
    });
  }

  /** Resolves when the flow runs; nodes may still be at work on their start. */
  async start(): Promise<void> {
    const { events } = this.#red;
    const started = new Promise<void>((resolve) => events.on('flows:started', () => resolve()));
    await this.#red.start();
    await started;
  }

  async stop(): Promise<void> {
    await this.#red.stop();
  }

  node(id: string): RuntimeNode | null {
    return this.#red.nodes.getNode(id);
  }

  /** Calls back with every message a node gets. */
  onReceive(id: string, listener: (message: Record<string, unknown>) => void): void {
    this.#red.hooks.add(`onReceive.${id}`, ({ msg, destination }) => {
      if (destination.id === id) listener(msg);
    });
  }

  /** Resolves when a node shows a status that fits. */
  shown(id: string, fits: (status: NodeStatus) => boolean): Promise<void> {
    return new Promise((resolve) => {
      this.#red.events.on('node-status', (event) => {
        if (event.id === id && fits(event.status)) resolve();
      });
    });
  }
}
