import assert from 'node:assert/strict';
import { once } from 'node:events';
import modbusSerial from 'modbus-serial';
import {
  AttributeIds,
  type ClientSession,
  DataType,
  makeBrowsePath,
  MessageSecurityMode,
  OPCUAClient,
  SecurityPolicy,
  StatusCodes,
  TimestampsToReturn,
  ClientSubscription,
  ClientMonitoredItem,
} from 'node-opcua';
import { type ModbusPlc, startModbus } from '../../plant/modbus.ts';
import { type OpcuaPlc, startOpcua } from '../../plant/opcua.ts';
import { PlcMemory, type PlcTag } from '../../plant/plc-memory.ts';

const node = (tag: PlcTag): string => `ns=1;s=Line.${tag}`;

describe('the PLC over OPC UA', function () {
  this.timeout(40_000);
  const plc = new PlcMemory();
  let server: OpcuaPlc;
  let client: OPCUAClient;
  let session: ClientSession;

  before(async () => {
    server = await startOpcua({ plc });
    client = OPCUAClient.create({ endpointMustExist: false, connectionStrategy: { maxRetry: 0 } });
    await client.connect(server.endpointUrl);
    session = await client.createSession();
  });
  after(async () => {
    await session.close();
    await client.disconnect();
    await server.close();
    plc.close();
  });
  beforeEach(() => {
    for (const tag of ['FeederEnable', 'RejectGate', 'TorqueSetpoint', 'Heartbeat'] as const)
      plc.setFault(tag, null);
    plc.writes.length = 0;
    plc.set('RejectGate', false);
    plc.set('TorqueSetpoint', 42);
  });

  const write = (tag: PlcTag, dataType: DataType, value: unknown) =>
    session.write({
      nodeId: node(tag),
      attributeId: AttributeIds.Value,
      value: { value: { dataType, value } },
    });
  const read = async (tag: PlcTag): Promise<unknown> =>
    (await session.read({ nodeId: node(tag), attributeId: AttributeIds.Value })).value.value;

  it('shows every tag under a readable node id', async () => {
    const tags = ['FeederEnable', 'RejectGate', 'TorqueSetpoint', 'PartCounter', 'PartId', 'PartPresent', 'Manual', 'Heartbeat', 'RejectedCount'] as const; // prettier-ignore
    for (const tag of tags) assert.equal(await read(tag), plc.get(tag), tag);
  });

  it('takes a write once, and reads back what was written', async () => {
    assert.equal(await write('RejectGate', DataType.Boolean, true), StatusCodes.Good);
    assert.equal(await read('RejectGate'), true);
    assert.equal(plc.get('RejectGate'), true);
    assert.deepEqual(server.writes.map(({ tag, value, via }) => [tag, value, via]), [['RejectGate', true, 'opcua']]); // prettier-ignore
  });

  it('shows at once what the line changes', async () => {
    plc.set('PartCounter', 12);
    plc.set('PartId', 'A-000012');
    assert.deepEqual([await read('PartCounter'), await read('PartId')], [12, 'A-000012']);
  });

  it('refuses a wrong type and a tag that is not for the gateway to write', async () => {
    assert.equal(await write('TorqueSetpoint', DataType.Int32, 3), StatusCodes.BadTypeMismatch);
    assert.equal(await write('PartCounter', DataType.UInt32, 3), StatusCodes.BadNotWritable);
    assert.equal(await write('Manual', DataType.Boolean, true), StatusCodes.BadNotWritable);
    assert.deepEqual(server.writes, []);
  });

  it('states range and unit of the torque setpoint', async () => {
    const property = async (name: string): Promise<unknown> => {
      const path = makeBrowsePath(node('TorqueSetpoint'), `.${name}`);
      const nodeId = (await session.translateBrowsePath(path)).targets?.[0]?.targetId;
      assert.ok(nodeId);
      return (await session.read({ nodeId, attributeId: AttributeIds.Value })).value.value as unknown;
    };
    const [range, units] = [await property('EURange'), await property('EngineeringUnits')];
    const { low, high } = range as { low: number; high: number };
    assert.deepEqual([low, high], [0, 60]);
    assert.equal((units as { displayName: { text: string } }).displayName.text, 'N·m');
  });

  it('clamps silently, announced, applies late or refuses when it is told to', async () => {
    plc.setFault('TorqueSetpoint', { kind: 'clamp', min: 0, max: 10 });
    assert.equal(await write('TorqueSetpoint', DataType.Double, 55), StatusCodes.Good);
    assert.equal(await read('TorqueSetpoint'), 10);
    plc.setFault('TorqueSetpoint', { kind: 'clamp', min: 0, max: 10, announced: true });
    assert.equal(await write('TorqueSetpoint', DataType.Double, 55), StatusCodes.GoodClamped);
    assert.equal(await read('TorqueSetpoint'), 10);
    plc.setFault('TorqueSetpoint', { kind: 'out-of-range' });
    assert.equal(await write('TorqueSetpoint', DataType.Double, 20), StatusCodes.BadOutOfRange);
    assert.equal(await read('TorqueSetpoint'), 10);
    plc.setFault('TorqueSetpoint', { kind: 'apply-late', afterMs: 100 });
    const applied = once(plc, 'change');
    assert.equal(await write('TorqueSetpoint', DataType.Double, 30), StatusCodes.Good);
    assert.equal(await read('TorqueSetpoint'), 10);
    await applied;
    assert.equal(await read('TorqueSetpoint'), 30);
    assert.equal(server.writes.length, 4);
  });

  it('notifies a subscription of each pulse of PartPresent', async () => {
    const subscription = ClientSubscription.create(session, {
      requestedPublishingInterval: 50,
      publishingEnabled: true,
    });
    const item = ClientMonitoredItem.create(
      subscription,
      { nodeId: node('PartPresent'), attributeId: AttributeIds.Value },
      { samplingInterval: 20, queueSize: 100, discardOldest: true },
      TimestampsToReturn.Both,
    );
    const notified = async (): Promise<unknown> => {
      const [dataValue] = (await once(item, 'changed')) as [{ value: { value: unknown } }];
      return dataValue.value.value;
    };
    assert.equal(await notified(), false);
    for (const value of [true, false, true, false]) {
      const notification = notified();
      plc.set('PartPresent', value);
      assert.equal(await notification, value);
    }
    await subscription.terminate();
  });

  it('talks Basic256Sha256 to those who want it', async () => {
    const secure = OPCUAClient.create({
      securityMode: MessageSecurityMode.SignAndEncrypt,
      securityPolicy: SecurityPolicy.Basic256Sha256,
      endpointMustExist: false,
      connectionStrategy: { maxRetry: 0 },
    });
    await secure.connect(server.endpointUrl);
    const secureSession = await secure.createSession();
    const value = await secureSession.read({ nodeId: node('Heartbeat'), attributeId: AttributeIds.Value });
    assert.equal(value.value.value, plc.get('Heartbeat'));
    await secureSession.close();
    await secure.disconnect();
  });

  it('says plainly that its port is taken', async () => {
    await assert.rejects(startOpcua({ plc, port: server.port }), (error: Error & { code?: string }) => {
      assert.equal(error.code, 'PLANT_PORT_BUSY');
      assert.match(error.message, new RegExp(`${server.port}.*OPC UA`));
      return true;
    });
  });
});

