/**
 * The line's PLC as a real OPC UA server: object `Line` with one readable node id per tag
 * (`ns=1;s=Line.RejectGate`) and the command block of the torque under it (`ns=1;s=Line.Torque.CmdId`), without security and with Basic256Sha256 under a certificate of its own.
 * Anonymous clients may write what {@link WRITABLE_TAGS} names, and the block's command.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  DataType,
  MessageSecurityMode,
  type Namespace,
  OPCUACertificateManager,
  OPCUAServer,
  SecurityPolicy,
  makeEUInformation,
  type StatusCode,
  StatusCodes,
  type UAObject,
  Variant,
} from 'node-opcua';
import type { BlockCommand } from './command-block.ts';
import {
  type PlcMemory,
  type PlcTag,
  type PlcWrite,
  type TorqueStatus,
  WRITABLE_TAGS,
  type WritableTag,
} from './plc-memory.ts';
import { asPortError, HOST, reservePort } from './ports.ts';

export interface OpcuaOptions {
  plc: PlcMemory;
  /** 0 or absent: a free one. */
  port?: number;
  /** Folder for certificates; a temporary one, removed on close, unless told. */
  pkiFolder?: string;
  /** Ten unless told; that of a client that died without a word is taken for 20 s and more. */
  maxSessions?: number;
}

export interface OpcuaPlc {
  endpointUrl: string;
  port: number;
  /** Writes that came in through OPC UA or Modbus, oldest first. */
  writes: readonly PlcWrite[];
  close(): Promise<void>;
}

const TYPES: Readonly<Record<PlcTag, DataType>> = {
  FeederEnable: DataType.Boolean,
  RejectGate: DataType.Boolean,
  TorqueSetpoint: DataType.Double,
  PartCounter: DataType.UInt32,
  PartId: DataType.String,
  PartPresent: DataType.Boolean,
  Manual: DataType.Boolean,
  Heartbeat: DataType.UInt16,
  RejectedCount: DataType.UInt32,
};
const TORQUE_RANGE = { low: 0, high: 60 };
const TORQUE_UNITS = {
  engineeringUnitsRange: TORQUE_RANGE,
  engineeringUnits: makeEUInformation('NU', 'N·m', 'newton metre'),
};
const COMMAND_TYPES: Readonly<Record<keyof BlockCommand, DataType>> = {
  Value: DataType.Float,
  TtlMs: DataType.UInt32,
  DecisionRef: DataType.UInt32,
  CmdId: DataType.UInt32,
  Heartbeat: DataType.UInt16,
  Arm: DataType.Boolean,
};
const STATUS_TYPES: Readonly<Record<keyof TorqueStatus, DataType>> = {
  AckId: DataType.UInt32,
  AckResult: DataType.UInt16,
  AppliedValue: DataType.Float,
  AppliedRef: DataType.UInt32,
  PlcHeartbeat: DataType.UInt16,
  ModeManual: DataType.Boolean,
  InterlockOk: DataType.Boolean,
  SafeStateActive: DataType.Boolean,
  LastCmdAgeMs: DataType.UInt32,
};

/**
 * Starts the server; about a second, more on the first start in a PKI folder (key generation).
 * @throws PlantError PLANT_PORT_BUSY
 */
export async function startOpcua(options: OpcuaOptions): Promise<OpcuaPlc> {
  const { plc } = options;
  const port = await reservePort(options.port ?? 0, 'OPC UA server');
  const rootFolder = options.pkiFolder ?? (await mkdtemp(join(tmpdir(), 'jidoka-plant-pki-')));
  const certificates = new OPCUACertificateManager({
    rootFolder,
    // A plant in a box on the loopback address trusts whoever comes; a real PLC must not.
    automaticallyAcceptUnknownCertificate: true,
  });
  const server = new OPCUAServer({
    port,
    host: HOST,
    hostname: HOST,
    serverCertificateManager: certificates,
    securityPolicies: [SecurityPolicy.None, SecurityPolicy.Basic256Sha256],
    securityModes: [MessageSecurityMode.None, MessageSecurityMode.Sign, MessageSecurityMode.SignAndEncrypt],
    allowAnonymous: true,
    ...(options.maxSessions === undefined
      ? {}
      : {
          serverCapabilities: { maxSessions: options.maxSessions },
          maxConnectionsPerEndpoint: 2 * options.maxSessions,
        }),
    buildInfo: { productName: 'Jidoka plant in a box', manufacturerName: 'Jidoka' },
  });
  const removeTemporary = async (): Promise<void> => {
    if (options.pkiFolder === undefined) await rm(rootFolder, { recursive: true, force: true });
  };
  try {
    await certificates.initialize();
    await server.initialize();
    const space = server.engine.addressSpace;
    if (space === null) throw new Error('the OPC UA server has no address space');
    const namespace = space.getOwnNamespace();
    addTorque(namespace, addLine(namespace, space.rootFolder.objects, plc), plc);
    plc.torque.start();
    await server.start();
  } catch (error) {
    await server.shutdown(0).catch(() => undefined);
    await removeTemporary();
    throw asPortError(error, port, 'OPC UA server');
  }
  return {
    endpointUrl: `opc.tcp://${HOST}:${port}`,
    port,
    writes: plc.writes,
    close: async () => {
      await server.shutdown(0);
      await certificates.dispose();
      await removeTemporary();
    },
  };
}

