/**
 * A real S7 server, Snap7's, through node-snap7. It is compiled from C++, which takes ten seconds and a
 * compiler, so it is no dependency: the first test that needs it builds it into the cache of npm packages.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, realpathSync, renameSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { delimiter, join } from 'node:path';
import type { Context } from 'mocha';
import { fromS7Bytes, parseS7Tag, toS7Bytes, type S7Tag } from '../../lib/plc/s7-tag.ts';
import type { TagValue } from '../../lib/plc/tag-type.ts';
import { reservePort } from '../../plant/ports.ts';
import { repositoryRoot } from './shared.ts';

const VERSION = '1.0.9';
const BINARIES = join(repositoryRoot, 'node_modules', '.bin');

/** What we use of node-snap7, which brings no types. */
interface Server {
  srvAreaPE: number;
  srvAreaMK: number;
  srvAreaDB: number;
  LocalPort: number;
  evcDataWrite: number;
  SetParam(parameter: number, value: number): boolean;
  SetEventMask(mask: number): void;
  RegisterArea(area: number, block: number, memory: Buffer): boolean;
  RegisterArea(area: number, memory: Buffer): boolean;
  GetArea(area: number, block?: number): Buffer;
  SetArea(area: number, block: number, memory: Buffer): boolean;
  SetArea(area: number, memory: Buffer): boolean;
  StartTo(address: string): boolean;
  Stop(): boolean;
  ClientsCount(): number;
  on(event: 'event', listener: (event: Record<string, number>) => void): void;
  removeAllListeners(): void;
}

export interface Snap7Server {
  port: number;
  /** Writes of {@link tags}, in order. */
  writes: { tag: string; value: TagValue }[];
  value(tag: string): TagValue;
  set(tag: string, value: TagValue): void;
  clients(): number;
  stop(): void;
}

/** Bytes of data block 1, of the markers and of the inputs. */
const BLOCK_BYTES = 64;
/** What the protocol calls the areas, and what the server does. */
const NAMES = { 0x81: 'srvAreaPE', 0x83: 'srvAreaMK', 0x84: 'srvAreaDB' } as const;

let library: { S7Server: new () => Server } | undefined;

/** Skips with a reason where it cannot be built; in CI nothing may be skipped, so there it fails. */
export function requireSnap7(context: Context): void {
  try {
    library ??= load();
  } catch (error) {
    const reason = `needs g++, make, python3 and a package registry for node-snap7: ${String(error).slice(0, 200)}`;
    if (process.env['CI'] === 'true') throw new Error(reason, { cause: error });
    console.log(`      skipped: ${reason}`);
    context.skip();
  }
}

function load(): { S7Server: new () => Server } {
  const cache = join(repositoryRoot, 'node_modules', '.cache', 'jidoka');
  // Compiled code fits one version of Node.js.
  const folder = join(cache, `node-snap7-${VERSION}-${process.versions.modules}`);
  if (!existsSync(folder)) {
    mkdirSync(cache, { recursive: true });
    const building = mkdtempSync(join(cache, 'building-'));
    const npm = (...args: string[]): void => {
      execFileSync('npm', [...args, '--prefix', building, '--no-audit', '--no-fund'], {
        stdio: 'pipe',
        env: {
          ...process.env,
          PATH: [BINARIES, process.env['PATH'] ?? ''].join(delimiter),
          ...headers(),
        },
      });
    };
    try {
      npm('install', '--ignore-scripts', '--no-save', `node-snap7@${VERSION}`);
      npm('rebuild', 'node-snap7');
      if (!existsSync(folder)) renameSync(building, folder);
    } finally {
      rmSync(building, { recursive: true, force: true });
    }
  }
  return createRequire(join(folder, 'package.json'))('node-snap7') as { S7Server: new () => Server };
}

/** The headers that came with the Node.js of the npm package `node`; any other brings its own. */
function headers(): Record<string, string> {
  const folder = join(
    realpathSync(join(repositoryRoot, 'node_modules', 'node')),
    'node_modules',
    `node-${process.platform}-${process.arch}`,
  );
  return existsSync(join(folder, 'include')) ? { npm_config_nodedir: folder } : {};
}

export async function startSnap7(tags: readonly string[], port = 0): Promise<Snap7Server> {
  if (library === undefined) throw new Error('call requireSnap7 first');
  const server = new library.S7Server();
  const listenPort = await reservePort(port, 'S7 server');
  server.SetParam(server.LocalPort, listenPort);
  server.SetEventMask(server.evcDataWrite);
  server.RegisterArea(server.srvAreaPE, Buffer.alloc(BLOCK_BYTES));
  server.RegisterArea(server.srvAreaMK, Buffer.alloc(BLOCK_BYTES));
  server.RegisterArea(server.srvAreaDB, 1, Buffer.alloc(BLOCK_BYTES));
  const memoryOf = ({ area, block }: S7Tag): Buffer => {
    const code = server[NAMES[area as keyof typeof NAMES]];
    return block === 0 ? server.GetArea(code) : server.GetArea(code, block);
  };
  const value = (tag: string): TagValue => {
    const parsed = parseS7Tag(tag);
    const memory = memoryOf(parsed);
    return fromS7Bytes(memory.subarray(parsed.offset, parsed.offset + parsed.bytes), parsed);
  };
  const writes: Snap7Server['writes'] = [];
  server.on('event', ({ EvtRetCode, EvtParam1: area, EvtParam2: block, EvtParam3: offset }) => {
    if (EvtRetCode !== 0) return;
    const tag = tags.find((name) => {
      const parsed = parseS7Tag(name);
      return parsed.area === area && parsed.block === block && parsed.offset === offset;
    });
    if (tag !== undefined) writes.push({ tag, value: value(tag) });
  });
  if (!server.StartTo('127.0.0.1')) throw new Error(`the S7 server does not start on port ${listenPort}`);
  return {
    port: listenPort,
    writes,
    value,
    set: (tag, wanted) => {
      const parsed = parseS7Tag(tag);
      const memory = memoryOf(parsed);
      const bytes = toS7Bytes(wanted, parsed);
      if (parsed.dataType === 'Boolean') {
        const others = memory.readUInt8(parsed.offset) & ~(1 << parsed.bit);
        memory.writeUInt8(others | (wanted === true ? 1 << parsed.bit : 0), parsed.offset);
      } else bytes.copy(memory, parsed.offset);
      const code = server[NAMES[parsed.area as keyof typeof NAMES]];
      if (parsed.block === 0) server.SetArea(code, memory);
      else server.SetArea(code, parsed.block, memory);
    },
    clients: () => server.ClientsCount(),
    stop: () => {
      server.Stop();
      server.removeAllListeners();
    },
  };
}
