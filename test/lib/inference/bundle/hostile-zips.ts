/** Zips made to harm whoever opens them. Run as a program this file writes them into the folder it is given. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { constants, deflateRawSync } from 'node:zlib';
import { colourModel } from '../onnx.ts';
import {
  entriesOf,
  localRecord,
  manifestFor,
  rawZip,
  sha256,
  type Files,
  type RawEntry,
  type RawZip,
} from './samples.ts';

type Hostile = readonly [what: string, code: string, message: RegExp, build: () => Buffer];

const GIGABYTE = 1024 ** 3;
const MEGABYTE = 1024 ** 2;
const FOLDER = 0o040755;
const SYMLINK = 0o120777;
const DEVICE = 0o020666;

/** A deflated gigabyte of zeros in a megabyte: one flushed block repeated. */
function gigabyteOfZeros(): Buffer {
  const block = deflateRawSync(Buffer.alloc(MEGABYTE), { finishFlush: constants.Z_FULL_FLUSH });
  return Buffer.concat([...Array<Buffer>(GIGABYTE / MEGABYTE).fill(block), deflateRawSync(Buffer.alloc(0))]);
}

/** A sound bundle without pictures. */
function files(more: Files = {}): Files {
  const inside: Files = { 'model.onnx': colourModel(), ...more };
  const manifest = manifestFor(inside, (draft) => {
    delete draft.golden;
  });
  return { ...inside, 'model.json': Buffer.from(JSON.stringify(manifest)) };
}

/** A sound bundle with these entries behind it. */
function beside(...entries: RawEntry[]): Buffer {
  return rawZip([...entriesOf(files()), ...entries]);
}

/** A sound bundle of which the model's entry tells lies. */
function lying(change: Partial<RawEntry>, options?: RawZip): Buffer {
  const entries = entriesOf(files()).map((entry) =>
    entry.name === 'model.onnx' ? { ...entry, ...change } : entry,
  );
  return rawZip(entries, options);
}

const INVALID = 'BUNDLE_INVALID';
const content = Buffer.from('x');

/** An entry in the data of which the next one lies, and so on: each is inflated again and again. */
function nested(count: number): Buffer {
  const names = Array.from({ length: count }, (_, index) => `part-${index}`);
  let inner = localRecord({ name: 'part-0', content: Buffer.alloc(MEGABYTE) });
  const packed: Buffer[] = [deflateRawSync(Buffer.alloc(MEGABYTE))];
  for (const name of names.slice(1)) {
    packed.push(inner);
    inner = localRecord({ name, content: inner, packed: inner, method: 0 });
  }
  const lengths = names.map((name, index) => 30 + name.length + (packed[index]?.length ?? 0));
  const total = lengths.at(-1) ?? 0;
  const entries = names.map((name, index): RawEntry => {
    const place = { name, offset: total - (lengths[index] ?? 0) };
    return index === 0
      ? { ...place, content: Buffer.alloc(MEGABYTE) }
      : { ...place, content: packed[index] ?? content, method: 0 };
  });
  const outermost = entries.pop() as RawEntry;
  delete outermost.offset;
  return rawZip([outermost, ...entries]);
}

function zip64Extra(...values: bigint[]): Buffer {
  const extra = Buffer.alloc(4 + values.length * 8);
  extra.writeUInt16LE(1, 0);
  extra.writeUInt16LE(values.length * 8, 2);
  for (const [index, value] of values.entries()) extra.writeBigUInt64LE(value, 4 + index * 8);
  return extra;
}

/** The end of a directory as zip64 has it, with these lies. */
function zip64End(
  count: bigint,
  directoryOffset: bigint,
  recordOffset?: bigint,
): NonNullable<RawZip['tail']> {
  return () => {
    const record = Buffer.alloc(56);
    record.writeUInt32LE(0x06064b50, 0);
    record.writeBigUInt64LE(44n, 4);
    record.writeBigUInt64LE(count, 24);
    record.writeBigUInt64LE(count, 32);
    record.writeBigUInt64LE(directoryOffset, 48);
    const locator = Buffer.alloc(20);
    locator.writeUInt32LE(0x07064b50, 0);
    locator.writeBigUInt64LE(recordOffset ?? 0n, 8);
    locator.writeUInt32LE(1, 16);
    return Buffer.concat([record, locator]);
  };
}

