import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import registerEndpoint from '../../nodes/plc-endpoint/plc-endpoint.ts';
import registerRead from '../../nodes/plc-read/plc-read.ts';
import { codeOf, flowAround, load, nextMessage, node, unload, useSettings } from '../support/helper.ts';
import { messageFaults } from '../support/message-rule.ts';
import { startOpcUaServer, type TestServer } from '../support/opcua-server.ts';
import { linked } from '../support/plc-flow.ts';
import { startTcpProxy, type TcpProxy } from '../support/tcp-proxy.ts';

const TORQUE = 'ns=1;s=Torque';

describe('plc-read', () => {
  let folder: string;
  let server: TestServer;
  let proxy: TcpProxy;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'jidoka-plc-read-'));
    useSettings({ userDir: folder });
    server = await startOpcUaServer();
  });
  after(async () => {
    await server.stop();
    await rm(folder, { recursive: true, force: true });
  });
  beforeEach(async () => {
    proxy = await startTcpProxy(server.port);
  });
  afterEach(async () => {
    await unload();
    await proxy.close();
  });

  async function start(read: Record<string, unknown>, isLinked = true): Promise<void> {
    const endpointUrl = `opc.tcp://127.0.0.1:${proxy.port}/plc`;
    await load(
      [registerEndpoint, registerRead],
      [
        { id: 'plc', type: 'plc-endpoint', name: 'Line PLC', protocol: 'opcua', endpointUrl },
        ...flowAround({ id: 'read', type: 'plc-read', endpoint: 'plc', ...read }, ['values']),
      ],
    );
    if (isLinked) await linked();
  }

  it('sends what one tag holds as payload.value, with the word of the PLC on it, and passes the rest on', async () => {
    server.set('Torque', 41.5);
    await start({ tags: [{ tag: TORQUE, name: '' }] });
    node('read').receive({ payload: 'now', other: 'untouched' });
    const message = await nextMessage('values');
    assert.deepEqual(message.payload, { value: 41.5 });
    assert.equal(message['other'], 'untouched');
    const { endpoint, tags } = message['plc'] as { endpoint: string; tags: Record<string, unknown>[] };
    assert.equal(endpoint, 'Line PLC');
    const [tag] = tags;
    const arose = Date.parse(String(tag?.['sourceAt']));
    assert.ok(Math.abs(arose - Date.now()) < 60_000);
    assert.deepEqual(
      { ...tag, sourceAt: '' },
      {
        tag: TORQUE,
        name: TORQUE,
        value: 41.5,
        good: true,
        status: 'Good',
        sourceAt: '',
      },
    );
    assert.deepEqual(messageFaults(message), []);
  });

  it('sends several under their names, in the order of the dialog', async () => {
    server.set('RejectGate', true);
    server.set('Recipe', 7);
    await start({
      tags: [
        { tag: 'ns=1;s=RejectGate', name: 'gate' },
        { tag: 'ns=1;s=Recipe', name: 'recipe' },
        { tag: 'ns=1;s=Manual', name: '' },
      ],
    });
    node('read').receive({});
    const message = await nextMessage('values');
    assert.deepEqual(message.payload, { gate: true, recipe: 7, 'ns=1;s=Manual': false });
    const { tags } = message['plc'] as { tags: { name: string }[] };
    assert.deepEqual(
      tags.map(({ name }) => name),
      ['gate', 'recipe', 'ns=1;s=Manual'],
    );
  });

  for (const [what, tag, code] of [
    ['a value the PLC itself doubts', 'ns=1;s=Uncertain', 'PLC_NOT_GOOD'],
    ['a tag the PLC does not know', 'ns=1;s=Nowhere', 'PLC_READ_FAILED'],
    ['a tag that is written wrongly', 'gate', 'PLC_TAG_INVALID'],
  ] as const) {
    it(`ends ${what} in a coded error, with no value of the others either`, async () => {
      await start({ tags: [{ tag: TORQUE }, { tag }] });
      node('read').receive({ payload: 'asked' });
      const caught = await nextMessage('caught');
      assert.equal(codeOf(caught), code);
      assert.equal(caught.payload, 'asked');
    });
  }

  it('says at once that there is no link', async () => {
    proxy.cut();
    await start({ tags: [{ tag: TORQUE }] }, false);
    node('read').receive({});
    assert.equal(codeOf(await nextMessage('caught')), 'PLC_LINK_DOWN');
  });

  it('says in time that nothing answers', async () => {
    await start({ tags: [{ tag: TORQUE }], timeoutMs: '50' });
    proxy.muteAnswers();
    node('read').receive({});
    assert.equal(codeOf(await nextMessage('caught')), 'PLC_TIMEOUT');
  });

  for (const [what, read] of [
    ['without tags', { tags: [] }],
    ['with a row without a tag', { tags: [{ tag: ' ', name: 'a' }] }],
    ['with two tags of one name', { tags: [{ tag: TORQUE }, { tag: 'ns=1;s=Speed', name: TORQUE }] }],
    ['without an endpoint', { endpoint: 'nowhere', tags: [{ tag: TORQUE }] }],
    ['with a time out of bounds', { tags: [{ tag: TORQUE }], timeoutMs: '60000' }],
  ] as const) {
    it(`ends every input in a coded error ${what}`, async () => {
      await start(read, false);
      node('read').receive({});
      assert.equal(codeOf(await nextMessage('caught')), 'CONFIG_INVALID');
    });
  }
});
