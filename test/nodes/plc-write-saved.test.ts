/** What a plc-write does that was saved by an earlier version of its dialog, and how it shows what keeps it from writing. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { openInspection } from '../../lib/inspection/inspection.ts';
import { migrate, ConfigReader } from '../../nodes/runtime/config.ts';
import { migrations, normalise } from '../../nodes/plc-write/config.ts';
import { nextMessage, node } from '../support/helper.ts';
import { startOpcUaServer, type TestServer } from '../support/opcua-server.ts';
import { ask, linked, loadPlcFlow, type PlcFlow } from '../support/plc-flow.ts';

/** As the dialog of the first version saved it. */
const FIRST = {
  ...{ version: 1, name: '', station: 'station', endpoint: 'plc', tag: 'ns=1;s=Torque', dataType: 'auto' },
  ...{ value: '40', valueType: 'num', releaseValue: '', releaseValueType: 'bool', min: '', max: '50' },
  ...{ maxStep: '', settleMs: '300', tolerance: '0', timeoutMs: '1000', approvalSeconds: '60' },
};
const read = (saved: object) => {
  const placed = { id: 'write', type: 'plc-write', z: 'flow', name: '', ...saved };
  return normalise(new ConfigReader(migrate(placed, migrations)));
};

describe('a plc-write of version 1', () => {
  it('keeps the ten commands a second it had, and a rate that somebody chose', () => {
    for (const [saved, rate] of [
      [FIRST, 600],
      [{ ...FIRST, maxPerMinute: '' }, 600],
      [{ ...FIRST, maxPerMinute: '600' }, 600],
      [{ ...FIRST, maxPerMinute: '12' }, 12],
      [{ ...FIRST, version: undefined }, 600],
      [{ ...FIRST, version: 2 }, 60],
      [{ ...FIRST, version: 2, maxPerMinute: '12' }, 12],
    ] as const) {
      assert.equal(read(saved).manner.maxPerMinute, rate, JSON.stringify(saved));
    }
  });

  it('writes plainly as before, with no fallback but the release of the PLC', () => {
    const { manner, fallback } = read(FIRST);
    assert.equal(manner.handshake, undefined);
    assert.deepEqual(
      [manner.tag, manner.limits.max, manner.limits.maxCumulative],
      ['ns=1;s=Torque', 50, undefined],
    );
    assert.deepEqual(fallback, { policy: 'release', holdMs: 0, value: undefined, inputTimeoutMs: 0 });
  });
});

describe('plc-write', () => {
  let server: TestServer;
  let flow: PlcFlow;

  beforeEach(async () => {
    server = await startOpcUaServer();
  });
  afterEach(async () => {
    await flow.remove();
    await server.stop();
  });

  async function start(write: Record<string, unknown> = {}, endpoint: object = {}): Promise<void> {
    flow = await loadPlcFlow(
      { protocol: 'opcua', endpointUrl: server.url, ...endpoint },
      { ...FIRST, ...write },
    );
    await linked();
  }
  const by = (what: 'arm' | 'disarm' | 'reset'): Promise<unknown> =>
    ask('post', `/jidoka/stations/station/${what}`, { reason: 'shift' }, 'anna');
  const part = (): void =>
    node('write').receive({
      inspection: openInspection({ station: 'Press 4', sequence: 1, deadlineMs: 20_000 }),
    });
  const trip = (): void => flow.station.trip({ code: 'CLAMPED', message: 'holds 10' });

  /** Resolves when this text stands under the node after `act`. */
  async function shows(text: string, act: () => unknown): Promise<void> {
    const target = node('write');
    const seen = (async () => {
      for (;;) {
        const [call] = (await once(target, 'call:status')) as [{ args: [{ text?: string }] }];
        if (call.args[0].text === text) return;
      }
    })();
    await act();
    await seen;
  }
  const badge = (key: string): string => `plc-write.status.${key}`;

  it('writes its defined value once when the station trips, though nothing is armed then', async () => {
    await start({ fallback: 'value', fallbackValue: '30', fallbackValueType: 'num' });
    await by('arm');
    part();
    await nextMessage('confirmed');
    const written = server.nextWrite();
    trip();
    await written;
    await by('reset');
    await by('arm');
    part();
    await nextMessage('confirmed');
    assert.deepEqual(
      server.writes.map(({ value }) => value),
      [40, 30, 40],
    );
    const commands = await (await flow.station.journal()).commands({ limit: 10 });
    assert.deepEqual(commands.map(({ purpose }) => purpose).sort(), ['decision', 'decision', 'fallback']);
  });

  it('writes nothing when the station trips and the output is released', async () => {
    await start({ fallback: 'release' });
    await by('arm');
    part();
    await nextMessage('confirmed');
    trip();
    await by('reset');
    await by('arm');
    part();
    await nextMessage('confirmed');
    assert.deepEqual(
      server.writes.map(({ value }) => value),
      [40, 40],
    );
  });

  it('shows what keeps it from writing: disarmed, by hand, tripped, one too many, no link', async () => {
    await start({ version: 2, maxPerMinute: '1' }, { manualTag: 'ns=1;s=Manual' });
    await shows(badge('armed'), () => by('arm'));
    await shows(badge('manual'), () => server.set('Manual', true));
    await shows(badge('armed'), () => server.set('Manual', false));
    part();
    await nextMessage('confirmed');
    await shows(badge('limited'), part);
    await shows(badge('tripped'), trip);
    await by('reset');
    await shows(badge('limited'), () => by('arm'));
    await shows(badge('offline'), () => server.stop());
    server = await startOpcUaServer();
  });

  it('shows that no part has come for longer than it should, until one comes', async () => {
    await start({ inputTimeoutSeconds: '0.5', fallback: 'release' });
    await shows(badge('noInput'), () => by('arm'));
    await shows(badge('armed'), part);
    await shows(badge('disarmed'), () => by('disarm'));
  });

  it('shows a tag that the PLC does not have, and a dry run', async () => {
    await start({}, { dryRun: true });
    await shows(badge('dryRun'), () => by('arm'));
    await flow.remove();
    await start({
      ...{ profile: 'handshake', commandIdTag: 'ns=1;s=Nowhere' },
      ackIdTag: 'ns=1;s=A',
      ackResultTag: 'ns=1;s=B',
    });
    await shows('PLC_TAG_UNUSABLE', () => by('arm'));
  });
});
