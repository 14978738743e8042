/**
 * The same PLC memory as a Modbus TCP server, unit 1. Coils: 0 FeederEnable, 1 RejectGate, 2 Manual
 * (read only), 3 Torque.Arm, 4–6 ModeManual, InterlockOk, SafeStateActive (read only). Holding registers:
 * 0–1 TorqueSetpoint (float32, high word first, "ABCD"), 2 PartCounter (low 16 bits, read only),
 * 3 Heartbeat, and the command block of the torque where {@link COMMAND} and {@link STATUS} say.
 * Anything else is answered "illegal data address".
 */
import { once } from 'node:events';
import modbusSerial from 'modbus-serial';
import type { BlockCommand } from './command-block.ts';
import type { PlcMemory, TorqueStatus, WritableTag, WriteAnswer } from './plc-memory.ts';
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
const ARM_COIL = 3;
const TORQUE_COILS = ['ModeManual', 'InterlockOk', 'SafeStateActive'] as const;

type Format = 'uint16' | 'uint32' | 'float32';
type Item<Name extends string> = readonly [name: Name, address: number, format: Format];
/** What the gateway writes, in one request 100–107 or item by item; CmdId is the last of it. */
const COMMAND: readonly Item<Exclude<keyof BlockCommand, 'Arm'>>[] = [
  ['Value', 100, 'float32'],
  ['TtlMs', 102, 'uint32'],
  ['DecisionRef', 104, 'uint32'],
  ['CmdId', 106, 'uint32'],
  ['Heartbeat', 108, 'uint16'],
];
/** What the gateway reads, in one request 120–129. */
const STATUS: readonly Item<Exclude<keyof TorqueStatus, (typeof TORQUE_COILS)[number]>>[] = [
  ['AckId', 120, 'uint32'],
  ['AckResult', 122, 'uint16'],
  ['AppliedValue', 123, 'float32'],
  ['AppliedRef', 125, 'uint32'],
  ['LastCmdAgeMs', 127, 'uint32'],
  ['PlcHeartbeat', 129, 'uint16'],
];

/** @throws PlantError PLANT_PORT_BUSY */
export async function startModbus({ plc, port = 0 }: ModbusOptions): Promise<ModbusPlc> {
  const reserved = await reservePort(port, 'Modbus server');
  const server = new modbusSerial.ServerTCP(
    {
      getCoil: (address: number) => {
        if (address === ARM_COIL) return plc.torque.command.Arm;
        const bit = TORQUE_COILS[address - ARM_COIL - 1];
        if (bit !== undefined) return plc.torqueStatus[bit];
        const tag = COILS[address];
        if (tag === undefined) throw illegalAddress(address);
        return plc.get(tag);
      },
      setCoil: (address: number, value: boolean) => {
        if (address === ARM_COIL) {
          plc.writeTorque({ Arm: value }, 'modbus');
          return;
        }
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
  plc.torque.start();
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
  switch (address) {
    case 0:
    case 1:
      return wordsOf(plc.get('TorqueSetpoint'), 'float32')[address] ?? 0;
    case 2:
      return plc.get('PartCounter') & 0xffff;
    case 3:
      return plc.get('Heartbeat');
    default:
      return torqueRegister(plc, address);
  }
}

function torqueRegister(plc: PlcMemory, address: number): number {
  const { command } = plc.torque;
  const status = plc.torqueStatus;
  for (const [name, start, format] of COMMAND) {
    const word = wordsOf(command[name], format)[address - start];
    if (word !== undefined) return word;
  }
  for (const [name, start, format] of STATUS) {
    const word = wordsOf(status[name], format)[address - start];
    if (word !== undefined) return word;
  }
  throw illegalAddress(address);
}

/** Whole items of the command, any number of them in a row: half a number would be another number. */
function writeTorque(plc: PlcMemory, address: number, values: readonly number[]): void {
  const written: Partial<Omit<BlockCommand, 'Arm'>> = {};
  let next = address;
  for (const [name, start, format] of COMMAND) {
    if (start !== next) continue;
    const length = format === 'uint16' ? 1 : 2;
    const words = values.slice(next - address, next - address + length);
    if (words.length < length) break;
    written[name] = fromWords(words, format);
    next += length;
  }
  if (next === address || next !== address + values.length) throw illegalAddress(address);
  plc.writeTorque(written, 'modbus');
}

function wordsOf(value: number, format: Format): number[] {
  if (format === 'uint16') return [value];
  const bytes = Buffer.alloc(4);
  if (format === 'float32') bytes.writeFloatBE(value);
  else bytes.writeUInt32BE(value);
  return [bytes.readUInt16BE(0), bytes.readUInt16BE(2)];
}

function fromWords([first = 0, second = 0]: readonly number[], format: Format): number {
  if (format === 'uint16') return first;
  const bytes = Buffer.alloc(4);
  bytes.writeUInt16BE(first, 0);
  bytes.writeUInt16BE(second, 2);
  return format === 'float32' ? bytes.readFloatBE(0) : bytes.readUInt32BE(0);
}

/** A float written in two halves would be two writes, the first of them wrong: both words or nothing. */
function writeRegisters(plc: PlcMemory, address: number, values: readonly number[]): void {
  const [first = 0] = values;
  if (address === 0 && values.length === 2) {
    settle(plc, 'TorqueSetpoint', fromWords(values, 'float32'));
  } else if (address === 3 && values.length === 1) {
    settle(plc, 'Heartbeat', first);
  } else {
    writeTorque(plc, address, values);
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