describe('the PLC over Modbus TCP', () => {
  const plc = new PlcMemory();
  let server: ModbusPlc;
  const client = new modbusSerial.default();

  before(async () => {
    server = await startModbus({ plc });
    await client.connectTCP(server.host, { port: server.port });
    client.setID(1);
    client.setTimeout(5000);
  });
  after(async () => {
    await new Promise<void>((resolve) => client.close(resolve));
    await server.close();
    plc.close();
  });
  beforeEach(() => {
    plc.setFault('TorqueSetpoint', null);
    plc.writes.length = 0;
  });

  it('mirrors the coils', async () => {
    plc.set('Manual', true);
    assert.deepEqual((await client.readCoils(0, 3)).data.slice(0, 3), [true, false, true]);
    await client.writeCoil(1, true);
    assert.equal(plc.get('RejectGate'), true);
    await client.writeCoil(0, false);
    assert.equal(plc.get('FeederEnable'), false);
    assert.deepEqual(plc.writes.map(({ tag, value, via }) => [tag, value, via]), [['RejectGate', true, 'modbus'], ['FeederEnable', false, 'modbus']]); // prettier-ignore
  });

  it('holds the torque as a float in two registers, high word first', async () => {
    const torque = Buffer.alloc(4);
    torque.writeFloatBE(37.25);
    await client.writeRegisters(0, [torque.readUInt16BE(0), torque.readUInt16BE(2)]);
    assert.equal(plc.get('TorqueSetpoint'), 37.25);
    assert.equal((await client.readHoldingRegisters(0, 2)).buffer.readFloatBE(0), 37.25);
    assert.equal(plc.writes.length, 1);
  });

  it('mirrors counter and heartbeat', async () => {
    plc.set('PartCounter', 70_000);
    await client.writeRegister(3, 513);
    assert.deepEqual((await client.readHoldingRegisters(2, 2)).data, [70_000 & 0xffff, 513]);
    assert.equal(plc.get('Heartbeat'), 513);
  });

  it('answers exceptions for what is not there, not writable, half a float, or refused', async () => {
    const code = (expected: number) => (error: { modbusCode?: number }) => error.modbusCode === expected;
    await assert.rejects(client.readCoils(3, 1), code(2));
    await assert.rejects(client.writeCoil(2, true), code(2));
    await assert.rejects(client.writeRegister(2, 1), code(2));
    await assert.rejects(client.writeRegister(0, 1), code(2));
    plc.setFault('TorqueSetpoint', { kind: 'out-of-range' });
    await assert.rejects(client.writeRegisters(0, [0, 0]), code(3));
  });

  it('says plainly that its port is taken', async () => {
    await assert.rejects(startModbus({ plc, port: server.port }), { code: 'PLANT_PORT_BUSY' });
  });
});
