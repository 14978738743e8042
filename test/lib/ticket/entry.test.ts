import assert from 'node:assert/strict';
import { openInspection } from '../../../lib/inspection/inspection.ts';
import { TicketEntries } from '../../../lib/ticket/entry.ts';

async function keyOf(node: string, id: string, sequence: number): Promise<string> {
  const { key } = await new TicketEntries().make({
    node,
    inspection: openInspection({ station: 'press 4', sequence, deadlineMs: 900, id }),
    frame: undefined,
    defectClass: 'scratch',
    severity: 'major',
    order: 'part',
    line: 'line 1',
    station: 'press 4',
  });
  return key;
}

describe('the key of a ticket', () => {
  it('is the same for the same inspection of a part, and another for each further one', async () => {
    const first = await keyOf('node', 'SN-1', 5);
    assert.equal(await keyOf('node', 'SN-1', 5), first);
    assert.notEqual(await keyOf('node', 'SN-1', 9), first, 'after rework');
    assert.notEqual(await keyOf('node', 'SN-2', 5), first);
    assert.notEqual(await keyOf('other', 'SN-1', 5), first);
  });
});
