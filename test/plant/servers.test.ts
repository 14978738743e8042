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
import { ACK } from '../../plant/command-block.ts';
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

  it('offers the command block of the torque: types, units, and which tags may be written', async () => {
    const attribute = async (tag: string, attributeId: AttributeIds): Promise<unknown> =>
      (await session.read({ nodeId: `ns=1;s=Line.Torque.${tag}`, attributeId })).value.value;
    const types = { Value: 'Float', TtlMs: 'UInt32', DecisionRef: 'UInt32', CmdId: 'UInt32', Heartbeat: 'UInt16', Arm: 'Boolean', AckId: 'UInt32', AckResult: 'UInt16', AppliedValue: 'Float', AppliedRef: 'UInt32', PlcHeartbeat: 'UInt16', ModeManual: 'Boolean', InterlockOk: 'Boolean', SafeStateActive: 'Boolean', LastCmdAgeMs: 'UInt32' }; // prettier-ignore
    const writable: string[] = [];
    for (const [tag, type] of Object.entries(types)) {
      const { value } = await session.read({ nodeId: `ns=1;s=Line.Torque.${tag}` });
      assert.equal(DataType[value.dataType], type, tag);
      if ((Number(await attribute(tag, AttributeIds.UserAccessLevel)) & 2) !== 0) writable.push(tag);
    }
    assert.deepEqual(writable, ['Value', 'TtlMs', 'DecisionRef', 'CmdId', 'Heartbeat', 'Arm']);
    const path = makeBrowsePath('ns=1;s=Line.Torque.Value', '.EURange');
    const nodeId = (await session.translateBrowsePath(path)).targets?.[0]?.targetId;
    assert.ok(nodeId);
    const { low, high } = (await session.read({ nodeId })).value.value as { low: number; high: number };
    assert.deepEqual([low, high], [0, 60]);
  });

  it('drives the torque by a command that is armed and beating, and by none other', async () => {
    // Longer than this machine may be busy.
    plc.torque.settings.HeartbeatTimeoutMs = 60_000;
    const give = (values: Record<string, [DataType, unknown]>) =>
      session.write(
        Object.entries(values).map(([tag, [dataType, value]]) => ({
          nodeId: `ns=1;s=Line.Torque.${tag}`,
          attributeId: AttributeIds.Value,
          value: { value: { dataType, value } },
        })),
      );
    const command = (id: number, value: number) => ({
      Value: [DataType.Float, value] as [DataType, unknown],
      TtlMs: [DataType.UInt32, 60_000] as [DataType, unknown],
      CmdId: [DataType.UInt32, id] as [DataType, unknown],
    });
    await once(plc.torque, 'scan');
    let answer = once(plc.torque, 'ack');
    await give(command(1, 30));
    assert.deepEqual(await answer, [{ id: 1, result: ACK.NOT_ARMED }]);
    const beating = once(plc.torque, 'beats');
    await give({
      Heartbeat: [DataType.UInt16, plc.torque.command.Heartbeat + 1],
      Arm: [DataType.Boolean, true],
    });
    await beating;
    answer = once(plc.torque, 'ack');
    const driven = once(plc, 'change');
    await give(command(2, 45));
    assert.deepEqual(await answer, [{ id: 2, result: ACK.ACCEPTED }]);
    const [, reached] = (await driven) as [string, number];
    assert.ok(reached > 42 && reached <= 45, `${reached}`);
    assert.deepEqual([...plc.torque.effects], [[2, 1]]);
    assert.ok(
      plc.writes.some(({ tag, value, via }) => tag === 'Torque.CmdId' && value === 2 && via === 'opcua'),
    );
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

  it('takes a command of the torque in one request or item by item, and shows what became of it', async () => {
    plc.torque.settings.HeartbeatTimeoutMs = 60_000;
    plc.set('Manual', false);
    await once(plc.torque, 'scan');
    await client.writeCoil(3, true);
    assert.equal(plc.torque.command.Arm, true);
    assert.deepEqual((await client.readCoils(3, 4)).data.slice(0, 4), [true, false, true, true]);
    const beating = once(plc.torque, 'beats');
    await client.writeRegister(108, plc.torque.command.Heartbeat + 1);
    await beating;
    const block = Buffer.alloc(16);
    block.writeFloatBE(41.5, 0);
    block.writeUInt32BE(60_000, 4);
    block.writeUInt32BE(0xcafe_f00d, 8);
    block.writeUInt32BE(70_001, 12);
    const words = Array.from({ length: 8 }, (_, index) => block.readUInt16BE(2 * index));
    let answer = once(plc.torque, 'ack');
    await client.writeRegisters(100, words);
    assert.deepEqual(await answer, [{ id: 70_001, result: ACK.ACCEPTED }]);
    assert.deepEqual((await client.readHoldingRegisters(100, 8)).data, words);
    await once(plc.torque, 'scan');
    const status = (await client.readHoldingRegisters(120, 10)).buffer;
    assert.deepEqual(
      [status.readUInt32BE(0), status.readUInt16BE(4), status.readFloatBE(6), status.readUInt32BE(10)],
      [70_001, 1, 41.5, 0xcafe_f00d],
    );
    answer = once(plc.torque, 'ack');
    block.writeFloatBE(61, 0);
    await client.writeRegisters(100, [block.readUInt16BE(0), block.readUInt16BE(2)]);
    await client.writeRegisters(106, [1, 4466]);
    assert.deepEqual(await answer, [{ id: 70_002, result: ACK.RANGE }]);
  });

  it('answers exceptions for what is not there, not writable, half a float, or refused', async () => {
    const code = (expected: number) => (error: { modbusCode?: number }) => error.modbusCode === expected;
    await assert.rejects(client.readCoils(7, 1), code(2));
    await assert.rejects(client.writeCoil(2, true), code(2));
    await assert.rejects(client.writeRegister(2, 1), code(2));
    await assert.rejects(client.writeRegister(0, 1), code(2));
    await assert.rejects(client.writeCoil(4, true), code(2));
    await assert.rejects(client.writeRegister(106, 1), code(2));
    await assert.rejects(client.writeRegisters(106, [0, 1, 2, 3]), code(2));
    await assert.rejects(client.writeRegisters(120, [0, 1]), code(2));
    await assert.rejects(client.readHoldingRegisters(109, 1), code(2));
    plc.setFault('TorqueSetpoint', { kind: 'out-of-range' });
    await assert.rejects(client.writeRegisters(0, [0, 0]), code(3));
  });

  it('says plainly that its port is taken', async () => {
    await assert.rejects(startModbus({ plc, port: server.port }), { code: 'PLANT_PORT_BUSY' });
  });
});
