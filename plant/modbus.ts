/**
 * The same PLC memory as a Modbus TCP server, unit 1. Coils: 0 FeederEnable, 1 RejectGate, 2 Manual
 * (read only). Holding registers: 0–1 TorqueSetpoint (float32, high word first, "ABCD"), 2 PartCounter
 * (low 16 bits, read only), 3 Heartbeat. Anything else is answered "illegal data address".
 */
import { once } from 'node:events';
import modbusSerial from 'modbus-serial';
import type { PlcMemory, WritableTag, WriteAnswer } from './plc-memory.ts';
import { asPortError, HOST, reservePort } from './ports.ts';

export interface ModbusOptions {
  plc: PlcMemory;
  /** 0 or absent: a free one. */
  port?: number;
}

export interface ModbusPlc {
  host: string;
  port: number;
  close(): Promise<void>;
}

const ILLEGAL_ADDRESS = 2;
const ILLEGAL_VALUE = 3;

/** modbus-serial turns `modbusErrorCode` into the exception on the wire. */
class ModbusException extends Error {
  readonly modbusErrorCode: number;
  constructor(message: string, modbusErrorCode: number) {
    super(message);
    this.modbusErrorCode = modbusErrorCode;
  }
}

const COILS = ['FeederEnable', 'RejectGate', 'Manual'] as const;

/** @throws PlantError PLANT_PORT_BUSY */
export async function startModbus({ plc, port = 0 }: ModbusOptions): Promise<ModbusPlc> {
  const reserved = await reservePort(port, 'Modbus server');
  const server = new modbusSerial.ServerTCP(
    {
      getCoil: (address: number) => {
        const tag = COILS[address];
        if (tag === undefined) throw illegalAddress(address);
        return plc.get(tag);
      },
      setCoil: (address: number, value: boolean) => {
        const tag = COILS[address];
        if (tag === undefined || tag === 'Manual') throw illegalAddress(address);
        settle(plc, tag, value);
      },
      getHoldingRegister: (address: number) => readRegister(plc, address),
      setRegister: (address: number, value: number) => {
        writeRegisters(plc, address, [value]);
      },
      setRegisterArray: (address: number, values: number[]) => {
        writeRegisters(plc, address, values);
      },
    },
    { host: HOST, port: reserved, unitID: 1 },
  );
  await Promise.race([
    once(server, 'initialized'),
    once(server, 'serverError').then(([error]) => {
      throw asPortError(error, reserved, 'Modbus server');
    }),
  ]);
  return {
    host: HOST,
    port: reserved,
    close: () =>
      new Promise((resolve) => {
        server.close(() => {
          resolve();
        });
      }),
  };
}

function readRegister(plc: PlcMemory, address: number): number {
  const torque = Buffer.alloc(4);
  torque.writeFloatBE(plc.get('TorqueSetpoint'));
  switch (address) {
    case 0:
      return torque.readUInt16BE(0);
    case 1:
      return torque.readUInt16BE(2);
    case 2:
      return plc.get('PartCounter') & 0xffff;
    case 3:
      return plc.get('Heartbeat');
    default:
      throw illegalAddress(address);
  }
}

/** A float written in two halves would be two writes, the first of them wrong: both words or nothing. */
function writeRegisters(plc: PlcMemory, address: number, values: readonly number[]): void {
  const [first = 0, second = 0] = values;
  if (address === 0 && values.length === 2) {
    const torque = Buffer.alloc(4);
    torque.writeUInt16BE(first, 0);
    torque.writeUInt16BE(second, 2);
    settle(plc, 'TorqueSetpoint', torque.readFloatBE(0));
  } else if (address === 3 && values.length === 1) {
    settle(plc, 'Heartbeat', first);
  } else {
    throw illegalAddress(address);
  }
}

function settle<Tag extends WritableTag>(
  plc: PlcMemory,
  tag: Tag,
  value: ReturnType<typeof plc.get<Tag>>,
): void {
  const answer: WriteAnswer = plc.write(tag, value, 'modbus');
  if (answer === 'out-of-range') throw new ModbusException(`${tag} refuses this value`, ILLEGAL_VALUE);
}

function illegalAddress(address: number): ModbusException {
  return new ModbusException(`no writable or readable item at address ${address}`, ILLEGAL_ADDRESS);
}
