/** Bundles the tests read: sound ones, changed ones, and zips written byte by byte. */
import { createHash } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { crc32, deflateRawSync } from 'node:zlib';
import sharp from 'sharp';
import { ZipFile } from 'yazl';
import type { Manifest } from '../../../../lib/inference/bundle/manifest.ts';
import { colourModel } from '../onnx.ts';

export type Files = Record<string, Buffer>;

export function sha256(bytes: Buffer): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}

export async function picture(red: number, side = 8): Promise<Buffer> {
  const background = { r: red, g: 40, b: 10 };
  return await sharp({ create: { width: side, height: side, channels: 3, background } })
    .png()
    .toBuffer();
}

/** A manifest for `files` of the colour model, changed by `change`. */
export function manifestFor(files: Files, change: (manifest: Manifest) => void = () => undefined): Manifest {
  const manifest: Manifest = {
    schema: 1,
    name: 'colour of the cap',
    version: '3',
    task: 'classify',
    input: {
      width: 8,
      height: 8,
      layout: 'nchw',
      colour: 'rgb',
      scale: 1 / 255,
      mean: [0, 0, 0],
      std: [1, 1, 1],
      resize: 'stretch',
    },
    outputs: [{ name: 'logits', shape: [1, 3] }],
    labels: ['red', 'green', 'blue'],
    postprocessing: { topK: 2, scores: 'softmax' },
    golden: [
      {
        image: 'golden/red.png',
        expected: { task: 'classify', classes: [{ index: 0, label: 'red', score: 0.5 }] },
        tolerance: { absolute: 0.01, relative: 0 },
      },
    ],
    provenance: { trainedBy: 'the test', licence: 'Apache-2.0' },
    intendedUse: 'Tells caps apart.\nNot for protecting people.',
    files: Object.fromEntries(Object.entries(files).map(([name, bytes]) => [name, sha256(bytes)])),
  };
  change(manifest);
  return manifest;
}

function textOf(value: unknown): Buffer {
  return Buffer.from(JSON.stringify(value, null, 2));
}

/** All files of a bundle. */
export async function sample(
  change?: (manifest: Manifest) => void,
  more: Files = {},
): Promise<Files & { 'model.json': Buffer }> {
  const files: Files = {
    'model.onnx': colourModel(),
    'golden/red.png': await picture(200),
    ...more,
  };
  return { ...files, 'model.json': textOf(manifestFor(files, change)) };
}

export async function writeFolder(folder: string, files: Files): Promise<string> {
  for (const [name, bytes] of Object.entries(files)) {
    const path = join(folder, name);
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, bytes);
  }
  return folder;
}

/** A zip as common tools write it. */
export async function zipOf(files: Files, options: { compress?: boolean } = {}): Promise<Buffer> {
  const zip = new ZipFile();
  const folders = new Set(Object.keys(files).map((name) => dirname(name)));
  for (const folder of folders) if (folder !== '.') zip.addEmptyDirectory(folder);
  for (const [name, bytes] of Object.entries(files)) zip.addBuffer(bytes, name, options);
  zip.end();
  const chunks: Buffer[] = [];
  for await (const chunk of zip.outputStream as unknown as AsyncIterable<Buffer>) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** One entry of a zip, with whatever lies it is to tell. */
export interface RawEntry {
  name: string | Buffer;
  /** Unpacked; empty when only `packed` is given. */
  content?: Buffer;
  /** As it lies in the file; else the content, deflated. */
  packed?: Buffer;
  method?: number;
  flags?: number;
  /** Declared in the directory. */
  size?: number;
  packedSize?: number;
  crc?: number;
  /** External attributes. */
  attributes?: number;
  /** Name in the entry's own header, where it says another. */
  localName?: string;
  /** Where its own header is said to be. */
  offset?: number;
  extra?: Buffer;
}

const UTF8 = 0x800;

function raw(entry: RawEntry): Required<Omit<RawEntry, 'localName' | 'offset' | 'name'>> & { name: Buffer } {
  const content = entry.content ?? Buffer.alloc(0);
  const method = entry.method ?? 8;
  const packed = entry.packed ?? (method === 8 ? deflateRawSync(content) : content);
  return {
    name: Buffer.from(entry.name),
    content,
    packed,
    method,
    flags: entry.flags ?? UTF8,
    size: entry.size ?? content.length,
    packedSize: entry.packedSize ?? packed.length,
    crc: entry.crc ?? crc32(content),
    attributes: entry.attributes ?? 0,
    extra: entry.extra ?? Buffer.alloc(0),
  };
}

/** The header of an entry and its data. */
export function localRecord(entry: RawEntry): Buffer {
  const { name, packed, method, flags, size, packedSize, crc } = raw(entry);
  const ownName = entry.localName === undefined ? name : Buffer.from(entry.localName);
  const header = Buffer.alloc(30);
  header.writeUInt32LE(0x04034b50, 0);
  header.writeUInt16LE(20, 4);
  header.writeUInt16LE(flags, 6);
  header.writeUInt16LE(method, 8);
  header.writeUInt32LE(crc, 14);
  header.writeUInt32LE(Math.min(packedSize, 0xffffffff), 18);
  header.writeUInt32LE(Math.min(size, 0xffffffff), 22);
  header.writeUInt16LE(ownName.length, 26);
  return Buffer.concat([header, ownName, packed]);
}

function directoryRecord(entry: RawEntry, offset: number): Buffer {
  const { name, method, flags, size, packedSize, crc, attributes, extra } = raw(entry);
  const header = Buffer.alloc(46);
  header.writeUInt32LE(0x02014b50, 0);
  header.writeUInt16LE((3 << 8) | 20, 4);
  header.writeUInt16LE(20, 6);
  header.writeUInt16LE(flags, 8);
  header.writeUInt16LE(method, 10);
  header.writeUInt32LE(crc, 16);
  header.writeUInt32LE(Math.min(packedSize, 0xffffffff), 20);
  header.writeUInt32LE(Math.min(size, 0xffffffff), 24);
  header.writeUInt16LE(name.length, 28);
  header.writeUInt16LE(extra.length, 30);
  header.writeUInt32LE(attributes >>> 0, 38);
  header.writeUInt32LE(offset, 42);
  return Buffer.concat([header, name, extra]);
}

export interface RawZip {
  /** Declared number of entries. */
  count?: number;
  /** Between the directory and its end: zip64 records. */
  tail?: (directoryOffset: number) => Buffer;
}

export function rawZip(entries: readonly RawEntry[], { count, tail }: RawZip = {}): Buffer {
  const records: Buffer[] = [];
  const directory: Buffer[] = [];
  let offset = 0;
  for (const entry of entries) {
    const record = localRecord(entry);
    directory.push(directoryRecord(entry, entry.offset ?? offset));
    // an entry that says where it is lies in another already
    if (entry.offset !== undefined) continue;
    records.push(record);
    offset += record.length;
  }
  const between = tail?.(offset) ?? Buffer.alloc(0);
  const end = Buffer.alloc(22);
  end.writeUInt32LE(0x06054b50, 0);
  end.writeUInt16LE(count ?? entries.length, 8);
  end.writeUInt16LE(count ?? entries.length, 10);
  end.writeUInt32LE(Buffer.concat(directory).length, 12);
  end.writeUInt32LE(offset, 16);
  return Buffer.concat([...records, ...directory, between, end]);
}

/** Entries of these files, in order. */
export function entriesOf(files: Files): RawEntry[] {
  return Object.entries(files).map(([name, content]) => ({ name, content }));
}
