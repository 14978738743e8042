/**
 * A bundle as a zip, read from its file entry by entry: nothing is unpacked onto a disk, and nothing is
 * inflated before the whole directory was found sound. A zip can lie about everything: what its
 * directory declares is checked against limits first, then what comes out against what was declared.
 *
 * Format: PKWARE APPNOTE 6.3.10; yauzl reads the directory.
 */
import { isUtf8 } from 'node:buffer';
import { createHash } from 'node:crypto';
import type { FileHandle } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { setImmediate as turn } from 'node:timers/promises';
import { promisify } from 'node:util';
import zlib from 'node:zlib';
import { fromRandomAccessReaderPromise, RandomAccessReader, type Entry, type ZipFile } from 'yauzl';
import { InferenceError } from '../errors.ts';
import { quoted } from '../model/fields.ts';
import { readBytes, SLICE_BYTES, type HashedBytes } from '../model/read-file.ts';
import {
  bundleInvalid,
  bundleTooLarge,
  checkNames,
  MAX_ENTRIES,
  tooManyEntries,
  type BundleFiles,
} from './files.ts';

/** Weights shrink to 0.5–0.95 of their size, text to 0.1, zeros to 0.001. */
const MAX_RATIO = 100;
/** Smaller ones may shrink as they like: what they grow to is small. */
const RATIO_FROM_BYTES = 1024 ** 2;
const ZIP_AGAIN = 'Pack the folder of the bundle into a zip once more, with any common tool.';

/** Type bits of a Unix mode, in the high half of the external attributes; 0 where the packer had no such thing. */
const UNIX = { mask: 0o170000, file: 0o100000, folder: 0o040000 } as const;
const DOS_REPARSE_POINT = 0x400;
/** General purpose bits: encrypted; sizes and names masked. */
const ENCRYPTED = 0x2041;

/** True for the first bytes of a file that is a zip. An ONNX file begins with a field, never with these. */
export function isZip(start: Buffer): boolean {
  return start.length >= 4 && (start.readUInt32LE(0) === 0x04034b50 || start.readUInt32LE(0) === 0x06054b50);
}

async function* bytesAt(file: FileHandle, start: number, end: number): AsyncGenerator<Buffer> {
  yield await readBytes(file, end - start, { offset: start });
}

/**
 * What yauzl reads the directory from. A place that is not in the file must be an error of the stream:
 * yauzl would not catch one of the call, and Node-RED would end.
 */
class ZipReader extends RandomAccessReader {
  readonly #file: FileHandle;

  constructor(file: FileHandle) {
    super();
    this.#file = file;
  }

