import assert from 'node:assert/strict';
import { EventEmitter, once } from 'node:events';
import fc from 'fast-check';
import { CommandEngine, type Command, type Outcome } from '../../../lib/plc/command.ts';
import { OpcUaTransport } from '../../../lib/plc/opcua.ts';
import { TagWatch } from '../../../lib/plc/watch.ts';
import type { StationControl } from '../../../lib/station/station.ts';
import { command, linkIs, person, testStation } from '../../support/commands.ts';
import type { MemoryJournal } from '../../support/memory-journal.ts';
import { SCAN_MS, startOpcUaServer, type TestServer } from '../../support/opcua-server.ts';

const tag = (name: string): string => `ns=1;s=${name}`;

describe('a command to a real OPC UA server', () => {
  let server: TestServer;
  let transport: OpcUaTransport;
  let engine: CommandEngine;
  let station: StationControl;
  let journal: MemoryJournal;
  let remove: () => Promise<void>;

  before(async () => {
    server = await startOpcUaServer();
  });
  after(() => server.stop());

  beforeEach(async () => {
    let folder: string;
    ({ station, journal, folder, remove } = await testStation());
    transport = new OpcUaTransport({ endpointUrl: server.url, security: 'None', pkiFolder: folder });
    engine = new CommandEngine({ endpoint: 'plc', transport, manualTag: tag('Manual') });
    transport.open();
    await linkIs(transport, 'up');
    await station.arm(person);
    server.set('Manual', false);
    server.set('Torque', 40);
    server.writes.length = 0;
  });
  afterEach(async () => {
    await engine.close();
    await transport.close();
    await remove();
  });

  const give = (name: string, value: unknown, changes: Partial<Command> = {}): Promise<Outcome> =>
    engine.execute(command(tag(name), value, changes), station);
  const refusal = async (reason: string, given: Promise<Outcome>): Promise<void> => {
    const { outcome, ...seen } = await given;
    assert.deepEqual([outcome, seen.reason], ['refused', reason]);
    assert.deepEqual(server.writes, [], 'the server must not have seen a write');
  };

  it('is confirmed by Good and an equal read-back, and is durable before it leaves', async () => {
    const given = command(tag('Torque'), 42.5);
    journal.beforeWrite = () => {
      if (journal.commandRecords.size === 0) assert.deepEqual(server.writes, []);
      return Promise.resolve();
    };
    const { outcome, readBack } = await engine.execute(given, station);
    assert.deepEqual([outcome, readBack], ['confirmed', 42.5]);
    assert.deepEqual(server.writes, [{ tag: 'Torque', value: 42.5 }]);
    await engine.idle();
    const record = await journal.command(given.id);
    assert.equal(record?.outcome, 'confirmed');
    assert.equal(record.partId, 'p-1');
    assert.equal(record.endpoint, 'plc');
  });

  it('writes the exact type of the tag', async () => {
    for (const [name, value] of [
      ['RejectGate', true],
      ['RejectGate', false],
      ['Recipe', -7],
      ['Speed', 0.1],
    ] as const) {
      assert.equal((await give(name, value)).outcome, 'confirmed', name);
    }
  });

  it('waits for the scan of the PLC before it judges the read-back', async () => {
    const { outcome, ms } = await give('Slow', 7);
    assert.equal(outcome, 'confirmed');
    assert.ok(ms >= SCAN_MS - 5, `${ms} ms`);
  });

  it('is unknown when the tag never shows the value, though the PLC said Good', async () => {
    const { outcome, reason, readBack } = await give('SilentlyClamping', 99, { settleMs: 30 });
    assert.deepEqual([outcome, reason, readBack], ['unknown', 'READBACK_MISMATCH', 10]);
  });

  it('is clamped when the PLC says so, and trips the station', async () => {
    const { outcome, readBack } = await give('Clamping', 99);
    assert.deepEqual([outcome, readBack], ['clamped', 10]);
    assert.equal(station.arming().state, 'TRIPPED');
    server.writes.length = 0;
    await refusal('NOT_ARMED', give('RejectGate', true));
  });

  it('is not confirmed by Good_CompletesAsynchronously, whatever the tag shows', async () => {
    const { outcome, reason } = await give('Asynchronous', 5);
    assert.deepEqual([outcome, reason], ['unknown', 'NOT_GOOD']);
  });

  it('is unknown after an error that leaves the effect open', async () => {
    const { outcome, reason, detail } = await give('Failing', 5);
    assert.deepEqual([outcome, reason, detail], ['unknown', 'NOT_GOOD', 'BadCommunicationError']);
    assert.equal(server.writes.length, 1, 'it is not sent again');
    await engine.idle();
    const settled = journal.entries.find(({ type }) => type === 'plc.settled');
    assert.deepEqual(settled?.detail?.['holds'], 5);
    assert.deepEqual(settled.detail['matches'], true);
  });

  it('trips the station after three unknown outcomes in a row', async () => {
    for (const state of ['ARMED', 'ARMED', 'TRIPPED']) {
      await give('SilentlyClamping', 99, { settleMs: 0 });
      assert.equal(station.arming().state, state);
    }
  });

  it('forgives unknown outcomes with a confirmed one between them', async () => {
    for (const value of [99, 99, 5, 99, 99]) await give('SilentlyClamping', value, { settleMs: 0 });
    assert.equal(station.arming().state, 'ARMED');
  });

  it('is refused while the station is disarmed', async () => {
    await station.disarm(person);
    await refusal('NOT_ARMED', give('RejectGate', true));
  });

  it('is refused when the station is disarmed while the intent is being written', async () => {
    journal.beforeWrite = async () => {
      journal.beforeWrite = () => Promise.resolve();
      await station.disarm(person);
    };
    await refusal('NOT_ARMED', give('RejectGate', true));
  });

  it('is refused when the station has stopped itself', async () => {
    station.degrade('STOPPED', { code: 'X', message: 'y' });
    await refusal('NOT_ARMED', give('RejectGate', true));
  });

  it('is refused when its part is late, or when nobody knows how old it is', async () => {
    await refusal('STALE', give('RejectGate', true, { startedAt: performance.now() - 901, deadlineMs: 900 }));
    await refusal('STALE', give('RejectGate', true, { startedAt: NaN }));
    await refusal('STALE', give('RejectGate', true, { startedAt: performance.now() + 1e6 }));
    await refusal('STALE', give('RejectGate', true, { deadlineMs: NaN }));
  });

  it('is refused when writing the intent took longer than the part has', async () => {
    journal.beforeWrite = () => new Promise((resolve) => setTimeout(resolve, 40));
    await refusal('STALE', give('RejectGate', true, { deadlineMs: 20 }));
  });

  it('is refused outside the range the PLC states, the limits and the step', async () => {
    await refusal('OUT_OF_RANGE', give('Torque', 61));
    await refusal('OUT_OF_RANGE', give('Torque', 51, { limits: { max: 50 } }));
    await refusal('OUT_OF_RANGE', give('Torque', 61, { limits: { max: 1000 } }));
    await refusal('OUT_OF_RANGE', give('Torque', 45.1, { limits: { maxStep: 5 } }));
    assert.equal((await give('Torque', 45, { limits: { maxStep: 5 } })).outcome, 'confirmed');
  });

  it('is refused for every value of another type; the server never sees one', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.oneof(
          fc.constantFrom<unknown>(
            NaN,
            Infinity,
            '12',
            null,
            undefined,
            12n,
            [1],
            {},
            true,
            -0.1,
            60.1,
            1e308,
          ),
          fc.anything().filter((value) => typeof value !== 'number'),
        ),
        async (value) => refusal('OUT_OF_RANGE', give('Torque', value)),
      ),
      { numRuns: 200 },
    );
  });

  it('is refused for a tag the PLC does not know, does not let us write, or holds in another type', async () => {
    await refusal('NOT_GOOD', give('Nowhere', 1));
    await refusal('NOT_GOOD', give('ReadOnly', 1));
    await refusal('NOT_GOOD', give('Torque', 1, { dataType: 'Int32' }));
    await refusal('NOT_GOOD', engine.execute(command('not a node id', 1), station));
  });

  it('is refused when its step has to be judged by a value the PLC itself doubts', async () => {
    await refusal('NOT_GOOD', give('Uncertain', 1, { limits: { maxStep: 5 } }));
  });

  it('leaves in the type it was checked against, whatever the tag has become', async () => {
    const { result, status } = await transport.write(tag('Recipe'), 2, 'Double', 1000);
    assert.deepEqual([result, status], ['refused', 'BadTypeMismatch']);
    assert.deepEqual(server.writes, []);
  });

  it('is refused while the machine is run by hand', async () => {
    server.set('Manual', true);
    await refusal('MANUAL', give('RejectGate', true));
  });

  it('is refused when there were too many in a minute', async () => {
    assert.equal((await give('RejectGate', true, { maxPerMinute: 1 })).outcome, 'confirmed');
    server.writes.length = 0;
    await refusal('RATE', give('RejectGate', false, { maxPerMinute: 1 }));
  });

  it('alarms with the first of a row that the rate lets not through, and with no other', async () => {
    for (const value of [true, false, true]) await give('RejectGate', value, { maxPerMinute: 1 });
    await engine.idle();
    const alarms = journal.entries.filter(({ type }) => type === 'plc.alarm');
    assert.deepEqual(
      alarms.map(({ object, detail }) => [object, detail?.['code']]),
      [[tag('RejectGate'), 'RATE']],
    );
    const reasons = [...journal.commandRecords.values()].map(({ reason }) => reason);
    assert.deepEqual(reasons, [null, 'RATE', 'RATE'], 'each of them is on record');
  });

  it('is refused beyond the sum of changes since arming, which a new arming begins anew', async () => {
    const limits = { maxCumulative: 8 };
    assert.equal((await give('Torque', 45, { limits })).outcome, 'confirmed');
    server.writes.length = 0;
    await refusal('OUT_OF_RANGE', give('Torque', 40, { limits }));
    await station.disarm(person);
    await station.arm(person);
    assert.equal((await give('Torque', 40, { limits })).outcome, 'confirmed');
  });

  it('is refused beyond the change allowed within a minute', async () => {
    const limits = { maxSlewPerMinute: 8 };
    assert.equal((await give('Torque', 45, { limits })).outcome, 'confirmed');
    server.writes.length = 0;
    await refusal('OUT_OF_RANGE', give('Torque', 40, { limits }));
    assert.equal((await give('Torque', 42, { limits })).outcome, 'confirmed');
  });

  it('is refused while the interlock of the machine does not allow it, or cannot be trusted', async () => {
    const endpoint = { endpoint: 'plc', transport };
    for (const [interlockTag, outcome] of [
      [tag('Feeder'), 'confirmed'],
      [tag('Manual'), 'refused'],
      [tag('Uncertain'), 'refused'],
    ] as const) {
      const guarded = new CommandEngine({ ...endpoint, interlockTag });
      const seen = await guarded.execute(command(tag('RejectGate'), true), station);
      assert.deepEqual(
        [seen.outcome, seen.reason],
        [outcome, outcome === 'refused' ? 'INTERLOCK' : undefined],
      );
      await guarded.close();
    }
    assert.equal(server.writes.length, 1);
  });

  it('hears both edges of the manual bit between commands, and is refused while it is on', async () => {
    const watch = new TagWatch(transport, { pollMs: 20 });
    const watching = new CommandEngine({ endpoint: 'plc', transport, manualTag: tag('Manual'), watch });
    const edge = (on: boolean): Promise<void> =>
      new Promise((resolve) => {
        const stop = station.onChange(() => {
          if (station.overrides().length > 0 !== on) return;
          stop();
          resolve();
        });
        server.set('Manual', on);
      });
    const leave = watching.join(station);
    await edge(true);
    await refusal('MANUAL', watching.execute(command(tag('RejectGate'), true), station));
    await edge(false);
    assert.equal((await watching.execute(command(tag('RejectGate'), true), station)).outcome, 'confirmed');
    const edges = journal.entries.filter(({ type }) => type === 'plc.manual');
    assert.deepEqual(
      edges.map(({ detail }) => detail?.['on']),
      [true, false],
    );
    await edge(true);
    leave();
    assert.deepEqual(station.overrides(), [], 'nobody watches it any more');
    const manual = (): unknown[] =>
      journal.entries.filter(({ type }) => type === 'plc.manual').map(({ reason }) => reason);
    while (manual().length < 4) await new Promise((resolve) => setImmediate(resolve));
    assert.equal(manual()[3], `${tag('Manual')} is no longer watched`);
    await watching.close();
    watch.close();
  });

  it('that is a fallback is written without an arming, and through every other fence', async () => {
    await station.disarm(person);
    const fallback = { purpose: 'fallback' } as const;
    await refusal('OUT_OF_RANGE', give('Torque', 61, fallback));
    server.set('Manual', true);
    await refusal('MANUAL', give('Torque', 30, fallback));
    server.set('Manual', false);
    assert.equal((await give('Torque', 30, fallback)).outcome, 'confirmed');
    const purposes = [...journal.commandRecords.values()].map(({ purpose }) => purpose);
    assert.deepEqual(purposes, ['fallback', 'fallback', 'fallback']);
  });

  it('that is a fallback is not kept from its value by what decisions have used up', async () => {
    const fences = {
      maxPerMinute: 1,
      limits: { max: 50, maxStep: 5, maxSlewPerMinute: 5, maxCumulative: 5 },
    };
    assert.equal((await give('Torque', 45, fences)).outcome, 'confirmed');
    assert.equal((await give('Torque', 30, { ...fences, purpose: 'fallback' })).outcome, 'confirmed');
    server.writes.length = 0;
    await refusal('OUT_OF_RANGE', give('Torque', 51, { ...fences, purpose: 'fallback' }));
  });

  it('that may not be sent does not take the place of a fallback that waits', async () => {
    const first = give('Slow', 1);
    await server.nextWrite();
    await station.disarm(person);
    const fallback = give('Slow', 2, { purpose: 'fallback' });
    const late = await give('Slow', 3);
    assert.deepEqual([late.outcome, late.reason], ['refused', 'NOT_ARMED']);
    assert.deepEqual([(await first).outcome, (await fallback).outcome], ['confirmed', 'confirmed']);
    assert.equal(server.value('Slow'), 2);
  });

  it('is refused when its id was given before', async () => {
    const given = command(tag('RejectGate'), true);
    assert.equal((await engine.execute(given, station)).outcome, 'confirmed');
    server.writes.length = 0;
    await refusal('DUPLICATE', engine.execute(given, station));
    await engine.idle();
    assert.equal((await journal.command(given.id))?.outcome, 'confirmed');
  });

  it('is refused, and the station disarmed, when it cannot be made durable', async () => {
    journal.failure = new Error('disk full');
    await refusal('JOURNAL', give('RejectGate', true));
    assert.equal(station.arming().state, 'DISARMED');
  });

  it('is superseded by a newer one while it waits for its tag', async () => {
    const outcomes = await Promise.all([give('Slow', 1), give('Slow', 2), give('Slow', 3)]);
    assert.deepEqual(
      outcomes.map(({ outcome, reason }) => reason ?? outcome),
      ['confirmed', 'SUPERSEDED', 'confirmed'],
    );
    assert.deepEqual(
      server.writes.map(({ value }) => value),
      [1, 3],
    );
    await engine.idle();
    assert.deepEqual(
      [...journal.commandRecords.values()].map(({ reason }) => reason),
      [null, 'SUPERSEDED', null],
    );
  });

  it('sends nothing in a dry run', async () => {
    const dry = new CommandEngine({ endpoint: 'plc', transport, dryRun: true });
    await refusal('DRY_RUN', dry.execute(command(tag('RejectGate'), true), station));
    await refusal('OUT_OF_RANGE', dry.execute(command(tag('RejectGate'), 1), station));
    await dry.close();
  });

  describe('of a process that has ended', () => {
    const interrupted = (id: string, name: string): Promise<unknown> =>
      journal.recordCommand({
        id,
        partId: 'p-0',
        endpoint: 'plc',
        tag: tag(name),
        value: 40,
        actor: 'system',
      });
    const ledgerHas = async (type: string): Promise<void> => {
      const before = journal.entries.length;
      while (!journal.entries.slice(before).some((entry) => entry.type === type)) {
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
    };
    const settled = (): unknown[] =>
      journal.entries.filter(({ type }) => type === 'plc.settled').map(({ detail }) => detail?.['commandId']);

    it('is settled though the tag of another cannot be read', async () => {
      await interrupted('gone', 'Nowhere');
      await interrupted('old', 'Torque');
      await engine.recover(station);
      assert.deepEqual(settled(), ['old']);
    });

    it('is left to its own endpoint, whatever the others are called', async () => {
      const theirs = { partId: 'p-0', endpoint: 'plc', tag: tag('Torque'), value: 40, actor: 'system' };
      await journal.recordCommand({ ...theirs, id: 'theirs', endpointId: 'n-2' });
      await journal.recordCommand({ ...theirs, id: 'renamed', endpoint: 'former', endpointId: 'n-1' });
      const named = new CommandEngine({ endpoint: 'plc', id: 'n-1', transport });
      await named.recover(station);
      await named.close();
      assert.deepEqual(settled(), ['renamed']);
      assert.equal((await journal.command('theirs'))?.outcome, null);
      assert.ok(journal.values.has('plc:n-1:unsettled'));
    });

    it('keeps the outcome that another process has recorded, and the station goes on', async () => {
      const given = command(tag('Torque'), 41);
      await engine.execute(given, station);
      await journal.recordCommandResult({ id: given.id, outcome: 'unknown', reason: 'INTERRUPTED', ms: 0 });
      await engine.idle();
      assert.equal((await journal.command(given.id))?.reason, 'INTERRUPTED');
      assert.equal(station.arming().state, 'ARMED');
    });

    it('is settled in another round when that is asked for during one that fails', async () => {
      await interrupted('old', 'Torque');
      const disk = new EventEmitter();
      const reached = once(disk, 'reached');
      const appendLedger = journal.appendLedger.bind(journal);
      journal.appendLedger = async (entry) => {
        journal.appendLedger = appendLedger;
        disk.emit('reached');
        await once(disk, 'repaired');
        return appendLedger(entry);
      };
      const recovery = engine.recover(station);
      await reached;
      assert.equal((await give('Failing', 5)).outcome, 'unknown');
      disk.emit('error', new Error('disk full'));
      await recovery;
      assert.equal(settled().length, 2);
      assert.ok(settled().includes('old'));
    });

    it('is settled for the station that took the place of one that was closed', async () => {
      const leave = engine.join(station);
      transport.read = () => Promise.reject(new Error('busy'));
      assert.equal((await give('Failing', 5)).outcome, 'unknown');
      await engine.idle();
      leave();
      const ofStation = station.journal.bind(station);
      station.journal = () => Promise.reject(new Error('station is closed'));
      const next = await testStation();
      next.station.journal = ofStation;
      Reflect.deleteProperty(transport, 'read');
      await engine.recover(next.station);
      assert.equal(settled().length, 1);
      assert.deepEqual(journal.values.get('plc:plc:unsettled'), []);
      await next.remove();
    });

    it('is settled by nobody while its station has left, and kept for the next', async () => {
      const leave = engine.join(station);
      const read = transport.read.bind(transport);
      let reads = 0;
      transport.read = () => {
        reads += 1;
        return Promise.reject(new Error('busy'));
      };
      assert.equal((await give('Failing', 5, { settleMs: 0 })).outcome, 'unknown');
      await engine.idle();
      leave();
      await engine.idle();
      const before = reads;
      // Of another station, and looked at with whatever else is open.
      const other = await testStation();
      await other.station.arm(person);
      assert.equal((await engine.execute(command(tag('Failing'), 6), other.station)).outcome, 'unknown');
      await engine.idle();
      assert.equal(reads - before, 1);
      transport.read = read;
      assert.equal((journal.values.get('plc:plc:unsettled') as unknown[]).length, 1);
      engine.join(station);
      await engine.recover(station);
      assert.equal(settled().length, 1);
      await other.remove();
    });

    it('is looked at again while the link is up, after a look that failed', async () => {
      transport.read = () => {
        Reflect.deleteProperty(transport, 'read');
        return Promise.reject(new Error('busy'));
      };
      await interrupted('old', 'Torque');
      await engine.recover(station);
      assert.deepEqual(settled(), []);
      await ledgerHas('plc.settled');
      assert.deepEqual(settled(), ['old']);
    });

    it('disarms when what was seen cannot be written down', async () => {
      await interrupted('old', 'Torque');
      journal.appendLedger = () => Promise.reject(new Error('disk full'));
      await engine.recover(station);
      Reflect.deleteProperty(journal, 'appendLedger');
      assert.equal(station.arming().state, 'DISARMED');
    });

    it('is compared, and waited for, as its node is configured', async () => {
      await interrupted('old', 'Slow');
      await interrupted('near', 'Torque');
      server.set('Torque', 40.2);
      server.set('Slow', 1);
      const manners = [
        command(tag('Torque'), 0, { tolerance: 0.5 }),
        command(tag('Slow'), 0, { settleMs: 200 }),
      ];
      await Promise.all(manners.map((manner) => engine.recover(station, manner)));
      server.set('Slow', 40);
      while (settled().length < 2) await ledgerHas('plc.settled');
      const details = journal.entries
        .filter(({ type }) => type === 'plc.settled')
        .map(({ detail }) => detail);
      assert.deepEqual(
        details.map((detail) => [detail?.['commandId'], detail?.['matches']]),
        [['near', true], ['old', true]],
      ); // prettier-ignore
    });

    it('is looked at a last time before another value takes its place', async () => {
      server.set('Recipe', 1);
      await interrupted('old', 'Recipe');
      await engine.recover(station, command(tag('Recipe'), 0, { settleMs: 60_000 }));
      assert.deepEqual(settled(), []);
      assert.equal((await give('Recipe', 40)).outcome, 'confirmed');
      const record = journal.entries.find(({ type }) => type === 'plc.settled');
      assert.deepEqual([record?.detail?.['holds'], record?.detail?.['matches']], [1, false]);
    });

    it('is recovered by the first command, and by the next until the journal answers', async () => {
      await interrupted('old', 'Torque');
      const openCommands = journal.openCommands.bind(journal);
      journal.openCommands = () => Promise.reject(new Error('disk full'));
      await refusal('JOURNAL', give('RejectGate', true));
      journal.openCommands = openCommands;
      await station.arm(person);
      assert.equal((await give('RejectGate', true)).outcome, 'confirmed');
      await engine.idle();
      assert.deepEqual(settled(), ['old']);
      assert.equal((await journal.command('old'))?.reason, 'INTERRUPTED');
    });

    it('is not one that is under way here, though it ends while the others are looked through', async () => {
      const results: string[] = [];
      const recordCommandResult = journal.recordCommandResult.bind(journal);
      journal.recordCommandResult = async (result) => {
        results.push(result.id);
        // As long as a slow disk takes.
        if (result.id === 'old') await once(disk, 'synced');
        return recordCommandResult(result);
      };
      const disk = new EventEmitter();
      const writing = server.nextWrite();
      const given = give('Slow', 3);
      await writing;
      await interrupted('old', 'Torque');
      const next = await testStation();
      next.station.journal = station.journal.bind(station);
      const recovery = engine.recover(next.station);
      await given;
      while (results.length < 2) await new Promise((resolve) => setImmediate(resolve));
      disk.emit('synced');
      await recovery;
      assert.equal(results.length, 2);
      await next.remove();
    });

    it('is looked for again when the journal did not answer', async () => {
      await interrupted('old', 'Torque');
      const openCommands = journal.openCommands.bind(journal);
      journal.openCommands = () => Promise.reject(new Error('disk full'));
      await assert.rejects(engine.recover(station), /disk full/);
      journal.openCommands = openCommands;
      await engine.recover(station);
      assert.deepEqual(settled(), ['old']);
    });
  });

  it('settles by reading what was under way when the process ended', async () => {
    const interrupted = {
      id: 'old',
      partId: 'p-0',
      endpoint: 'plc',
      tag: tag('Torque'),
      value: 40,
      actor: 'system',
    };
    await journal.recordCommand(interrupted);
    await journal.recordCommand({ ...interrupted, id: 'foreign', endpoint: 'another' });
    await engine.recover(station);
    assert.deepEqual(server.writes, []);
    const record = await journal.command('old');
    assert.deepEqual([record?.outcome, record?.reason], ['unknown', 'INTERRUPTED']);
    assert.equal((await journal.command('foreign'))?.outcome, null);
    const settled = journal.entries.filter(({ type }) => type === 'plc.settled');
    assert.deepEqual(
      settled.map(({ detail }) => detail?.['matches']),
      [true],
    );
  });

  describe('in a station with less autonomy', () => {
    for (const autonomy of ['observe', 'advise'] as const) {
      it(`is refused where the station may only ${autonomy}`, async () => {
        const other = await testStation(autonomy);
        await other.station.arm(person);
        for (const purpose of ['decision', 'fallback'] as const) {
          const given = command(tag('RejectGate'), true, { purpose });
          await refusal('AUTONOMY', engine.execute(given, other.station));
        }
        await other.remove();
      });
    }

    it('waits for a person where the station acts only after a yes, and is fresh from then on', async () => {
      const other = await testStation('confirm');
      await other.station.arm(person);
      let nowMs = 0;
      const slow = new CommandEngine({ endpoint: 'plc', transport, monotonicNow: () => nowMs });
      const given = command(tag('RejectGate'), true, { startedAt: 0, deadlineMs: 900, settleMs: 0 });
      const asked = new Promise<void>((resolve) => {
        const stop = other.station.onChange(() => {
          if (other.station.approvals().length === 0) return;
          stop();
          resolve();
        });
      });
      const outcome = slow.execute(given, other.station);
      await asked;
      nowMs = 10_000;
      assert.deepEqual(server.writes, []);
      await other.station.approve(given.id, person);
      assert.equal((await outcome).outcome, 'confirmed');
      await refusalAfter(engine.execute(command(tag('RejectGate'), true, { approvalMs: 10 }), other.station));
      await slow.close();
      await other.remove();
    });

    async function refusalAfter(given: Promise<Outcome>): Promise<void> {
      server.writes.length = 0;
      await refusal('NOT_APPROVED', given);
    }
  });
});
