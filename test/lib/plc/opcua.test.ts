import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { OPCUACertificateManager } from 'node-opcua-certificate-manager';
import { AttributeIds, DataType, OPCUAClient, StatusCodes, UserTokenType } from 'node-opcua-client';
import { Backoff } from '../../../lib/backoff.ts';
import { CommandEngine } from '../../../lib/plc/command.ts';
import type { OpcUaOptions } from '../../../lib/plc/opcua-sign-in.ts';
import { OpcUaTransport } from '../../../lib/plc/opcua.ts';
import type { LinkState } from '../../../lib/plc/transport.ts';
import { command, linkIs, person, testStation } from '../../support/commands.ts';
import { startOpcUaServer, type TestServer } from '../../support/opcua-server.ts';
import { startTcpProxy, type TcpProxy } from '../../support/tcp-proxy.ts';

const TORQUE = 'ns=1;s=Torque';
const quickly = (): Backoff => new Backoff({ firstMs: 20, maxMs: 50 });

describe('an OPC UA link', () => {
  let server: TestServer;
  let proxy: TcpProxy;
  let folder: string;
  let url: string;

  before(async () => {
    server = await startOpcUaServer({ user: { name: 'operator', password: 'right' } });
  });
  after(() => server.stop());
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'jidoka-opcua-'));
    proxy = await startTcpProxy(server.port);
    url = `opc.tcp://127.0.0.1:${proxy.port}/plc`;
    server.writes.length = 0;
    server.set('Torque', 40);
  });
  afterEach(async () => {
    await proxy.close();
    await rm(folder, { recursive: true, force: true });
  });

  const transportTo = (options: Partial<OpcUaOptions> = {}): OpcUaTransport =>
    new OpcUaTransport({
      endpointUrl: url,
      security: 'None',
      user: { name: 'operator', password: 'right' },
      pkiFolder: join(folder, 'pki'),
      backoff: quickly(),
      ...options,
    });
  const failure = (transport: OpcUaTransport): Promise<Error & { code?: string; hint?: string }> =>
    new Promise((resolve) => {
      const stop = transport.onLink((link: LinkState) => {
        if (!('error' in link)) return;
        stop();
        resolve(link.error);
      });
    });

  it('that was cut refuses commands at once and replays none of them', async () => {
    const { station, remove } = await testStation();
    const transport = transportTo();
    const engine = new CommandEngine({ endpoint: 'plc', transport });
    transport.open();
    await linkIs(transport, 'up');
    await station.arm(person);
    assert.equal((await engine.execute(command(TORQUE, 41), station)).outcome, 'confirmed');
    proxy.cut();
    await linkIs(transport, 'down');
    for (const value of [42, 43, 44]) {
      const { outcome, reason } = await engine.execute(command(TORQUE, value), station);
      assert.deepEqual([outcome, reason], ['refused', 'LINK_DOWN']);
    }
    proxy.mend();
    await linkIs(transport, 'up');
    // A later command on the same session: what had been held would have arrived before it.
    assert.equal((await engine.execute(command(TORQUE, 45), station)).outcome, 'confirmed');
    assert.deepEqual(
      server.writes.map(({ value }) => value),
      [41, 45],
    );
    await engine.close();
    await transport.close();
    await remove();
  });

  it('(control) of the bare library does replay a write that was issued while it was cut', async () => {
    const client = OPCUAClient.create({
      endpointMustExist: false,
      connectionStrategy: { maxRetry: -1, initialDelay: 50, maxDelay: 100 },
    });
    await client.connect(url);
    const session = await client.createSession({
      type: UserTokenType.UserName,
      userName: 'operator',
      password: 'right',
    });
    const lost = new Promise((resolve) => client.once('start_reconnection', resolve));
    proxy.cut();
    await lost;
    const held = session.write({
      nodeId: TORQUE,
      attributeId: AttributeIds.Value,
      value: { value: { dataType: DataType.Double, value: 59 } },
    });
    proxy.mend();
    assert.equal(await held, StatusCodes.Good);
    assert.deepEqual(server.writes, [{ tag: 'Torque', value: 59 }]);
    await session.close();
    await client.disconnect();
  });

  it('whose answers are lost gives an unknown outcome in time, and the truth is read when it is back', async () => {
    const { station, journal, remove } = await testStation();
    const transport = transportTo();
    const engine = new CommandEngine({ endpoint: 'plc', transport });
    transport.open();
    await linkIs(transport, 'up');
    await station.arm(person);
    await engine.execute(command(TORQUE, 41), station);
    proxy.muteAnswers();
    const ended = proxy.ended();
    const given = command(TORQUE, 42, { timeoutMs: 100 });
    const { outcome, reason, ms } = await engine.execute(given, station);
    assert.deepEqual([outcome, reason], ['unknown', 'TIMEOUT']);
    assert.ok(ms < 1000, `${ms} ms`);
    assert.equal(transport.linkUp(), false);
    assert.equal(await ended, 'reset');
    proxy.cut();
    proxy.mend();
    await linkIs(transport, 'up');
    await engine.close();
    const settled = journal.entries.find(({ type }) => type === 'plc.settled');
    assert.equal(settled?.detail?.['commandId'], given.id);
    assert.equal(settled.detail['holds'], server.value('Torque'));
    assert.deepEqual(
      server.writes.map(({ value }) => value),
      [41, 42],
      'it arrived once and was not sent again',
    );
    await transport.close();
    await remove();
  });

  it('leaves no session on the server when it is closed, however often it is deployed', async () => {
    const alreadyThere = server.sessions();
    for (let deploy = 0; deploy < 10; deploy += 1) {
      const transport = transportTo({ endpointUrl: server.url });
      transport.open();
      await linkIs(transport, 'up');
      assert.equal(server.sessions(), alreadyThere + 1);
      await transport.close();
      assert.equal(server.sessions(), alreadyThere);
    }
  });

  it('can be closed while it is being made', async () => {
    const alreadyThere = server.sessions();
    const transport = transportTo({ endpointUrl: server.url });
    transport.open();
    await transport.close();
    assert.deepEqual(transport.link(), { state: 'closed' });
    assert.equal(server.sessions(), alreadyThere);
  });

  it('does not trust a server it does not know, unless the engineer says so, and encrypts then', async () => {
    const cautious = transportTo({ security: 'Basic256Sha256', endpointUrl: server.url });
    cautious.open();
    const { code, hint } = await failure(cautious);
    assert.equal(code, 'PLC_CERTIFICATE');
    assert.match(hint ?? '', /rejected/);
    await cautious.close();
    const commissioning = transportTo({
      security: 'Basic256Sha256',
      endpointUrl: server.url,
      trustUnknownServers: true,
    });
    commissioning.open();
    await linkIs(commissioning, 'up');
    assert.equal((await commissioning.write(TORQUE, 12, 'Double', 1000)).result, 'good');
    await commissioning.close();
  });

  it('says that the password is wrong', async () => {
    const transport = transportTo({ user: { name: 'operator', password: 'wrong' } });
    transport.open();
    const { code } = await failure(transport);
    assert.equal(code, 'PLC_SIGN_IN');
    await transport.close();
  });

  describe('that signs in with a certificate', () => {
    /** A certificate of its own, signed by nobody else, and its key. */
    async function person(name: string): Promise<{ certificate: string; privateKey: string; file: string }> {
      const manager = new OPCUACertificateManager({
        rootFolder: join(folder, name),
        disableFileWatchers: true,
      });
      await manager.initialize();
      const file = join(folder, `${name}.pem`);
      await manager.createSelfSignedCertificate({
        applicationUri: `urn:${name}`,
        subject: `/CN=${name}`,
        dns: [],
        ip: [],
        startDate: new Date(),
        validity: 30,
        outputFile: file,
      });
      const [certificate, privateKey] = await Promise.all([
        readFile(file, 'utf8'),
        readFile(manager.privateKey, 'utf8'),
      ]);
      await manager.dispose();
      return { certificate, privateKey, file };
    }
    const secured = { security: 'Basic256Sha256', trustUnknownServers: true, user: undefined } as const;

    it('is let in when the server trusts it, with its key pasted in one line too', async () => {
      const anna = await person('anna');
      await server.userCertificates.trustCertificate(new X509Certificate(anna.certificate).raw);
      const transport = transportTo({
        ...secured,
        endpointUrl: server.url,
        userCertificate: { ...anna, privateKey: anna.privateKey.replaceAll('\n', '') },
      });
      transport.open();
      await linkIs(transport, 'up');
      assert.equal((await transport.write(TORQUE, 17, 'Double', 1000)).result, 'good');
      await transport.close();
    });

    it('is not let in when the server does not know it', async () => {
      const transport = transportTo({
        ...secured,
        endpointUrl: server.url,
        userCertificate: await person('mallory'),
      });
      transport.open();
      const { code } = await failure(transport);
      assert.match(code ?? '', /^PLC_(SIGN_IN|CERTIFICATE)$/);
      assert.equal(transport.link().state, 'failed');
      await transport.close();
    });

    it('says so when the key belongs to another certificate, or is none', async () => {
      const [anna, bert] = [await person('anna'), await person('bert')];
      for (const privateKey of [bert.privateKey, 'secret', '']) {
        const transport = transportTo({
          ...secured,
          endpointUrl: server.url,
          userCertificate: { certificate: anna.certificate, privateKey },
        });
        transport.open();
        const { code, hint } = await failure(transport);
        assert.equal(code, 'PLC_CERTIFICATE');
        assert.match(hint ?? '', /PEM/);
        await transport.close();
      }
    });
  });
});
