/** What became of the alarms of a station, from its ledger. */
import type { Journal, LedgerRecord } from '../../journal/types.ts';

/** Records read at a stretch: whoever looks back must not hold up what is being written. */
const PAGE = 500;
/** How far is looked back; alarms may be rare among commands. */
const MAX_PAGES = 20;

/** The newest `limit` records of alarms, oldest first. */
export async function alarmHistory(journal: Pick<Journal, 'ledger'>, limit: number): Promise<LedgerRecord[]> {
  const found: LedgerRecord[] = [];
  const [newest] = await journal.ledger({ limit: 1 });
  let end = newest?.sequence ?? 0;
  for (let page = 0; page < MAX_PAGES && end > 0 && found.length < limit; page += 1) {
    const after = Math.max(0, end - PAGE);
    const records = await journal.ledger({ after, limit: PAGE });
    found.unshift(...records.filter(({ sequence, type }) => sequence <= end && type.startsWith('alarm.')));
    end = after;
  }
  return found.slice(-limit);
}
