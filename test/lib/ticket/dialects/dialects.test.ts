import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openInspection } from '../../../../lib/inspection/inspection.ts';
import { openJournal } from '../../../../lib/journal/journal.ts';
import type { TicketClient } from '../../../../lib/ticket/client.ts';
import { Delivery } from '../../../../lib/ticket/delivery.ts';
import type { TicketOutcome } from '../../../../lib/ticket/outcome.ts';
import { ticketsOf, type Dialect } from '../../../../lib/ticket/dialects.ts';
import type { Authentication } from '../../../../lib/ticket/http.ts';
import { compileForTests, EVENT, eventWith, PICTURE } from '../../../support/quality-event.ts';
import { RecordedMes, type Exchange, type Manners } from '../../../support/recorded-mes.ts';

interface Recording {
  dialect: Dialect;
  /** Where the shapes come from. */
  source: string;
  authentication: Authentication;
  fields: Record<string, string>;
  ticketIds: string[];
  calls: { call: 'find' | 'create' | 'attach' | 'states'; exchanges: Exchange[]; result: unknown }[];
  manners: Manners;
}

const names = (await readdir(import.meta.dirname)).filter((name) => name.endsWith('.json'));
const recordings = await Promise.all(
  names.map(async (name) => ({
    name: name.replace('.json', ''),
    recording: JSON.parse(await readFile(join(import.meta.dirname, name), 'utf8')) as Recording,
  })),
);
const never = new AbortController().signal;

async function made(client: TicketClient, call: string, ids: readonly string[]): Promise<unknown> {
  if (call === 'find') return (await client.find(EVENT.id, never)) ?? null;
  if (call === 'create') return client.create(EVENT, never);
  if (call === 'states') return Object.fromEntries((await client.states?.(ids, never)) ?? []);
  await client.attach?.(ids[0] ?? '', PICTURE, never);
  return null;
}

for (const { name, recording } of recordings) {
  describe(`the dialect of ${name}`, () => {
    let mes: RecordedMes;
    let client: TicketClient;
    let folder: string;

    beforeEach(async () => {
      mes = new RecordedMes();
      const { dialect, authentication, fields } = recording;
      const baseUrl = await mes.start();
      client = ticketsOf({
        dialect,
        baseUrl,
        authentication,
        fields,
        timeoutMs: 2000,
        compile: compileForTests,
      });
      folder = await mkdtemp(join(tmpdir(), 'jidoka-dialect-'));
    });
    afterEach(async () => {
      client.close();
      await mes.stop();
      await rm(folder, { recursive: true, force: true });
    });

    for (const [index, { call, exchanges, result }] of recording.calls.entries()) {
      it(`${call} (${index + 1}) asks as it was written down, and understands the answer`, async () => {
        mes.play(exchanges);
        const got = await made(client, call, recording.ticketIds);
        assert.deepEqual(
          mes.received,
          exchanges.map(({ request }) => request),
        );
        assert.deepEqual(got, result);
      });
    }

    it('keeps a ticket waiting where the system is busy or refuses who we are, and not where it says no', async () => {
      const answering = async (status: number): Promise<unknown> => {
        mes.play(Array.from({ length: 3 }, () => ({ response: { status, body: {} } }) as Exchange));
        return client.find(EVENT.id, never).catch((error: unknown) => (error as { code: string }).code);
      };
      assert.equal(await answering(503), 'MES_BUSY');
      assert.equal(await answering(429), 'MES_BUSY');
      assert.equal(await answering(401), 'MES_AUTH');
      assert.equal(await answering(403), 'MES_AUTH');
      assert.equal(await answering(400), 'MES_REJECTED');
    });

    /** Delivers three parts, of which the first two answers are lost. */
    async function ticketsOfThree(tickets: TicketClient): Promise<string[]> {
      mes.behave(recording.manners);
      mes.toLose = 2;
      const journal = await openJournal({ folder, ballastBytes: 4096 });
      // Jira's search needs a while in life, and so does an MES that is slow; not here.
      const delivery = new Delivery({
        journal,
        streamPrefix: 'mes:',
        tickets: Object.assign(tickets, { lookUpAfterMs: undefined, commitsWithinMs: undefined }),
        random: () => 0,
      });
      try {
        await new Promise<void>((resolve, reject) => {
          let left = 3;
          const outcome = ({ error }: TicketOutcome): void => {
            if (error !== undefined) reject(new Error(`${error.code}: ${error.message}`));
            left -= 1;
            if (left === 0) resolve();
          };
          delivery.join('node', { outcome, state: () => undefined });
          for (const number of [1, 2, 3]) {
            const key = String(number).padStart(32, '0');
            const part = { station: 'Press 4', sequence: number, deadlineMs: 900, id: `part-${number}` };
            void delivery
              .accept({
                key,
                stream: part.id,
                partId: part.id,
                body: { node: 'node', event: eventWith(key), inspection: openInspection(part) },
                attachment: { bytes: PICTURE.bytes, mediaType: 'image/jpeg' },
              })
              .catch(reject);
          }
        });
      } finally {
        await delivery.close();
        await journal.close();
      }
      return mes.tickets;
    }

    it('opens one ticket per part, also where it was opened and the answer was lost', async () => {
      const tickets = await ticketsOfThree(client);
      assert.equal(tickets.length, 3);
      assert.equal(new Set(tickets).size, 3);
    });

    it('would open two where it did not ask before trying again', async () => {
      client.find = () => Promise.resolve(undefined);
      const tickets = await ticketsOfThree(client);
      assert.equal(tickets.length, 5);
      assert.equal(new Set(tickets).size, 3);
    });

    it('says where its shapes come from', () => {
      assert.ok(recording.source.length > 20);
    });
  });
}
