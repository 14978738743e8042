/** examples/08 as it is shipped, in a real Node-RED, against a real MQTT broker. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type AddressInfo, type Server } from 'node:net';
import { Aedes } from 'aedes';
import { connectAsync, type MqttClient } from 'mqtt';
import type { Inspection } from '../../lib/inspection/inspection.ts';
import { flowOf } from '../package/package-files.ts';
import { startNodeRed, type FlowNode, type NodeRed } from '../support/node-red.ts';

const TOPIC = 'jidoka/press-4/inspection';

describe('verdicts over MQTT', function () {
  this.timeout(60_000);
  let broker: Aedes;
  let server: Server;
  let subscriber: MqttClient;
  let nodeRed: NodeRed;

  before(async () => {
    broker = await Aedes.createBroker();
    server = createServer((socket) => {
      // Without it Nagle and delayed ACK make 42 ms of every QoS 1 message (0.2 ms with it).
      socket.setNoDelay(true);
      broker.handle(socket);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;

    subscriber = await connectAsync(`mqtt://127.0.0.1:${port}`);
    (subscriber.stream as unknown as { setNoDelay(on: boolean): void }).setNoDelay(true);
    await subscriber.subscribeAsync('jidoka/#', { qos: 1 });

    const flow = flowOf('examples/08 - Verdicts to MQTT.json') as FlowNode[];
    const flows = flow.map((node) => (node.type === 'mqtt-broker' ? { ...node, port: String(port) } : node));
    // Ours and the example's are both clients of the broker; wait for the example's.
    const connected = once(broker, 'clientReady');
    nodeRed = await startNodeRed({ version: '5', flows });
    await connected;
  });

  after(async () => {
    await nodeRed.stop();
    await subscriber.endAsync();
    await new Promise<void>((resolve) => broker.close(resolve));
    await new Promise<void>((resolve) => server.close(() => resolve()));
  });

  async function published(score: number): Promise<Inspection> {
    const message = new Promise<[string, Buffer]>((resolve) => {
      subscriber.once('message', (topic, body) => resolve([topic, body]));
    });
    nodeRed.send('jm-gate', { payload: score });
    const [topic, body] = await message;
    assert.equal(topic, TOPIC);
    return JSON.parse(body.toString()) as Inspection;
  }

  it('publishes the whole inspection of an accepted and of a rejected part', async () => {
    const accepted = await published(1.2);
    assert.equal(accepted.verdict?.decision, 'accept');
    assert.equal(accepted.verdict.threshold, 3);
    const rejected = await published(4.8);
    assert.equal(rejected.verdict?.decision, 'reject');
    assert.equal(rejected.verdict.score, 4.8);
    assert.notEqual(rejected.part.id, accepted.part.id, 'the receiver tells parts by their id');
  });

  it('publishes every one of a hundred parts once, in order', async () => {
    const sequences: number[] = [];
    const all = new Promise<void>((resolve) => {
      const listen = (_topic: string, body: Buffer): void => {
        sequences.push((JSON.parse(body.toString()) as Inspection).part.sequence);
        if (sequences.length < 100) return;
        subscriber.off('message', listen);
        resolve();
      };
      subscriber.on('message', listen);
    });
    for (let part = 0; part < 100; part += 1) nodeRed.send('jm-gate', { payload: part % 5 });
    await all;
    const [first = 0] = sequences;
    assert.deepEqual(
      sequences,
      Array.from({ length: 100 }, (_, index) => first + index),
    );
  });
});
