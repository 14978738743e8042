/**
 * Evidence files, addressed by the SHA-256 of their bytes: `evidence/<aa>/<sha256>`. A file is
 * complete and on the disk before its name exists, so that a row that names it is never a promise.
 */
import { createHash } from 'node:crypto';
import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { JournalError } from './journal-error.ts';

function pathOf(folder: string, sha256: string): string {
  return join(folder, 'evidence', sha256.slice(0, 2), sha256);
}

/** Makes new names in a folder survive a power cut. Windows cannot do this, and needs it less. */
export function syncFolder(folder: string): void {
  if (process.platform === 'win32') return;
  const handle = openSync(folder, 'r');
  try {
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}

/** Stores the bytes once and returns their SHA-256. */
export function keepEvidence(folder: string, bytes: Uint8Array): string {
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  const path = pathOf(folder, sha256);
  if (existsSync(path)) {
    // In use again: its age counts from now.
    const now = Date.now() / 1000;
    utimesSync(path, now, now);
    return sha256;
  }
  const made = mkdirSync(dirname(path), { recursive: true });
  const unfinished = `${path}.${process.pid}.part`;
  try {
    const handle = openSync(unfinished, 'w');
    try {
      for (let written = 0; written < bytes.length;) written += writeSync(handle, bytes, written);
      fsyncSync(handle);
    } finally {
      closeSync(handle);
    }
    renameSync(unfinished, path);
  } catch (error) {
    rmSync(unfinished, { force: true });
    throw error;
  }
  syncFolder(dirname(path));
  if (made !== undefined) {
    syncFolder(dirname(dirname(path)));
    syncFolder(folder);
  }
  return sha256;
}

/** @throws JournalError `JOURNAL_NOT_FOUND` for a hash nothing is kept under, `JOURNAL_EVIDENCE_UNREADABLE` */
export function readEvidence(folder: string, sha256: string): Buffer {
  const path = pathOf(folder, sha256);
  if (!/^[0-9a-f]{64}$/.test(sha256) || !existsSync(path)) {
    throw new JournalError('JOURNAL_NOT_FOUND', `no evidence is kept under ${sha256.slice(0, 64)}`);
  }
  try {
    return readFileSync(path);
  } catch (error) {
    const { message } = error as Error;
    throw new JournalError('JOURNAL_EVIDENCE_UNREADABLE', `evidence ${sha256} cannot be read: ${message}`, {
      hint: 'Check the owner of the file and the disk, or bring the file back from a backup.',
      cause: error,
    });
  }
}

export interface EvidenceFile {
  sha256: string;
  bytes: number;
  /** Milliseconds since 1970 when it was last kept. */
  keptAt: number;
}

/** Names of the folders that hold evidence. */
export function evidenceFolders(folder: string): string[] {
  return names(join(folder, 'evidence')).filter((name) => /^[0-9a-f]{2}$/.test(name));
}

/** The files of one of {@link evidenceFolders}. */
export function evidenceIn(folder: string, name: string): EvidenceFile[] {
  return names(join(folder, 'evidence', name)).flatMap((sha256) => {
    if (!/^[0-9a-f]{64}$/.test(sha256)) return [];
    const file = evidenceFile(folder, sha256);
    return file === undefined ? [] : [file];
  });
}

/** Undefined when nothing is kept under the hash. */
export function evidenceFile(folder: string, sha256: string): EvidenceFile | undefined {
  const found = statSync(pathOf(folder, sha256), { throwIfNoEntry: false });
  return found === undefined ? undefined : { sha256, bytes: found.size, keptAt: found.mtimeMs };
}

export function removeEvidence(folder: string, sha256: string): void {
  rmSync(pathOf(folder, sha256), { force: true });
}

function names(folder: string): string[] {
  return existsSync(folder) ? readdirSync(folder).sort() : [];
}
