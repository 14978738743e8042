/**
 * A number in a picture, as 56 blocks of 16 × 16 pixels in its upper left corner: 48 bits and 8 bits
 * of check sum, most significant first, white for 1. It survives every codec we use.
 */

export const STAMP = { block: 16, columns: 28, rows: 2 };
const NUMBER_BYTES = 6;

function checkSum(bytes: Uint8Array): number {
  return bytes.reduce((sum, byte) => sum ^ byte, 0);
}

function bytesOfNumber(number: number): Buffer {
  const bytes = Buffer.alloc(NUMBER_BYTES);
  bytes.writeUIntBE(number, 0, NUMBER_BYTES);
  return bytes;
}

/** Writes the number into rows of gray, `stride` bytes each. */
export function writeStamp(gray: Uint8Array, stride: number, number: number): void {
  const bytes = bytesOfNumber(number);
  const bits = [...bytes, checkSum(bytes)].map((byte) => byte.toString(2).padStart(8, '0')).join('');
  const { block, columns, rows } = STAMP;
  for (let y = 0; y < rows * block; y += 1) {
    for (let column = 0; column < columns; column += 1) {
      const bit = bits[Math.floor(y / block) * columns + column];
      gray.fill(bit === '1' ? 235 : 16, y * stride + column * block, y * stride + (column + 1) * block);
    }
  }
}

/**
 * The number in the picture; undefined where it carries no whole one.
 *
 * @param pixels raw rows without padding, `channels` bytes for each pixel
 */
export function readStamp(pixels: Uint8Array, width: number, channels: 1 | 3): number | undefined {
  const { block, columns, rows } = STAMP;
  const bits = Array.from({ length: rows * columns }, (_, index) => {
    const x = (index % columns) * block + block / 2;
    const y = Math.floor(index / columns) * block + block / 2;
    return (pixels[(y * width + x) * channels] ?? 0) > 127 ? '1' : '0';
  }).join('');
  const number = Number.parseInt(bits.slice(0, NUMBER_BYTES * 8), 2);
  const check = Number.parseInt(bits.slice(NUMBER_BYTES * 8), 2);
  return checkSum(bytesOfNumber(number)) === check ? number : undefined;
}