  override _readStreamForRange(start: number, end: number): Readable {
    return Readable.from(bytesAt(this.#file, start, end), { objectMode: false });
  }
}

/** Whatever yauzl, zlib or the system say of a zip, as one of our errors. */
async function orDamaged<Result>(what: string, action: () => Promise<Result>): Promise<Result> {
  try {
    return await action();
  } catch (error) {
    if (error instanceof InferenceError) throw error;
    throw bundleInvalid(`${what} is damaged: ${(error as Error).message}`, ZIP_AGAIN, error);
  }
}

function nameOf({ fileNameRaw }: Entry): string {
  if (isUtf8(fileNameRaw)) return fileNameRaw.toString('utf8');
  throw bundleInvalid(
    `the zip has the name ${quoted(fileNameRaw.toString('latin1'))}, not in UTF-8`,
    ZIP_AGAIN,
  );
}

function isFolder(name: string): boolean {
  return name.endsWith('/');
}

function checkEntry(name: string, entry: Entry): void {
  const { compressedSize, uncompressedSize, compressionMethod, externalFileAttributes } = entry;
  const label = quoted(name);
  if ((entry.generalPurposeBitFlag & ENCRYPTED) !== 0) {
    throw bundleInvalid(`${label} in the zip is encrypted`, 'Pack the bundle without a password.');
  }
  if (compressionMethod !== 0 && compressionMethod !== 8) {
    throw bundleInvalid(
      `${label} is packed by method ${compressionMethod}`,
      'Pack it with “deflate” or “store”.',
    );
  }
  const mode = (externalFileAttributes >>> 16) & UNIX.mask;
  const isLink = (externalFileAttributes & DOS_REPARSE_POINT) !== 0;
  if (isLink || (mode !== 0 && mode !== (isFolder(name) ? UNIX.folder : UNIX.file))) {
    throw bundleInvalid(`${label} in the zip is a link or a device`, 'Pack the file itself.');
  }
  if (isFolder(name) && uncompressedSize > 0)
    throw bundleInvalid(`the folder ${label} has content`, ZIP_AGAIN);
  if (uncompressedSize > RATIO_FROM_BYTES && uncompressedSize > compressedSize * MAX_RATIO) {
    throw bundleTooLarge(`${label} would grow from ${compressedSize} to ${uncompressedSize} bytes`);
  }
}

interface PlacedEntry {
  entry: Entry;
  /** Where its own header begins, and what comes after that. */
  start: number;
  dataStart: number;
}

/** Where the entry lies in the file, by its own header; that must say what the directory says. */
async function placed(zip: ZipFile, name: string, entry: Entry): Promise<PlacedEntry> {
  const header = await zip.readLocalFileHeaderPromise(entry);
  const isSame =
    header.fileName.equals(entry.fileNameRaw) &&
    header.compressionMethod === entry.compressionMethod &&
    (header.generalPurposeBitFlag & ENCRYPTED) === 0;
  if (!isSame) throw bundleInvalid(`the zip says two things about ${quoted(name)}`, ZIP_AGAIN);
  return { entry, start: entry.relativeOffsetOfLocalHeader, dataStart: header.fileDataStart };
}

/** Entries that share bytes make a small zip into a large one (D. Fifield, "A better zip bomb", WOOT 2019). */
function checkOverlaps(entries: Iterable<PlacedEntry>): void {
  let end = 0;
  for (const { entry, start, dataStart } of [...entries].sort((one, other) => one.start - other.start)) {
    if (start < end) throw bundleInvalid('two files of the zip share their bytes', ZIP_AGAIN);
    end = dataStart + entry.compressedSize;
  }
}

async function listed(zip: ZipFile, limitBytes: number): Promise<Map<string, Entry>> {
  if (zip.entryCount > MAX_ENTRIES) throw tooManyEntries();
  const entries = new Map<string, Entry>();
  let total = 0;
  for await (const entry of zip.eachEntry()) {
    const name = nameOf(entry);
    if (entries.has(name)) throw bundleInvalid(`the zip has ${quoted(name)} twice`, ZIP_AGAIN);
    checkEntry(name, entry);
    entries.set(name, entry);
    total += entry.uncompressedSize;
    if (total > limitBytes) throw bundleTooLarge(`the files in the zip are more than ${limitBytes} bytes`);
  }
  checkNames([...entries.keys()].map((name) => (isFolder(name) ? name.slice(0, -1) : name)));
  return entries;
}

/** The files of the zip, by name. */
async function entriesOf(zip: ZipFile, limitBytes: number): Promise<Map<string, PlacedEntry>> {
  const entries = new Map<string, PlacedEntry>();
  for (const [name, entry] of await listed(zip, limitBytes)) {
    entries.set(name, await placed(zip, name, entry));
  }
  checkOverlaps(entries.values());
  for (const name of entries.keys()) if (isFolder(name)) entries.delete(name);
  return entries;
}

/** Many tools pack the folder rather than what is in it: then that one folder is the bundle. */
function withoutOuterFolder(entries: ReadonlyMap<string, PlacedEntry>): ReadonlyMap<string, PlacedEntry> {
  const names = [...entries.keys()];
  const [first = ''] = names;
  const outer = first.slice(0, first.indexOf('/') + 1);
  if (outer === '' || !names.every((name) => name.startsWith(outer))) return entries;
  return new Map([...entries].map(([name, entry]) => [name.slice(outer.length), entry]));
}

const inflateRaw = promisify(zlib.inflateRaw);

/**
 * What packed bytes really inflate to; an error where that is more than `size`. All in one buffer and
 * outside of the event loop: of a stream, the collector has so much to clear away that it holds the
 * event loop for 2–12 ms, every few megabytes.
 */
async function inflated(packed: Buffer, size: number): Promise<Buffer> {
  // a byte to spare, else zlib asks for a second buffer
  return await inflateRaw(packed, { maxOutputLength: Math.max(size, 1), chunkSize: Math.max(size + 1, 64) });
}

async function contentOf(file: FileHandle, { entry, dataStart: offset }: PlacedEntry): Promise<HashedBytes> {
  const packed = await readBytes(file, entry.compressedSize, { offset });
  const bytes = entry.compressionMethod === 0 ? packed : await inflated(packed, entry.uncompressedSize);
  if (bytes.length !== entry.uncompressedSize) throw new Error('it is smaller than it says');
  const hash = createHash('sha256');
  let check = 0;
  for (let from = 0; from < bytes.length; from += SLICE_BYTES) {
    const slice = bytes.subarray(from, from + SLICE_BYTES);
    hash.update(slice);
    check = zlib.crc32(slice, check);
    await turn();
  }
  if (check !== entry.crc32) throw new Error('its checksum does not match');
  return { bytes, digest: `sha256:${hash.digest('hex')}` };
}

/**
 * Reads and checks the directory of a zip. The file must stay open until everything is read.
 *
 * @throws InferenceError `BUNDLE_INVALID`, `BUNDLE_TOO_LARGE`
 */
export async function openZip(file: FileHandle, size: number, limitBytes: number): Promise<BundleFiles> {
  if (size > limitBytes) throw bundleTooLarge(`the zip is ${size} bytes, the limit is ${limitBytes}`);
  const entries = await orDamaged('the zip', async () => {
    // the file is closed by who opened it; names are decoded here, by stricter rules
    const options = { autoClose: false, decodeStrings: false };
    const zip = await fromRandomAccessReaderPromise(new ZipReader(file), size, options);
    return withoutOuterFolder(await entriesOf(zip, limitBytes));
  });
  return {
    sizes: new Map([...entries].map(([name, { entry }]) => [name, entry.uncompressedSize])),
    async read(name) {
      const placed = entries.get(name);
      if (placed === undefined) throw bundleInvalid(`the zip has no ${quoted(name)}`, ZIP_AGAIN);
      return await orDamaged(`${quoted(name)} in the zip`, () => contentOf(file, placed));
    },
  };
}
