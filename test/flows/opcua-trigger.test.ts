/** examples/07 as it is shipped, in a real Node-RED, against a real OPC UA server. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  DataType,
  MessageSecurityMode,
  OPCUACertificateManager,
  OPCUAServer,
  SecurityPolicy,
  type UAVariable,
} from 'node-opcua';
import { HOST, reservePort } from '../../plant/ports.ts';
import { flowOf } from '../package/package-files.ts';
import { startNodeRed, type FlowNode, type NodeRed } from '../support/node-red.ts';

describe('a trigger from the PLC', function () {
  this.timeout(90_000);
  let folder: string;
  let server: OPCUAServer;
  let partPresent: UAVariable;
  let nodeRed: NodeRed;

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'jidoka-opcua-'));
    const port = await reservePort(0, 'OPC UA server');
    server = new OPCUAServer({
      port,
      hostname: HOST,
      securityModes: [MessageSecurityMode.None],
      securityPolicies: [SecurityPolicy.None],
      serverCertificateManager: new OPCUACertificateManager({ rootFolder: join(folder, 'pki') }),
      serverInfo: { applicationUri: 'urn:jidoka:test' },
    });
    await server.initialize();
    const space = server.engine.addressSpace;
    assert.ok(space);
    partPresent = space.getOwnNamespace().addVariable({
      organizedBy: space.rootFolder.objects,
      browseName: 'PartPresent',
      nodeId: 's=Line.PartPresent',
      dataType: DataType.Boolean,
      value: { dataType: DataType.Boolean, value: false },
    });
    await server.start();

    const flow = flowOf('examples/07 - OPC UA trigger.json') as FlowNode[];
    const flows = flow.map((node) => {
      if (node.type === 'OpcUa-Endpoint') return { ...node, endpoint: `opc.tcp://127.0.0.1:${port}` };
      // What the camera does with a trigger is its own test; here it counts that one comes.
      if (node.type === 'camera-capture') return { ...node, type: 'debug', active: false, wires: [] };
      // Every value, present or not, goes to the debug node too.
      if (node.type === 'OpcUa-Client') return { ...node, wires: [['jo-present', 'jo-frame'], [], []] };
      return node;
    });
    nodeRed = await startNodeRed({ version: '5', flows, modules: ['node-red-contrib-opcua'] });
    await nodeRed.waitForStatus('jo-client', ({ text }) => /subscribed/.test(text ?? ''), {
      timeoutMs: 30_000,
    });
  });

  after(async () => {
    await nodeRed.stop();
    await server.shutdown();
    rmSync(folder, { recursive: true, force: true });
  });

  function set(value: boolean): void {
    partPresent.setValueFromSource({ dataType: DataType.Boolean, value });
  }

  /** The client samples: a value must be seen before the next one is set, or it never was. */
  async function seen(value: boolean): Promise<void> {
    let payload: unknown;
    while (payload !== value) ({ payload } = await nodeRed.nextMessage('jo-frame'));
  }

  it('comes once for every part that arrives, and not when it leaves', async () => {
    for (let part = 1; part <= 3; part += 1) {
      set(true);
      await seen(true);
      const trigger = await nodeRed.nextMessage('jo-camera');
      assert.equal(trigger['payload'], true);
      set(false);
      await seen(false);
    }
    assert.equal(nodeRed.messages('jo-camera').length, 3);
  });
});
