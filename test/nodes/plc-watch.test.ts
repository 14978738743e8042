import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import registerStation from '../../nodes/inspection-station/inspection-station.ts';
import registerEndpoint from '../../nodes/plc-endpoint/plc-endpoint.ts';
import registerWatch from '../../nodes/plc-watch/plc-watch.ts';
import type { Message } from '../../nodes/runtime/types.ts';
import { startModbus } from '../../plant/modbus.ts';
import { startOpcua, type OpcuaPlc } from '../../plant/opcua.ts';
import { PlcMemory, type PlcTag, type PlcTags } from '../../plant/plc-memory.ts';
import { codeOf, flowAround, load, nextMessage, node, unload, useSettings } from '../support/helper.ts';
import { messageFaults } from '../support/message-rule.ts';
import { startOpcUaServer } from '../support/opcua-server.ts';
import { linked } from '../support/plc-flow.ts';

const PRESENT = 'ns=1;s=Line.PartPresent';

describe('plc-watch', () => {
  let folder: string;
  let plc: PlcMemory;
  let server: OpcuaPlc;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'jidoka-plc-watch-'));
    useSettings({ userDir: folder });
  });
  after(() => rm(folder, { recursive: true, force: true }));
  beforeEach(async () => {
    plc = new PlcMemory();
    server = await startOpcua({ plc, pkiFolder: join(folder, 'server') });
  });
  afterEach(async () => {
    await unload();
    await server.close();
    plc.close();
  });

  async function start(
    watch: Record<string, unknown> = {},
    endpoint: object = {},
    isLinked = true,
  ): Promise<void> {
    await load(
      [registerStation, registerEndpoint, registerWatch],
      [
        {
          id: 'station',
          type: 'inspection-station',
          name: 'Press 4',
          folder: join(folder, 'station'),
          deadlineMs: '900',
        },
        {
          id: 'plc',
          type: 'plc-endpoint',
          name: 'Line PLC',
          protocol: 'opcua',
          endpointUrl: server.endpointUrl,
          ...endpoint,
        },
        ...flowAround(
          { id: 'watch', type: 'plc-watch', endpoint: 'plc', tag: PRESENT, intervalMs: '20', ...watch },
          ['seen'],
        ),
      ],
    );
    if (isLinked) await linked();
  }

  /** Resolves when the tag's state was told, so that what follows is a change; its text is cut at 20 characters. */
  const stateSeen = (): Promise<void> => badge(/status\.val/);
  /** Resolves when the badge under the node says so. */
  function badge(text: RegExp): Promise<void> {
    const { status } = node('watch') as unknown as { status: { args: [{ text?: string }][] } };
    return new Promise((resolve) => {
      const look = (): void => {
        if (text.test(status.args.at(-1)?.[0].text ?? '')) resolve();
        else setImmediate(look);
      };
      look();
    });
  }
  /** Resolves when the server has looked at the tag for its subscriber: what is set from now on comes after it. */
  function sampled(tag: PlcTag): Promise<void> {
    const get = plc.get.bind(plc);
    return new Promise((resolve) => {
      plc.get = <Tag extends PlcTag>(asked: Tag): PlcTags[Tag] => {
        if (asked === tag) {
          plc.get = get;
          resolve();
        }
        return get(asked);
      };
    });
  }
  const sent = (message: Message): unknown[] => {
    const { edge, previous } = message['plc'] as { edge: string; previous: unknown };
    return [(message.payload as { value: unknown }).value, edge, previous];
  };

  it('sends a message for each rise, with quality and the time it arose, and none for the state it found', async () => {
    plc.set('PartPresent', true);
    await start({ when: 'rising', name: 'Present' });
    await stateSeen();
    plc.set('PartPresent', false);
    const next = nextMessage('seen');
    await sampled('PartPresent');
    plc.set('PartPresent', true);
    const message = await next;
    assert.deepEqual(sent(message), [true, 'rising', false]);
    assert.equal(message['partId'], undefined);
    assert.equal(message.inspection, undefined);
    const { endpoint, tags } = message['plc'] as { endpoint: string; tags: Record<string, unknown>[] };
    assert.equal(endpoint, 'Line PLC');
    assert.ok(!Number.isNaN(Date.parse(String(tags[0]?.['sourceAt']))));
    assert.deepEqual(
      { ...tags[0], sourceAt: '' },
      { tag: PRESENT, name: 'Present', value: true, good: true, status: 'Good', sourceAt: '' },
    );
    assert.deepEqual(messageFaults(message), []);
  });

  it('sends what it finds where that is asked for', async () => {
    plc.set('PartPresent', true);
    const loaded = start({ when: 'change', countState: true });
    await loaded;
    assert.deepEqual(sent(await nextMessage('seen')), [true, 'state', null]);
  });

  it('opens a part of its station under the id the PLC gives it, and its time runs from the trigger', async () => {
    await start({ when: 'rising', station: 'station', partIdTag: 'ns=1;s=Line.PartId' });
    await stateSeen();
    for (const id of ['SN-1', 'SN-2']) {
      plc.set('PartId', id);
      const before = performance.now();
      const opened = nextMessage('seen');
      plc.set('PartPresent', true);
      const { inspection, partId } = await opened;
      assert.equal(partId, id);
      const part = inspection?.part;
      assert.deepEqual(
        [part?.id, part?.station, part?.sequence, part?.deadlineMs],
        [id, 'Press 4', id === 'SN-1' ? 1 : 2, 900],
      );
      assert.ok((part?.startedAt ?? 0) >= before && (part?.startedAt ?? 0) <= performance.now());
      plc.set('PartPresent', false);
      await sampled('PartPresent');
    }
  });

  it('opens no part under an id that is none, and says so', async () => {
    await start({ when: 'rising', station: 'station', partIdTag: 'ns=1;s=Line.PartId' });
    await stateSeen();
    const caught = nextMessage('caught');
    plc.set('PartPresent', true);
    const message = await caught;
    assert.equal(codeOf(message), 'PART_ID_INVALID');
    assert.equal(message.inspection, undefined);
  });

  it('says once that the link is lost, shows it, and takes up what it finds as a state', async () => {
    await start({ when: 'change' });
    await stateSeen();
    const lost = nextMessage('caught');
    const { port } = server;
    await server.close();
    assert.equal(codeOf(await lost), 'PLC_LINK_LOST');
    await badge(/offline/);
    plc.set('PartPresent', true);
    let heard = 0;
    for (const id of ['caught', 'seen']) node(id).on('input', () => (heard += 1));
    server = await startOpcua({ plc, port, pkiFolder: join(folder, 'server') });
    await badge(/status\.val/);
    assert.equal(heard, 0);
    const changed = nextMessage('seen');
    plc.set('PartPresent', false);
    assert.deepEqual(sent(await changed), [false, 'falling', true]);
  });

  it('takes no edge from a value the PLC doubts, and says so', async () => {
    const doubtful = await startOpcUaServer();
    const caught = load(
      [registerEndpoint, registerWatch],
      [
        { id: 'plc', type: 'plc-endpoint', protocol: 'opcua', endpointUrl: doubtful.url },
        ...flowAround(
          {
            id: 'watch',
            type: 'plc-watch',
            endpoint: 'plc',
            tag: 'ns=1;s=Uncertain',
            when: 'change',
            countState: true,
          },
          ['seen'],
        ),
      ],
    ).then(() => nextMessage('caught'));
    const message = await caught;
    assert.equal(codeOf(message), 'PLC_NOT_GOOD');
    const { tags } = message['plc'] as { tags: { good: boolean; status: string }[] };
    assert.deepEqual([tags[0]?.good, tags[0]?.status], [false, 'UncertainLastUsableValue']);
    await unload();
    await doubtful.stop();
    await load([], []);
  });

  it('watches a PLC that has to be asked, too', async () => {
    const modbus = await startModbus({ plc });
    await start(
      { tag: 'holding:2', when: 'rising' },
      { protocol: 'modbus', host: '127.0.0.1', port: String(modbus.port), unit: '1' },
    );
    await stateSeen();
    const next = nextMessage('seen');
    plc.set('PartCounter', 1);
    assert.deepEqual(sent(await next), [1, 'rising', 0]);
    await unload();
    await modbus.close();
    await load([], []);
  });

  for (const [what, watch, code] of [
    ['without a tag', { tag: '' }, 'CONFIG_INVALID'],
    ['without an endpoint', { endpoint: 'nowhere' }, 'CONFIG_INVALID'],
    ['with a station that is not there', { station: 'nowhere' }, 'CONFIG_INVALID'],
    ['with a deadband below nothing', { deadband: '-1' }, 'CONFIG_INVALID'],
    ['with a tag the PLC does not know', { tag: 'ns=1;s=Nowhere' }, 'PLC_TAG_UNUSABLE'],
    ['with text that should rise', { tag: 'ns=1;s=Line.PartId', when: 'rising' }, 'PLC_TAG_UNUSABLE'],
  ] as const) {
    it(`shows under the node what is wrong ${what}`, async () => {
      await start(watch, {}, false);
      await badge(new RegExp(code));
    });
  }
});
