/** Rigs for the conformance tests of transports: a real server behind a cable that can be held and cut. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Backoff } from '../../lib/backoff.ts';
import { fromRegisters, parseModbusTag, toRegisters } from '../../lib/plc/modbus-tag.ts';
import { ModbusTransport, type ModbusOptions } from '../../lib/plc/modbus.ts';
import { OpcUaTransport } from '../../lib/plc/opcua.ts';
import { S7Transport } from '../../lib/plc/s7.ts';
import type { TagValue } from '../../lib/plc/tag-type.ts';
import type { Rig } from '../lib/plc/conformance.ts';
import { startModbusServer, type ModbusServer } from './modbus-server.ts';
import { startOpcUaServer } from './opcua-server.ts';
import { startRtuGateway } from './rtu-gateway.ts';
import { startSnap7, type Snap7Server } from './snap7-server.ts';
import { startTcpProxy, type TcpProxy } from './tcp-proxy.ts';

const quickly = (): Backoff => new Backoff({ firstMs: 20, maxMs: 50 });

/** What every rig's cable does. */
function cable(proxy: TcpProxy): Pick<Rig['peer'], 'freeze' | 'thaw' | 'reset' | 'inject'> {
  return {
    freeze: () => {
      proxy.freeze();
    },
    thaw: () => {
      proxy.thaw();
    },
    reset: () => {
      proxy.reset();
    },
    inject: (bytes) => {
      proxy.inject(bytes);
    },
  };
}

export async function opcUaRig(): Promise<Rig> {
  const folder = await mkdtemp(join(tmpdir(), 'jidoka-rig-'));
  let server = await startOpcUaServer();
  const { port } = server;
  const proxy = await startTcpProxy(port);
  const nameOf = (tag: string): string => tag.replace('ns=1;s=', '');
  const earlier: { tag: string; value: unknown }[] = [];
  const another = (): OpcUaTransport =>
    new OpcUaTransport({
      endpointUrl: `opc.tcp://127.0.0.1:${proxy.port}/plc`,
      security: 'None',
      pkiFolder: join(folder, 'pki'),
      backoff: quickly(),
    });
  return {
    transport: another(),
    another,
    tags: {
      bit: 'ns=1;s=RejectGate',
      integer: 'ns=1;s=Recipe',
      float: 'ns=1;s=Speed',
      readOnly: 'ns=1;s=ReadOnly',
      unknown: 'ns=1;s=Nowhere',
      malformed: 'RejectGate',
    },
    peer: {
      value: (tag) => server.value(nameOf(tag)) as TagValue | undefined,
      set: (tag, value) => server.set(nameOf(tag), value),
      writes: () =>
        [...earlier, ...server.writes].map(({ tag, value }) => ({
          tag: `ns=1;s=${tag}`,
          value: value as TagValue,
        })),
      sessions: () => server.sessions(),
      ...cable(proxy),
      kill: async () => {
        proxy.cut();
        await server.stop();
      },
      restart: async () => {
        earlier.push(...server.writes);
        server = await startOpcUaServer({ port });
        proxy.mend();
      },
    },
    close: async () => {
      await proxy.close();
      await server.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** A serial gateway between the cable and the server, where the frames are those of a serial line. */
export async function modbusRig(options: Partial<ModbusOptions> = {}): Promise<Rig> {
  let server: ModbusServer = await startModbusServer();
  const { port } = server;
  const gateway = options.framing === 'rtu' ? await startRtuGateway({ 1: port }) : undefined;
  const proxy = await startTcpProxy(gateway?.port ?? port);
  const { wordOrder = 'big' } = options;
  const tags = {
    bit: 'coil:12',
    integer: 'holding:40',
    float: 'holding:42:float32',
    readOnly: 'input:7',
    malformed: 'holding:x',
  };
  const known = [tags.bit, tags.integer, tags.float].map((tag) => ({ tag, ...parseModbusTag(tag) }));
  /** One request may carry several tags: each by itself, at the address it lies at. */
  const apart = ({ address, value }: ModbusServer['writes'][number]): { tag: string; value: TagValue }[] => {
    if (typeof value === 'boolean') return [{ tag: `coil:${address}`, value }];
    const words = Array.isArray(value) ? (value as number[]) : [value as number];
    return known
      .filter(
        (tag) =>
          tag.area === 'holding' &&
          tag.address >= address &&
          tag.address + tag.registers <= address + words.length,
      )
      .map((tag) => {
        const from = tag.address - address;
        return {
          tag: tag.tag,
          value: fromRegisters(words.slice(from, from + tag.registers), tag, wordOrder),
        };
      });
  };
  const earlier: ModbusServer['writes'] = [];
  const another = (): ModbusTransport =>
    new ModbusTransport({ host: '127.0.0.1', port: proxy.port, unit: 1, backoff: quickly(), ...options });
  return {
    transport: another(),
    another,
    oneAtATime: true,
    tags,
    peer: {
      value: (tag) => {
        const parsed = parseModbusTag(tag);
        if (parsed.area === 'coil') return server.coils[parsed.address];
        const words = server.registers.slice(parsed.address, parsed.address + parsed.registers);
        return fromRegisters(words, parsed, wordOrder);
      },
      set: (tag, value) => {
        const parsed = parseModbusTag(tag);
        if (typeof value === 'boolean') server.coils[parsed.address] = value;
        else
          toRegisters(Number(value), parsed, wordOrder).forEach((word, offset) => {
            server.registers[parsed.address + offset] = word;
          });
      },
      writes: () => [...earlier, ...server.writes].flatMap(apart),
      sessions: () => proxy.links(),
      ...cable(proxy),
      kill: async () => {
        proxy.cut();
        await server.stop();
      },
      restart: async () => {
        earlier.push(...server.writes);
        server = await startModbusServer(port);
        proxy.mend();
      },
    },
    close: async () => {
      await proxy.close();
      await gateway?.stop();
      await server.stop();
    },
  };
}

export async function s7Rig(): Promise<Rig> {
  const tags = {
    bit: 'DB1,X0.3',
    integer: 'DB1,INT2',
    float: 'DB1,REAL4',
    readOnly: 'I0.1',
    unknown: 'DB9,INT2',
    malformed: 'DB1,INTEGER2',
  };
  const known = [tags.bit, tags.integer, tags.float];
  let server = await startSnap7(known);
  const { port } = server;
  const proxy = await startTcpProxy(port);
  const earlier: Snap7Server['writes'] = [];
  const another = (): S7Transport =>
    new S7Transport({ host: '127.0.0.1', port: proxy.port, rack: 0, slot: 1, backoff: quickly() });
  return {
    transport: another(),
    another,
    oneAtATime: true,
    tags,
    peer: {
      value: (tag) => server.value(tag),
      set: (tag, value) => {
        server.set(tag, value);
      },
      writes: () => [...earlier, ...server.writes],
      sessions: () => proxy.links(),
      ...cable(proxy),
      kill: () => {
        proxy.cut();
        server.stop();
      },
      restart: async () => {
        earlier.push(...server.writes);
        server = await startSnap7(known, port);
        proxy.mend();
      },
    },
    close: async () => {
      await proxy.close();
      server.stop();
    },
  };
}