/** A zip64 end that is found, and lies about the rest. */
function zip64(count: bigint, directoryOffset: bigint): Buffer {
  const entries = entriesOf(files());
  const plain = rawZip(entries);
  const recordOffset = BigInt(plain.length - 22);
  return rawZip(entries, { tail: zip64End(count, directoryOffset, recordOffset) });
}

const hostile: readonly Hostile[] = [
  [
    'a gigabyte of zeros that says so',
    'BUNDLE_TOO_LARGE',
    /grow from \d+ to 1073741824 bytes|more than \d+ bytes/,
    () => lying({ packed: gigabyteOfZeros(), size: GIGABYTE }),
  ],
  [
    'a gigabyte of zeros that says it is a megabyte',
    INVALID,
    /"model.onnx" in the zip is damaged: .*(too many bytes|larger)/,
    () => lying({ packed: gigabyteOfZeros(), size: MEGABYTE }),
  ],
  [
    'a gigabyte of zeros as its manifest',
    'BUNDLE_TOO_LARGE',
    /grow from/,
    () => rawZip([{ name: 'model.json', packed: gigabyteOfZeros(), size: GIGABYTE }]),
  ],
  [
    'sixty files of ten megabytes each, below every ratio',
    'BUNDLE_TOO_LARGE',
    /more than \d+ bytes/,
    () =>
      rawZip(
        Array.from({ length: 60 }, (_, index) => ({
          name: `part-${index}`,
          packed: Buffer.alloc(110_000),
          size: 10 * MEGABYTE,
        })),
      ),
  ],
  [
    'files that lie within each other, as in a zip that unpacks to itself',
    INVALID,
    /share/,
    () => nested(20),
  ],
  [
    'two names for one place',
    INVALID,
    /two things about "other"/,
    () => beside({ name: 'other', content, offset: 0 }),
  ],
  [
    'zips in a zip, sixteen wide, without a model',
    INVALID,
    /no model.json/,
    () =>
      rawZip(
        Array.from({ length: 16 }, (_, index) => ({
          name: `lib ${index}.zip`,
          content: rawZip([{ name: 'lib.zip', packed: Buffer.alloc(4096), size: 4 * GIGABYTE - 2 }]),
        })),
      ),
  ],
  [
    'a zip as its model',
    'MODEL_INVALID',
    /not an ONNX model/,
    () => rawZip(entriesOf(files({ 'model.onnx': rawZip(entriesOf(files())) }))),
  ],
  [
    'a name that leads out of the bundle',
    INVALID,
    /leads out/,
    () => beside({ name: '../../evil', content }),
  ],
  [
    'a name that leads out from within',
    INVALID,
    /leads out/,
    () => beside({ name: 'a/../../evil', content }),
  ],
  ['a folder that leads out', INVALID, /leads out/, () => beside({ name: '../', method: 0 })],
  ['an absolute name', INVALID, /absolute/, () => beside({ name: '/etc/passwd', content })],
  ['a name with a drive', INVALID, /absolute/, () => beside({ name: 'C:/Windows/evil', content })],
  ['a name with backslashes', INVALID, /backslash/, () => beside({ name: '..\\..\\evil', content })],
  ['a name with a line break', INVALID, /cannot be shown/, () => beside({ name: 'a\nb', content })],
  [
    'a name with a null byte',
    INVALID,
    /cannot be shown/,
    () => beside({ name: 'model.onnx\0.txt', content }),
  ],
  [
    'a name that Windows takes for a device',
    INVALID,
    /Windows/,
    () => beside({ name: 'golden/NUL.png', content }),
  ],
  ['an empty name', INVALID, /not 1 to 200 characters/, () => beside({ name: '', content })],
  [
    'a name that is not UTF-8',
    INVALID,
    /not in UTF-8/,
    () => beside({ name: Buffer.from([0xc3, 0x28]), content }),
  ],
  [
    'another name in the Unicode field than in the header',
    INVALID,
    /holds "harmless"/,
    () => {
      // version, checksum of the name, the name an unpacker may believe
      const field = Buffer.concat([
        Buffer.from([0x75, 0x70, 15, 0, 1, 0, 0, 0, 0]),
        Buffer.from('model.json'),
      ]);
      return beside({ name: 'harmless', content, extra: field });
    },
  ],
  ['the same name twice', INVALID, /"model.onnx" twice/, () => beside({ name: 'model.onnx', content })],
  [
    'a name twice where case does not count',
    INVALID,
    /"model.onnx" and "Model.ONNX"/,
    () => beside({ name: 'Model.ONNX', content }),
  ],
  [
    'another name in the header of the file than in the directory',
    INVALID,
    /two things about "model.onnx"/,
    () => lying({ localName: 'model.json' }),
  ],
  [
    'a symbolic link',
    INVALID,
    /link or a device/,
    () => beside({ name: 'weights.bin', content: Buffer.from('/etc/passwd'), attributes: SYMLINK * 65_536 }),
  ],
  ['a device', INVALID, /link or a device/, () => beside({ name: 'null', attributes: DEVICE * 65_536 })],
  [
    'a link as Windows has them',
    INVALID,
    /link or a device/,
    () => beside({ name: 'junction', content, attributes: 0x400 }),
  ],
  [
    'a file that says it is a folder',
    INVALID,
    /link or a device/,
    () => lying({ attributes: FOLDER * 65_536 }),
  ],
  ['a folder with content', INVALID, /has content/, () => beside({ name: 'golden/', content })],
  ['an encrypted file', INVALID, /encrypted/, () => lying({ flags: 0x801 })],
  ['a strongly encrypted file', INVALID, /encryption|encrypted/, () => lying({ flags: 0x841 })],
  ['a packing nobody knows', INVALID, /method 99/, () => lying({ method: 99 })],
  ['a file that is smaller than it says', INVALID, /damaged/, () => lying({ size: 4000 })],
  ['a file that is larger than it says', INVALID, /damaged/, () => lying({ size: 4 })],
  [
    'a stored file with two sizes',
    INVALID,
    /mismatch/,
    () => lying({ method: 0, packed: content, size: 4000 }),
  ],
  ['a file that ends behind the zip', INVALID, /damaged/, () => lying({ packedSize: 1_000_000 })],
  [
    'a file that begins behind the zip',
    INVALID,
    /damaged/,
    () => beside({ name: 'x', offset: 4_000_000_000 }),
  ],
  ['a wrong checksum', INVALID, /checksum/, () => lying({ crc: 1 })],
  [
    'packed bytes that are none',
    INVALID,
    /damaged/,
    () => lying({ packed: Buffer.alloc(100, 0xff), size: 100 }),
  ],
  [
    'zip64 sizes of an exabyte',
    'BUNDLE_TOO_LARGE',
    /grow|more than/,
    () => lying({ size: 2 ** 33, extra: zip64Extra(2n ** 60n) }),
  ],
  [
    'zip64 sizes where none are',
    INVALID,
    /zip64/,
    () => lying({ size: 2 ** 33, extra: Buffer.from([1, 0, 0, 0]) }),
  ],
  [
    'a zip64 place no number can hold',
    INVALID,
    /damaged/,
    () => lying({}, { tail: zip64End(3n, 0n, 2n ** 64n - 1n) }),
  ],
  ['a zip64 directory no number can find', INVALID, /damaged/, () => zip64(2n, 2n ** 64n - 1n)],
  ['zip64 with four billion files', 'BUNDLE_TOO_LARGE', /256 files/, () => zip64(2n ** 32n, 0n)],
  [
    'more files than it says it may have',
    'BUNDLE_TOO_LARGE',
    /256 files/,
    () => lying({}, { count: 65_535 }),
  ],
  ['more files in its directory than there are', INVALID, /damaged/, () => lying({}, { count: 100 })],
  [
    'three hundred empty files',
    'BUNDLE_TOO_LARGE',
    /256 files/,
    () => rawZip(Array.from({ length: 300 }, (_, index) => ({ name: `${index}`, method: 0 }))),
  ],
  [
    'a file of which the digest is another',
    INVALID,
    /model.json lists/,
    () => {
      const sound = files();
      const json = sound['model.json']?.toString().replace(sha256(colourModel()), sha256(content)) ?? '';
      return rawZip(entriesOf({ ...sound, 'model.json': Buffer.from(json) }));
    },
  ],
];

export const hostileZips = hostile.map(([what, code, message, build], index) => ({
  what,
  code,
  message,
  build,
  file: `hostile-${index}.zip`,
}));

if (import.meta.main) {
  const folder = process.argv[2] ?? '.';
  for (const { file, build } of hostileZips) writeFileSync(join(folder, file), build());
}
