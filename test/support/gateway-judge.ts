/** What a gateway promised, held against what its servers have seen and its journal knows. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import type { Inspection } from '../../lib/inspection/inspection.ts';
import { verifyJournal } from '../../lib/journal/verify.ts';
import { PROTOCOLS, TAGS, type GatewayStand } from './gateway-stand.ts';

interface CommandRow {
  id: string;
  tag: string;
  value: string;
  outcome: string | null;
}

export interface Judgement {
  /** What shows that there was a load. */
  load: { parts: number; commands: number; confirmed: number; tickets: number };
  /** What must not be. */
  wrong: {
    /** Came to the gate, and are not on record with a verdict. */
    lostParts: number;
    /** Told of, and not in the journal, or there with another outcome. That of one cut off is unknown until it is settled by reading. */
    lostCommands: number;
    /** On record without an outcome. */
    openCommands: number;
    /** Confirmed, and the PLC has not seen it. */
    falseConfirmed: number;
    /** Effects beyond one for each command on record. */
    doubles: number;
    /** Taken over by mes-ticket, and not at the MES. */
    lostTickets: number;
    doubleTickets: number;
  };
}

function counted<Key>(keys: readonly Key[]): Map<Key, number> {
  const counts = new Map<Key, number>();
  for (const key of keys) counts.set(key, (counts.get(key) ?? 0) + 1);
  return counts;
}

/** @param heard the messages that have come to a node, in all lives of the gateway */
export function judgeGateway(
  userDir: string,
  stand: GatewayStand,
  heard: (node: string) => readonly Record<string, unknown>[],
): Judgement {
  const folder = join(userDir, 'jidoka', 'press-4');
  assert.equal(verifyJournal(folder).problems, 0);
  const database = new Database(join(folder, 'journal.db'), { readonly: true });
  const parts = database.prepare('SELECT id FROM parts WHERE decision IS NOT NULL').all() as { id: string }[];
  const rows = database.prepare('SELECT id, tag, value, outcome FROM commands').all() as CommandRow[];
  database.close();

  const inspectionsAt = (node: string): Inspection[] =>
    heard(node).flatMap(({ inspection }) => (inspection as Inspection | undefined) ?? []);
  const partsAt = (node: string): string[] => inspectionsAt(node).map(({ part }) => part.id);
  const decided = new Set(parts.map(({ id }) => id));
  const byId = new Map(rows.map((row) => [row.id, row]));
  const told = inspectionsAt('commanded').flatMap(({ command }) => command ?? []);
  const of = (protocol: (typeof PROTOCOLS)[number]): CommandRow[] =>
    rows.filter(({ tag }) => tag === TAGS[protocol]);
  const ticketed = counted(
    stand.mes.tickets.map(({ event }) => (event['part'] as { id?: string } | undefined)?.id ?? ''),
  );
  const caught = new Set(partsAt('caught'));
  const isConfirmed = ({ outcome }: CommandRow): boolean => outcome === 'confirmed';
  return {
    load: {
      parts: partsAt('gate').length,
      commands: rows.length,
      confirmed: rows.filter(isConfirmed).length,
      tickets: stand.mes.tickets.length,
    },
    wrong: {
      lostParts: partsAt('gate').filter((id) => !decided.has(id)).length,
      lostCommands: told.filter(({ id, outcome }) => {
        const row = byId.get(id);
        return row === undefined || (row.outcome !== outcome && row.outcome !== 'unknown');
      }).length,
      openCommands: rows.filter(({ outcome }) => outcome === null).length,
      falseConfirmed: PROTOCOLS.flatMap((protocol) => {
        const seen = new Set(stand.effects[protocol]);
        return of(protocol).filter((row) => isConfirmed(row) && !seen.has(Number(row.value)));
      }).length,
      doubles: PROTOCOLS.flatMap((protocol) => {
        const allowed = counted(of(protocol).map(({ value }) => Number(value)));
        return [...counted(stand.effects[protocol])].filter(
          ([value, times]) => times > (allowed.get(value) ?? 0),
        );
      }).length,
      lostTickets: partsAt('accepted').filter((id) => !ticketed.has(id) && !caught.has(id)).length,
      doubleTickets: [...ticketed.values()].filter((times) => times > 1).length,
    },
  };
}
