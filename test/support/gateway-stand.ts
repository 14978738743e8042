/**
 * A gateway under load: a camera and a model, commands to three kinds of PLC, tickets to an MES, all of it real, and
 * what the servers have seen of it.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Mes } from '../../plant/mes.ts';
import { meanModel } from '../lib/inference/onnx.ts';
import { testImage } from './camera-server.ts';
import { startModbusServer, type ModbusServer } from './modbus-server.ts';
import { MqttBroker } from './mqtt-broker.ts';
import { MqttDevice, TOPICS } from './mqtt-device.ts';
import { lackingType } from './lacking-nodes.ts';
import type { FlowNode } from './node-red.ts';
import { startOpcUaServer, type TestServer } from './opcua-server.ts';
import { startTcpProxy, type TcpProxy } from './tcp-proxy.ts';

export const PROTOCOLS = ['opcua', 'modbus', 'mqtt'] as const;
export type Protocol = (typeof PROTOCOLS)[number];

/** The tag each of the three PLCs is commanded by; what it takes is the number of the part. */
export const TAGS: Readonly<Record<Protocol, string>> = {
  opcua: 'ns=1;s=Number0',
  modbus: 'holding:0:float32',
  mqtt: 'number',
};
const BEAT_TAG = 'ns=1;s=Recipe';
const WATCHED_TAG = 'ns=1;s=Number1';

export type Links = Record<Protocol, number>;

export class GatewayStand {
  /** Numbers in the order each PLC took them. */
  readonly effects: Readonly<Record<Protocol, number[]>> = { opcua: [], modbus: [], mqtt: [] };
  readonly mes = new Mes();
  /** The most links there were at the same time, seen twice in a row: the end of one may be heard of after the next. */
  readonly mostLinks: Links = { opcua: 0, modbus: 0, mqtt: 0 };
  #seen: Links = { opcua: 0, modbus: 0, mqtt: 0 };
  readonly #device: MqttDevice;
  readonly #broker = new MqttBroker();
  #opcua: TestServer | undefined;
  #modbus: ModbusServer | undefined;
  #proxy: TcpProxy | undefined;
  #looking: NodeJS.Timeout | undefined;

  constructor() {
    this.#device = new MqttDevice({ [TAGS.mqtt]: { value: 0, type: 'Double' } });
    // As many systems do: what keeps tickets apart is the question before the second attempt.
    this.mes.faults.honourIdempotencyKey = false;
  }

