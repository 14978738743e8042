import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';
import modbusSerial from 'modbus-serial';
import { startModbusServer } from '../../support/modbus-server.ts';
import { modbusRig, opcUaRig, s7Rig } from '../../support/plc-rigs.ts';
import { requireSnap7 } from '../../support/snap7-server.ts';
import { startTcpProxy } from '../../support/tcp-proxy.ts';
import { conforms, eventually } from './conformance.ts';

conforms('the link of Modbus TCP', modbusRig);
conforms('the link of Modbus RTU through a serial gateway', () =>
  modbusRig({ framing: 'rtu', wordOrder: 'little' }),
);
conforms('the link of S7', s7Rig, requireSnap7);
conforms('the link of OPC UA', opcUaRig);

describe('the cable of these rigs (control)', () => {
  it('does deliver a write late when its sender gave up without resetting the link', async () => {
    const server = await startModbusServer();
    const proxy = await startTcpProxy(server.port);
    const bare = new modbusSerial.default();
    await bare.connectTCP('127.0.0.1', { port: proxy.port });
    bare.setID(1);
    bare.setTimeout(80);
    proxy.freeze();
    await assert.rejects(bare.writeRegister(40, 13));
    await delay(50);
    proxy.thaw();
    await eventually(() => server.registers[40] === 13);
    await new Promise((resolve) => bare.close(resolve));
    await proxy.close();
    await server.stop();
  });
});
