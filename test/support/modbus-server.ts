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
  stop(): Promise<void>;
}

export async function startModbusServer(port = 0): Promise<ModbusServer> {
  const listenPort = await reservePort(port, 'Modbus server');
  const coils = new Array<boolean>(100).fill(false);
  const registers = new Array<number>(100).fill(0);
  const writes: ModbusServer['writes'] = [];
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
        writes.push({ address, value });
        coils[address] = value;
      },
      setRegister: (address: number, value: number) => {
        writes.push({ address, value });
        hold(address, value);
      },
      setRegisterArray: (address: number, values: number[]) => {
        writes.push({ address, value: values });
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
    stop: () =>
      new Promise((resolve) => {
        for (const socket of server.socks.keys()) socket.destroy();
        server.close(() => resolve());
      }),
  };
}
