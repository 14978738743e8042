import assert from 'node:assert/strict';
import { EventEmitter, once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openJournal } from '../../../lib/journal/journal.ts';
import type { Outcome } from '../../../lib/plc/outcome.ts';
import { createStation, type StationControl } from '../../../lib/station/station.ts';
import type { Commandable, CommandRequest } from '../../../lib/station/types.ts';

describe('commands from outside of the flow', () => {
  let folder: string;
  let station: StationControl;
  /** What reached the output. */
  let effects: CommandRequest[];
  let outcome: Outcome;
  /** Awaited by the output before it acts. */
  let hold: () => Promise<unknown>;

  /** An output that records its commands in the journal, as every output does. */
  function output(id: string, name = id): Commandable {
    return {
      id,
      name,
      async command(request) {
        const journal = await station.journal();
        const { key, value, actor } = request;
        await journal.recordCommand({ id: key, partId: null, endpoint: 'line', tag: name, value, actor });
        effects.push(request);
        await hold();
        await journal.recordCommandResult({ id: key, ...outcome });
        return outcome;
      },
    };
  }

  function start(): void {
    const openIt = (options: { folder: string }) => openJournal(options);
    station = createStation({
      id: 'n1',
      name: 'press-4',
      line: '',
      folder,
      defaultDeadlineMs: 900,
      autonomy: 'act',
      openJournal: openIt,
    });
    station.addCommandable(output('gate', 'Reject gate'));
    station.addCommandable(output('lamp'));
    station.addCommandable(output('twin-1', 'twin'));
    station.addCommandable(output('twin-2', 'twin'));
  }

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'jidoka-requests-'));
    effects = [];
    outcome = { outcome: 'confirmed', readBack: true, ms: 4 };
    hold = () => Promise.resolve();
    start();
  });
  afterEach(async () => {
    await station.close();
    await rm(folder, { recursive: true });
  });

  const signal = new AbortController().signal;
  const order = { target: 'gate', value: true, actor: 'mes', reason: 'lot blocked', signal };
  const ask = (idempotencyKey: string, changes: Partial<typeof order> = {}) =>
    station.command({ ...order, ...changes, idempotencyKey });

  for (const [when, between] of [
    ['in the same process', () => Promise.resolve()],
    [
      'after a restart',
      async () => {
        await station.close();
        start();
      },
    ],
  ] as const) {
    it(`answers with what reading has shown of an outcome that was unknown, ${when}`, async () => {
      outcome = { outcome: 'unknown', reason: 'TIMEOUT', readBack: null, ms: 4 };
      const { id } = await ask('k-1');
      station.settled(id, { holds: true, matches: true, outcome: 'confirmed' });
      station.settled('request-of-nobody', { holds: true, matches: true });
      // Behind what it has kept.
      await (await station.journal()).lastSequence();
      await between();
      const again = await ask('k-1');
      assert.deepEqual(
        [again.repeated, again.outcome, again.settled?.outcome],
        [true, 'unknown', 'confirmed'],
      );
      assert.equal(effects.length, 1);
    });
  }

  it('answers with the outcome, and the ledger knows who and why before anything takes effect', async () => {
    hold = async () => {
      const entries = await (await station.journal()).ledger();
      assert.deepEqual(
        entries.map(({ type }) => type),
        ['plc.request', 'plc.command'],
      );
    };
    const { id, repeated, ...answer } = await ask('k-1');
    assert.deepEqual([answer, repeated], [outcome, false]);
    const [request] = await (await station.journal()).ledger();
    assert.deepEqual(
      [request?.actor, request?.reason, request?.detail?.['commandId']],
      ['mes', 'lot blocked', id],
    );
    assert.equal((await station.commandRecord(id)).outcome, 'confirmed');
  });

  it('answers a key that comes again with what became of it and writes nothing, after a restart too', async () => {
    outcome = { outcome: 'refused', reason: 'MANUAL', readBack: null, ms: 3 };
    const first = await ask('k-1');
    assert.deepEqual(await ask('k-1'), { ...first, repeated: true });
    await station.close();
    start();
    assert.deepEqual(await ask('k-1'), { ...first, repeated: true });
    assert.equal(effects.length, 1);
    await ask('k-2');
    assert.equal(effects.length, 2);
  });

  it('refuses a key that stands for something else, and writes nothing, after a restart too', async () => {
    await ask('k-1');
    const refuses = async (): Promise<void> => {
      for (const change of [{ target: 'lamp' }, { value: false }, { reason: 'another one' }]) {
        await assert.rejects(ask('k-1', change), { code: 'IDEMPOTENCY_KEY_REUSED' });
      }
    };
    await refuses();
    await station.close();
    start();
    await refuses();
    assert.equal(effects.length, 1);
  });

  it('says that a command is under way, and writes once when it is asked for ten times at once', async () => {
    const gateway = new EventEmitter();
    const sent = once(gateway, 'sent');
    hold = () => {
      gateway.emit('sent');
      return once(gateway, 'go');
    };
    const first = ask('k-1');
    await sent;
    for (let time = 0; time < 9; time += 1) await assert.rejects(ask('k-1'), { code: 'COMMAND_UNDER_WAY' });
    gateway.emit('go');
    assert.equal((await first).outcome, 'confirmed');
    assert.equal(effects.length, 1);
  });

  it('says so too of one the process died with, and does not send it again', async () => {
    hold = () => Promise.reject(new Error('the process died'));
    await assert.rejects(ask('k-1'));
    await station.close();
    start();
    hold = () => Promise.resolve();
    await assert.rejects(ask('k-1'), { code: 'COMMAND_UNDER_WAY' });
    assert.equal(effects.length, 1);
  });

  it('may be asked again for what could not be put on record: nothing was sent', async () => {
    const broken: Commandable = {
      id: 'broken',
      name: 'broken',
      command: () => Promise.resolve({ outcome: 'refused', reason: 'JOURNAL', readBack: null, ms: 1 }),
    };
    const withdraw = station.addCommandable(broken);
    assert.equal((await ask('k-1', { target: 'broken' })).reason, 'JOURNAL');
    withdraw();
    station.addCommandable(output('broken'));
    assert.equal((await ask('k-1', { target: 'broken' })).outcome, 'confirmed');
  });

  it('names the outputs there are for one that is not, or for a name that several have', async () => {
    await assert.rejects(ask('k-1', { target: 'nobody' }), {
      code: 'NOT_FOUND',
      hint: /gate \(Reject gate\)/,
    });
    await assert.rejects(ask('k-2', { target: 'twin' }), { code: 'NOT_FOUND', message: /several/ });
    assert.equal((await ask('k-3', { target: 'Reject gate' })).outcome, 'confirmed');
    await assert.rejects(station.commandRecord('nothing'), { code: 'NOT_FOUND' });
  });

  for (const key of ['', ' ', 'a b', 'ü', 'x'.repeat(129), 'line\nbreak', '\u0000']) {
    it(`refuses the key ${JSON.stringify(key.slice(0, 12))}`, async () => {
      await assert.rejects(ask(key), { code: 'IDEMPOTENCY_KEY_INVALID' });
      assert.equal(effects.length, 0);
    });
  }
});
