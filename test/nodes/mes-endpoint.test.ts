import assert from 'node:assert/strict';
import type { Membership, MesEndpoint, StationJournal } from '../../lib/ticket/endpoint.ts';
import mesEndpoint from '../../nodes/mes-endpoint/mes-endpoint.ts';
import { load, node, unload } from '../support/helper.ts';

/** An outbox in which nothing waits, and which counts who asks. */
function emptyOutbox(): StationJournal & { prefixes: string[] } {
  const prefixes: string[] = [];
  const nothing = (): Promise<never> => Promise.reject(new Error('nothing is delivered here'));
  return {
    prefixes,
    dueOutbox: (prefix) => {
      prefixes.push(prefix);
      return Promise.resolve({ records: [], waiting: 0, dead: 0, nextDueMs: null });
    },
    acceptOutbox: nothing,
    settleOutbox: nothing,
    attachment: nothing,
    recordPart: nothing,
    outboxEntry: nothing,
    deliveredAs: nothing,
    openOutbox: nothing,
    noteReceiver: nothing,
  };
}

describe('mes-endpoint', () => {
  const members: Membership[] = [];
  const deaf = { outcome: () => undefined, state: () => undefined };

  async function deployed(config: Record<string, unknown>): Promise<MesEndpoint> {
    await load([mesEndpoint], [{ id: 'mes', type: 'mes-endpoint', ...config }]);
    return (node('mes') as unknown as { mes: MesEndpoint }).mes;
  }

  afterEach(async () => {
    await Promise.all(members.splice(0).map((member) => member.leave()));
    await unload();
  });

  it('runs one delivery for all nodes of a station, and one for each station', async () => {
    const mes = await deployed({ baseUrl: 'http://127.0.0.1:9' });
    const [first, second] = [emptyOutbox(), emptyOutbox()];
    members.push(mes.join({ id: 'press 4', journal: first }, 'ticket 1', deaf));
    members.push(mes.join({ id: 'press 4', journal: first }, 'ticket 2', deaf));
    members.push(mes.join({ id: 'press 5', journal: second }, 'ticket 3', deaf));
    assert.deepEqual(first.prefixes, ['mes:mes:']);
    assert.deepEqual(second.prefixes, ['mes:mes:']);
  });

  for (const [baseUrl, code] of [
    ['http://169.254.169.254', 'MES_HOST_FORBIDDEN'],
    ['ftp://mes.plant.local', 'MES_URL_INVALID'],
    ['http://user:password@mes.plant.local', 'MES_URL_INVALID'],
  ] as const) {
    it(`tells the nodes that use it ${code} for ${baseUrl}`, async () => {
      const mes = await deployed({ baseUrl });
      assert.throws(() => mes.join({ id: 'press 4', journal: emptyOutbox() }, 'ticket', deaf), { code });
    });
  }
});
