/** Commands to the line: the intent before anything is sent, the result after it. */
import { JournalError } from './journal-error.ts';
import { MAX_ROWS, type Tables } from './tables.ts';
import type { CommandIntent, CommandPurpose, CommandRecord, CommandResult, NewCommand } from './types.ts';

/** Of an unsigned 32-bit tag. */
const MAX_NUMBER = 2 ** 32 - 1;

interface CommandRow {
  id: string;
  part_id: string | null;
  endpoint: string;
  /** Null where it is the name. */
  endpoint_id: string | null;
  tag: string;
  value: string;
  actor: string;
  purpose: CommandPurpose;
  number: number;
  at: string;
  outcome: CommandRecord['outcome'];
  reason: string | null;
  read_back: string;
  ms: number | null;
}

export class Commands {
  readonly #tables: Tables;
  readonly #now: () => Date;

  constructor(tables: Tables, now: () => Date) {
    this.#tables = tables;
    this.#now = now;
  }

  /** Returns its number. @param record where in the ledger it is going to be */
  record(intent: NewCommand, record: number): number {
    const endpointId = otherThanName(intent);
    const number = this.#nextNumber(endpointId ?? intent.endpoint, intent.above);
    const { changes } = this.#tables.run(
      `INSERT INTO commands (id, part_id, endpoint, endpoint_id, tag, value, actor, purpose, number, at, record)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING`,
      intent.id,
      intent.partId,
      intent.endpoint,
      endpointId ?? null,
      intent.tag,
      JSON.stringify(intent.value ?? null),
      intent.actor,
      intent.purpose ?? 'decision',
      number,
      this.#now().toISOString(),
      record,
    );
    if (changes === 0) {
      throw new JournalError('JOURNAL_DUPLICATE', `the command ${intent.id} was recorded before`, {
        hint: 'A command is sent once; make a new one.',
      });
    }
    return number;
  }

  /** 0 means "none" to a PLC that has just started, so counting begins at 1 again. */
  #nextNumber(endpointId: string, above: number | undefined): number {
    const last = this.#tables.all<{ number: number }>(
      'SELECT number FROM commands WHERE COALESCE(endpoint_id, endpoint) = ? ORDER BY row_id DESC LIMIT 1',
      endpointId,
    )[0];
    const next = after(last?.number ?? 0);
    return above === undefined || isNewer(next, above) ? next : after(above);
  }

  /** Once: what became of a command does not change. */
  recordResult(result: CommandResult): void {
    const { changes } = this.#tables.run(
      'UPDATE commands SET outcome = ?, reason = ?, read_back = ?, ms = ? WHERE id = ? AND outcome IS NULL',
      result.outcome,
      result.reason ?? null,
      JSON.stringify(result.readBack ?? null),
      result.ms,
      result.id,
    );
    if (changes > 0) return;
    const known = this.get(result.id);
    throw known === undefined
      ? new JournalError('JOURNAL_NOT_FOUND', `no command ${result.id} was recorded`)
      : new JournalError('JOURNAL_DUPLICATE', `the command ${result.id} ended ${known.outcome} before`);
  }

  get(id: string): CommandRecord | undefined {
    const row = this.#tables.all<CommandRow>('SELECT * FROM commands WHERE id = ?', id)[0];
    return row === undefined ? undefined : commandRecord(row);
  }

  open(): CommandRecord[] {
    return this.#tables
      .all<CommandRow>('SELECT * FROM commands WHERE outcome IS NULL ORDER BY row_id LIMIT ?', MAX_ROWS)
      .map(commandRecord);
  }

  /** Newest last. */
  list(query: { limit?: number }): CommandRecord[] {
    return this.#tables
      .page<CommandRow>('SELECT * FROM commands', '? IS NULL', 'row_id', query, null)
      .map(commandRecord);
  }
}

function after(number: number): number {
  return (number % MAX_NUMBER) + 1;
}

/** On the circle of 2³² numbers (RFC 1982), as a PLC compares them. */
function isNewer(number: number, than: number): boolean {
  const ahead = (number - than) >>> 0;
  return ahead > 0 && ahead < 0x8000_0000;
}

/** The id of an endpoint, where it is not just its name. */
export function otherThanName({ endpoint, endpointId }: CommandIntent): string | undefined {
  return endpointId === endpoint ? undefined : endpointId;
}

function commandRecord(row: CommandRow): CommandRecord {
  return {
    id: row.id,
    partId: row.part_id,
    endpoint: row.endpoint,
    endpointId: row.endpoint_id ?? row.endpoint,
    tag: row.tag,
    value: JSON.parse(row.value),
    actor: row.actor,
    purpose: row.purpose,
    number: row.number,
    at: row.at,
    outcome: row.outcome,
    reason: row.reason,
    readBack: JSON.parse(row.read_back),
    ms: row.ms,
  };
}