function addLine(namespace: Namespace, objects: UAObject, plc: PlcMemory): UAObject {
  const line: UAObject = namespace.addObject({
    organizedBy: objects,
    browseName: 'Line',
    nodeId: 's=Line',
  });
  for (const tag of Object.keys(TYPES) as PlcTag[]) {
    const writable = isWritable(tag);
    const access = writable ? 'CurrentRead | CurrentWrite' : 'CurrentRead';
    const common = {
      componentOf: line,
      browseName: tag,
      nodeId: `s=Line.${tag}`,
      dataType: TYPES[tag],
      accessLevel: access,
      userAccessLevel: access,
      minimumSamplingInterval: 10,
      value: {
        get: () => new Variant({ dataType: TYPES[tag], value: plc.get(tag) }),
        ...(writable ? { set: (variant: Variant) => answerTo(plc, tag, variant) } : {}),
      },
    };
    if (tag === 'TorqueSetpoint') namespace.addAnalogDataItem({ ...common, ...TORQUE_UNITS });
    else namespace.addVariable(common);
  }
  return line;
}

/** The command block: its command may be written, its status is read only. */
function addTorque(namespace: Namespace, line: UAObject, plc: PlcMemory): void {
  const torque = namespace.addObject({ componentOf: line, browseName: 'Torque', nodeId: 's=Line.Torque' });
  const common = (name: string, dataType: DataType, access: string) => ({
    componentOf: torque,
    browseName: name,
    nodeId: `s=Line.Torque.${name}`,
    dataType,
    accessLevel: access,
    userAccessLevel: access,
    minimumSamplingInterval: 10,
  });
  for (const tag of Object.keys(COMMAND_TYPES) as (keyof BlockCommand)[]) {
    const dataType = COMMAND_TYPES[tag];
    const options = {
      ...common(tag, dataType, 'CurrentRead | CurrentWrite'),
      value: {
        get: () => new Variant({ dataType, value: plc.torque.command[tag] }),
        set: (variant: Variant) => {
          plc.writeTorque({ [tag]: variant.value as unknown }, 'opcua');
          return StatusCodes.Good;
        },
      },
    };
    if (tag === 'Value') namespace.addAnalogDataItem({ ...options, ...TORQUE_UNITS });
    else namespace.addVariable(options);
  }
  for (const tag of Object.keys(STATUS_TYPES) as (keyof TorqueStatus)[]) {
    const dataType = STATUS_TYPES[tag];
    const options = {
      ...common(tag, dataType, 'CurrentRead'),
      value: { get: () => new Variant({ dataType, value: plc.torqueStatus[tag] }) },
    };
    if (tag === 'AppliedValue') namespace.addAnalogDataItem({ ...options, ...TORQUE_UNITS });
    else namespace.addVariable(options);
  }
}

function isWritable(tag: PlcTag): tag is WritableTag {
  return (WRITABLE_TAGS as readonly string[]).includes(tag);
}

/** The server has checked the type; `write` decides what becomes of the value. */
function answerTo(plc: PlcMemory, tag: WritableTag, variant: Variant): StatusCode {
  switch (plc.write(tag, variant.value as never, 'opcua')) {
    case 'good':
      return StatusCodes.Good;
    case 'clamped':
      return StatusCodes.GoodClamped;
    case 'out-of-range':
      return StatusCodes.BadOutOfRange;
  }
}
