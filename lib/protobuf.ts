/** Writes fields of Protocol Buffers messages (protobuf.dev, "Encoding"); a message is its fields one after the other. */

const VARINT = 0;
const LENGTH_DELIMITED = 2;

function varint(value: number | bigint): Buffer {
  const bytes: number[] = [];
  // Negative numbers travel as their 64 bit two's complement, ten bytes long.
  let rest = BigInt.asUintN(64, BigInt(value));
  while (rest > 127n) {
    bytes.push(Number(rest & 127n) | 128);
    rest >>= 7n;
  }
  bytes.push(Number(rest));
  return Buffer.from(bytes);
}

export function integerField(field: number, value: number | bigint): Buffer {
  return Buffer.concat([varint((field << 3) | VARINT), varint(value)]);
}

export function bytesField(field: number, content: Uint8Array | string): Buffer {
  const bytes = typeof content === 'string' ? Buffer.from(content) : content;
  return Buffer.concat([varint((field << 3) | LENGTH_DELIMITED), varint(bytes.length), bytes]);
}
