/** TIFF of grey samples of 16 bit, uncompressed, of the kinds that sharp does not write. */

interface TiffOptions {
  width: number;
  height: number;
  bigEndian?: boolean;
  zeroIsWhite?: boolean;
  sampleFormat?: number;
  /** Pixels behind the directory, as programs write that stream. */
  pixelsLast?: boolean;
}

export function writeTiff(samples: Uint16Array, options: TiffOptions): Buffer {
  const { width, height, bigEndian = false, zeroIsWhite = false, sampleFormat = 1, pixelsLast } = options;
  const [SHORT, LONG] = [3, 4];
  const [headerBytes, directoryBytes, pixelBytes] = [8, 2 + 10 * 12 + 4, samples.length * 2];
  const pixelsAt = pixelsLast === true ? headerBytes + directoryBytes : headerBytes;
  const directoryAt = pixelsLast === true ? headerBytes : headerBytes + pixelBytes;
  const fields: [tag: number, type: number, value: number][] = [
    [256, SHORT, width],
    [257, SHORT, height],
    [258, SHORT, 16],
    [259, SHORT, 1],
    [262, SHORT, zeroIsWhite ? 0 : 1],
    [273, LONG, pixelsAt],
    [277, SHORT, 1],
    [278, SHORT, height],
    [279, LONG, pixelBytes],
    [339, SHORT, sampleFormat],
  ];
  const bytes = Buffer.alloc(headerBytes + directoryBytes + pixelBytes);
  const uint16 = (value: number, at: number): number =>
    bigEndian ? bytes.writeUInt16BE(value, at) : bytes.writeUInt16LE(value, at);
  const uint32 = (value: number, at: number): number =>
    bigEndian ? bytes.writeUInt32BE(value, at) : bytes.writeUInt32LE(value, at);
  bytes.write(bigEndian ? 'MM' : 'II', 'latin1');
  uint16(42, 2);
  uint32(directoryAt, 4);
  samples.forEach((sample, index) => uint16(sample, pixelsAt + 2 * index));
  uint16(fields.length, directoryAt);
  fields.forEach(([tag, type, value], index) => {
    const at = directoryAt + 2 + 12 * index;
    uint16(tag, at);
    uint16(type, at + 2);
    uint32(1, at + 4);
    if (type === SHORT) uint16(value, at + 8);
    else uint32(value, at + 8);
  });
  return bytes;
}
