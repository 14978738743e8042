/**
 * A serial gateway: takes RTU frames through TCP, checks their sum, and passes them on as Modbus TCP to
 * the unit they name, one after the other as on a serial line. A frame with a wrong sum, or for a unit
 * nobody is, is not answered, as there.
 */
import { connect, createServer, type Socket } from 'node:net';
import { listen, shut } from '../../plant/ports.ts';

export interface RtuGateway {
  port: number;
  /** Frames in order, as they came in. */
  frames: Buffer[];
  stop(): Promise<void>;
}

/** CRC-16 of Modbus (Serial Line Protocol V1.02, 6.2.2). */
function checksum(bytes: Buffer): number {
  let sum = 0xffff;
  for (const byte of bytes) {
    sum ^= byte;
    for (let bit = 0; bit < 8; bit += 1) sum = sum & 1 ? (sum >> 1) ^ 0xa001 : sum >> 1;
  }
  return sum;
}

/** Requests of functions 1 to 6 have eight bytes; 15 and 16 say how many follow. */
function lengthOf(frame: Buffer): number {
  return [15, 16].includes(frame[1] ?? 0) ? 9 + (frame[6] ?? 0) : 8;
}

export async function startRtuGateway(units: Record<number, number>, port = 0): Promise<RtuGateway> {
  const frames: Buffer[] = [];
  let line: Promise<void> = Promise.resolve();
  const server = createServer((socket) => {
    let bytes = Buffer.alloc(0);
    socket.setNoDelay();
    socket.on('error', () => undefined);
    socket.on('data', (more: Buffer) => {
      bytes = Buffer.concat([bytes, more]);
      while (bytes.length >= 8 && bytes.length >= lengthOf(bytes)) {
        const frame = bytes.subarray(0, lengthOf(bytes));
        bytes = bytes.subarray(frame.length);
        if (checksum(frame.subarray(0, -2)) !== frame.readUInt16LE(frame.length - 2)) continue;
        frames.push(Buffer.from(frame));
        line = line.then(() => carry(frame, units, socket));
      }
    });
  });
  return {
    port: await listen(server, port, 'serial gateway'),
    frames,
    stop: () => shut(server),
  };
}

/** Asks the unit and answers, cut in two, as a slow line makes it arrive. */
async function carry(frame: Buffer, units: Record<number, number>, near: Socket): Promise<void> {
  const port = units[frame[0] ?? 0];
  if (port === undefined) return;
  const answer = await ask(port, frame.subarray(0, -2)).catch(() => undefined);
  if (answer === undefined || near.destroyed) return;
  const sum = Buffer.alloc(2);
  sum.writeUInt16LE(checksum(answer));
  const whole = Buffer.concat([answer, sum]);
  near.write(whole.subarray(0, 3));
  setImmediate(() => near.write(whole.subarray(3)));
}

function ask(port: number, request: Buffer): Promise<Buffer> {
  const header = Buffer.from([0, 1, 0, 0, 0, 0]);
  header.writeUInt16BE(request.length, 4);
  return new Promise((resolve, reject) => {
    const far = connect(port, '127.0.0.1');
    let bytes = Buffer.alloc(0);
    far.on('error', reject);
    far.on('close', () => {
      reject(new Error('the unit hung up'));
    });
    far.on('data', (more: Buffer) => {
      bytes = Buffer.concat([bytes, more]);
      if (bytes.length < 6 || bytes.length < 6 + bytes.readUInt16BE(4)) return;
      resolve(bytes.subarray(6, 6 + bytes.readUInt16BE(4)));
      far.destroy();
    });
    far.write(Buffer.concat([header, request]));
  });
}
