import assert from 'node:assert/strict';
import { openInspection } from '../../lib/inspection/inspection.ts';
import { nextMessage, node } from '../support/helper.ts';
import { startModbusServer } from '../support/modbus-server.ts';
import { startOpcUaServer } from '../support/opcua-server.ts';
import { linked, loadPlcFlow } from '../support/plc-flow.ts';

const reason = 'shift start';

describe('plc-endpoint', () => {
  it('leaves no session on the PLC when it is deployed again', async () => {
    const server = await startOpcUaServer();
    for (let deploy = 0; deploy < 3; deploy += 1) {
      const flow = await loadPlcFlow({ protocol: 'opcua', endpointUrl: server.url });
      await linked();
      assert.equal(server.sessions(), 1);
      await flow.remove();
      assert.equal(server.sessions(), 0);
    }
    await server.stop();
  });

  it('speaks Modbus TCP too', async () => {
    const server = await startModbusServer();
    const flow = await loadPlcFlow(
      { protocol: 'modbus', host: '127.0.0.1', port: String(server.port), unit: '1' },
      { tag: 'holding:4:float32', value: '2.5', valueType: 'num' },
    );
    await linked();
    await flow.station.arm({ actor: 'anna', reason });
    node('write').receive({
      inspection: openInspection({ station: 'Press 4', sequence: 1, deadlineMs: 5000 }),
    });
    assert.equal((await nextMessage('confirmed')).inspection?.command?.readBack, 2.5);
    await flow.remove();
    await server.stop();
  });

  for (const [what, endpoint] of [
    ['an address that is none', { protocol: 'opcua', endpointUrl: 'http://127.0.0.1' }],
    ['no host', { protocol: 'modbus', host: '' }],
    ['a port out of range', { protocol: 'modbus', host: '127.0.0.1', port: '70000' }],
  ] as const) {
    it(`makes its users end in a coded error with ${what}`, async () => {
      const flow = await loadPlcFlow(endpoint);
      node('write').receive({ payload: 1 });
      const { error } = await nextMessage('caught');
      assert.equal((error as { code?: string }).code, 'CONFIG_INVALID');
      await flow.remove();
    });
  }
});