  async open(): Promise<void> {
    this.#opcua = await startOpcUaServer({
      numbers: 2,
      maxSessions: 50,
      onWrite: (tag, value) => TAGS.opcua.endsWith(tag) && this.effects.opcua.push(Number(value)),
    });
    this.#modbus = await startModbusServer(0, (_address, words) => {
      const bytes = Buffer.alloc(4);
      (words as number[]).forEach((word, index) => bytes.writeUInt16BE(word, index * 2));
      this.effects.modbus.push(bytes.readFloatBE());
    });
    await this.#broker.start();
    this.#device.hold = (value) => {
      this.effects.mqtt.push(Number(value));
      return value;
    };
    await this.#device.connect(this.#broker.url);
    await this.mes.open();
    this.#proxy = await startTcpProxy(Number(new URL(this.mes.url).port));
    this.#looking = setInterval(() => this.#look(), 5);
  }

  async close(): Promise<void> {
    clearInterval(this.#looking);
    this.#device.leave();
    await this.#broker.kill();
    await this.#opcua?.stop();
    await this.#modbus?.stop();
    await this.#proxy?.close();
    await this.mes.close();
  }

  links(): Links {
    return {
      opcua: this.#opcua?.sessions() ?? 0,
      modbus: this.#modbus?.sockets() ?? 0,
      // Without the device itself.
      mqtt: this.#broker.connections - 1,
    };
  }

  /** What whoever left without closing has left at the servers. */
  left(): Links & { mes: number; subscriptions: number } {
    const { subscriptions = 0 } = this.#opcua?.subscribed() ?? {};
    return { ...this.links(), mes: this.#proxy?.links() ?? 0, subscriptions };
  }

  /** The pictures and the model that the flow works on. */
  async furnish(userDir: string): Promise<void> {
    for (const name of ['images', 'models']) mkdirSync(join(userDir, name), { recursive: true });
    writeFileSync(join(userDir, 'models', 'mean.onnx'), meanModel());
    for (const number of [1, 2, 3])
      writeFileSync(join(userDir, 'images', `part-${number}.jpg`), await testImage(number, 64, 48));
  }

  /**
   * Parts by the camera's own rhythm, each rejected, commanded to each PLC, ticketed.
   * @param lacking types in whose place one stands that lacks a guard
   */
  flow(userDir: string, lacking: readonly string[] = []): FlowNode[] {
    const ours = (id: string, type: string, properties: Record<string, unknown>): FlowNode => ({
      id,
      type: lacking.includes(type) ? lackingType(type) : type,
      version: ['plc-write', 'mes-ticket', 'mes-endpoint'].includes(type) ? 2 : 1,
      ...properties,
    });
    // Node-RED takes what has no place for a configuration node.
    const placed = { z: 'flow', x: 100, y: 100, station: 'station' };
    const write = (protocol: Protocol, next: string): FlowNode =>
      ours(`write-${protocol}`, 'plc-write', {
        ...placed,
        endpoint: `plc-${protocol}`,
        tag: TAGS[protocol],
        value: 'inspection.part.sequence',
        valueType: 'msg',
        maxPerMinute: '60000',
        // A machine that is short of time is no fault of a link: nothing here runs out.
        timeoutMs: '10000',
        wires: [
          [next, 'commanded'],
          [next, 'commanded'],
        ],
      });
    return [
      { id: 'flow', type: 'tab', label: 'Press 4' },
      ours('station', 'inspection-station', {
        name: 'Press 4',
        line: 'L2',
        autonomy: 'act',
        deadlineMs: '20000',
      }),
      ours('plc-opcua', 'plc-endpoint', {
        protocol: 'opcua',
        endpointUrl: this.#opcua?.url,
        heartbeatTag: BEAT_TAG,
        heartbeatMs: '2000',
      }),
      ours('plc-modbus', 'plc-endpoint', {
        protocol: 'modbus',
        host: '127.0.0.1',
        port: String(this.#modbus?.port),
      }),
      ours('plc-mqtt', 'plc-endpoint', {
        protocol: 'mqtt',
        brokerUrl: this.#broker.url,
        mqttVersion: '3.1.1',
        staleSeconds: '3600',
        ...TOPICS,
      }),
      ours('mes', 'mes-endpoint', { dialect: 'rest', baseUrl: `http://127.0.0.1:${this.#proxy?.port}` }),
      ours('camera', 'camera-capture', {
        ...placed,
        source: 'folder',
        folder: join(userDir, 'images'),
        folderMode: 'cycle',
        trigger: 'interval',
        intervalMs: '60',
        wires: [['gate', 'infer']],
      }),
      ours('infer', 'onnx-infer-gpu', {
        ...placed,
        model: 'mean.onnx',
        task: 'raw',
        providers: ['cpu'],
        wires: [[]],
      }),
      ours('gate', 'tolerance-gate', {
        ...placed,
        scoreProperty: 'inspection.part.sequence',
        mode: 'fixed',
        threshold: '0.5',
        fallback: 'review',
        wires: [['write-opcua'], ['write-opcua'], ['write-opcua']],
      }),
      write('opcua', 'write-modbus'),
      write('modbus', 'write-mqtt'),
      write('mqtt', 'ticket'),
      ours('ticket', 'mes-ticket', {
        ...placed,
        endpoint: 'mes',
        defectClass: 'scratch',
        wires: [['ticketed'], ['ticketed'], ['ticketed']],
      }),
      ours('watch', 'plc-watch', {
        ...placed,
        endpoint: 'plc-opcua',
        tag: WATCHED_TAG,
        wires: [[]],
      }),
      // What is said, and to whom.
      { ...placed, id: 'commanded', type: 'debug', active: true, wires: [] },
      { ...placed, id: 'ticketed', type: 'debug', active: true, wires: [] },
      { ...placed, id: 'accepts', type: 'complete', scope: ['ticket'], wires: [['accepted']] },
      { ...placed, id: 'accepted', type: 'debug', active: true, wires: [] },
      { ...placed, id: 'catch', type: 'catch', wires: [['caught']] },
      { ...placed, id: 'caught', type: 'debug', active: true, wires: [] },
    ];
  }

  #look(): void {
    const now = this.links();
    for (const protocol of PROTOCOLS) {
      const lasting = Math.min(now[protocol], this.#seen[protocol]);
      this.mostLinks[protocol] = Math.max(this.mostLinks[protocol], lasting);
    }
    this.#seen = now;
  }
}
