import assert from 'node:assert/strict';
import type { PlcEndpoint } from '../../nodes/plc-endpoint/endpoint.ts';
import { openInspection } from '../../lib/inspection/inspection.ts';
import { nextMessage, node } from '../support/helper.ts';
import { startModbusServer } from '../support/modbus-server.ts';
import { startOpcUaServer } from '../support/opcua-server.ts';
import { startRtuGateway } from '../support/rtu-gateway.ts';
import { MqttBroker } from '../support/mqtt-broker.ts';
import { MqttDevice, TOPICS } from '../support/mqtt-device.ts';
import { requireSnap7, startSnap7 } from '../support/snap7-server.ts';
import { linked, loadPlcFlow } from '../support/plc-flow.ts';

const reason = 'shift start';

describe('plc-endpoint', () => {
  it('leaves no session on the PLC when it is deployed again', async () => {
    const server = await startOpcUaServer();
    for (let deploy = 0; deploy < 3; deploy += 1) {
      const flow = await loadPlcFlow({ protocol: 'opcua', endpointUrl: server.url });
      await linked();
      assert.equal(server.sessions(), 1);
      await flow.remove();
      assert.equal(server.sessions(), 0);
    }
    await server.stop();
  });

  it('speaks Modbus TCP too', async () => {
    const server = await startModbusServer();
    const flow = await loadPlcFlow(
      { protocol: 'modbus', host: '127.0.0.1', port: String(server.port), unit: '1' },
      { tag: 'holding:4:float32', value: '2.5', valueType: 'num' },
    );
    await linked();
    await flow.station.arm({ actor: 'anna', reason });
    node('write').receive({
      inspection: openInspection({ station: 'Press 4', sequence: 1, deadlineMs: 5000 }),
    });
    assert.equal((await nextMessage('confirmed')).inspection?.command?.readBack, 2.5);
    await flow.remove();
    await server.stop();
  });

  it('is called by its address and unit without a name, and known by its node whatever it is called', async () => {
    const server = await startModbusServer();
    const address = { protocol: 'modbus', host: '127.0.0.1', port: String(server.port), unit: '3' };
    const flow = await loadPlcFlow({ ...address, name: '' }, { tag: 'holding:4' });
    const { engine } = (node('plc') as unknown as { plc: PlcEndpoint }).plc;
    assert.deepEqual([engine.endpoint, engine.id], [`127.0.0.1:${server.port}/3`, 'plc']);
    await flow.remove();
    await server.stop();
  });

  it('speaks Modbus RTU through a serial gateway', async () => {
    const server = await startModbusServer();
    const gateway = await startRtuGateway({ 1: server.port });
    const flow = await loadPlcFlow({
      protocol: 'modbus',
      framing: 'rtu',
      host: '127.0.0.1',
      port: String(gateway.port),
      unit: '1',
    });
    await linked();
    await flow.remove();
    await gateway.stop();
    await server.stop();
  });

  it('speaks S7', async function () {
    this.timeout(3 * 60_000);
    requireSnap7(this);
    const server = await startSnap7(['DB1,REAL4']);
    const flow = await loadPlcFlow(
      { protocol: 's7', host: '127.0.0.1', s7Port: String(server.port), rack: '0', slot: '1' },
      { tag: 'DB1,REAL4', value: '2.5', valueType: 'num' },
    );
    await linked();
    await flow.station.arm({ actor: 'anna', reason });
    node('write').receive({
      inspection: openInspection({ station: 'Press 4', sequence: 1, deadlineMs: 5000 }),
    });
    assert.equal((await nextMessage('confirmed')).inspection?.command?.readBack, 2.5);
    assert.equal(server.value('DB1,REAL4'), 2.5);
    await flow.remove();
    server.stop();
  });

  it('speaks MQTT with a user, a command counting when the device has answered', async () => {
    const broker = new MqttBroker();
    await broker.start();
    const device = new MqttDevice({
      'press/torque': { value: 0, type: 'Float' },
      manual: { value: false, type: 'Boolean' },
    });
    await device.connect(broker.url);
    broker.user = { name: 'gateway', password: 'secret' };
    const flow = await loadPlcFlow(
      {
        ...{ protocol: 'mqtt', brokerUrl: broker.url, mqttVersion: '3.1.1', ...TOPICS },
        ...{ clientId: 'press-4', staleSeconds: '60', manualTag: 'manual' },
      },
      { tag: 'press/torque', value: '2.5', valueType: 'num', timeoutMs: '10000' },
      {},
      { plc: { user: 'gateway', password: 'secret' } },
    );
    await linked();
    await flow.station.arm({ actor: 'anna', reason });
    const part = () => openInspection({ station: 'Press 4', sequence: 1, deadlineMs: 20_000 });
    node('write').receive({ inspection: part() });
    assert.equal((await nextMessage('confirmed')).inspection?.command?.readBack, 2.5);
    await device.set('manual', true);
    node('write').receive({ inspection: part() });
    assert.equal((await nextMessage('otherwise')).inspection?.command?.reason, 'MANUAL');
    assert.deepEqual(device.writes, [{ tag: 'press/torque', value: 2.5 }]);
    await flow.remove();
    device.leave();
    await broker.kill();
  });

  const mqtt = { protocol: 'mqtt', brokerUrl: 'mqtt://127.0.0.1:1', ...TOPICS };
  for (const [what, endpoint] of [
    ['an address that is none', { protocol: 'opcua', endpointUrl: 'http://127.0.0.1' }],
    ['no host', { protocol: 'modbus', host: '' }],
    ['an S7 slot out of range', { protocol: 's7', host: '127.0.0.1', slot: '32' }],
    ['a broker that is none', { ...mqtt, brokerUrl: 'http://127.0.0.1' }],
    ['a password in the address of the broker', { ...mqtt, brokerUrl: 'mqtt://me:secret@127.0.0.1' }],
    ['one topic for the commands of all tags', { ...mqtt, commandTopic: 'line/command' }],
    ['a state topic with a wildcard', { ...mqtt, stateTopic: 'line/+/{tag}' }],
    ['no topic for answers', { ...mqtt, ackTopic: '' }],
    ['certificates that are not there', { ...mqtt, brokerUrl: 'mqtts://127.0.0.1:1', caFile: 'nowhere.pem' }],
    ['a port out of range', { protocol: 'modbus', host: '127.0.0.1', port: '70000' }],
  ] as const) {
    it(`makes its users end in a coded error with ${what}`, async () => {
      const flow = await loadPlcFlow(endpoint);
      node('write').receive({ payload: 1 });
      const { error } = await nextMessage('caught');
      assert.equal((error as { code?: string }).code, 'CONFIG_INVALID');
      await flow.remove();
    });
  }
});
