/**
 * Whether the evidence of a journal is what it was when it was kept: every file against the hash it is named by, and every
 * hash that an entry of the outbox names against the files. What the ledger says was thrown away may be missing.
 */
import type { Database } from 'better-sqlite3';
import { createHash } from 'node:crypto';
import { evidenceFolders, evidenceIn, readEvidence } from './evidence.ts';

export interface EvidenceFound {
  files: number;
  bytes: number;
  /** Named, thrown away and known to the ledger as such. */
  pruned: number;
}

interface EvidenceCheckOptions {
  database: Database;
  folder: string;
  /** Hashes of what was thrown away. */
  pruned: ReadonlySet<string>;
  /** Not all is known of what was thrown away: what is missing says nothing. */
  isPartial: boolean;
  find: (sha256: string, problem: string) => void;
}

export function checkEvidence({
  database,
  folder,
  pruned,
  isPartial,
  find,
}: EvidenceCheckOptions): EvidenceFound {
  const named = new Set(
    database
      .prepare(
        `SELECT sha256 FROM outbox WHERE sha256 IS NOT NULL
         UNION SELECT json_extract(value, '$.sha256') FROM outbox, json_each(further_evidence)`,
      )
      .pluck()
      .all() as string[],
  );
  const found = { files: 0, bytes: 0, pruned: 0 };
  for (const name of evidenceFolders(folder)) {
    for (const { sha256 } of evidenceIn(folder, name)) {
      named.delete(sha256);
      const bytes = readEvidence(folder, sha256);
      found.files += 1;
      found.bytes += bytes.length;
      const hash = createHash('sha256').update(bytes).digest('hex');
      if (hash !== sha256) find(sha256, 'has other bytes than it was kept with');
    }
  }
  for (const sha256 of named) {
    if (pruned.has(sha256)) found.pruned += 1;
    else if (!isPartial) find(sha256, 'is missing');
  }
  return found;
}
