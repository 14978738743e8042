/** A real Modbus TCP server in memory, on a free port of 127.0.0.1. */
import { once } from 'node:events';
import modbusSerial from 'modbus-serial';
import { HOST, reservePort } from '../../plant/ports.ts';

export interface ModbusServer {
  port: number;
  coils: boolean[];
  registers: number[];
  /** Every write, in order, with what came in one request as one entry. */
  writes: { address: number; value: unknown }[];
  /** Links to clients. */
  sockets(): number;
  stop(): Promise<void>;
}

/** @param onWrite told of every write at the moment the server applies it */
export async function startModbusServer(
  port = 0,
  onWrite?: (address: number, value: boolean | number | number[]) => void,
): Promise<ModbusServer> {
  const listenPort = await reservePort(port, 'Modbus server');
  const coils = new Array<boolean>(100).fill(false);
  const registers = new Array<number>(100).fill(0);
  const writes: ModbusServer['writes'] = [];
  const log = (address: number, value: boolean | number | number[]): void => {
    writes.push({ address, value });
    onWrite?.(address, value);
  };
  /** Register 99 holds no more than 100, and says nothing about it. */
  const hold = (address: number, value: number): void => {
    registers[address] = address === 99 ? Math.min(value, 100) : value;
  };
  const server = new modbusSerial.ServerTCP(
    {
      getCoil: (address: number) => coils[address] ?? false,
      getDiscreteInput: (address: number) => coils[address] ?? false,
      getHoldingRegister: (address: number) => registers[address] ?? 0,
      getInputRegister: (address: number) => registers[address] ?? 0,
      setCoil: (address: number, value: boolean) => {
        log(address, value);
        coils[address] = value;
      },
      setRegister: (address: number, value: number) => {
        log(address, value);
        hold(address, value);
      },
      setRegisterArray: (address: number, values: number[]) => {
        log(address, values);
        values.forEach((value, offset) => hold(address + offset, value));
      },
    },
    { host: HOST, port: listenPort, unitID: 1 },
  );
  await once(server, 'initialized');
  return {
    port: listenPort,
    coils,
    registers,
    writes,
    sockets: () => server.socks.size,
    stop: () =>
      new Promise((resolve) => {
        for (const socket of server.socks.keys()) socket.destroy();
        server.close(() => resolve());
      }),
  };
}
