/** What may not be written never reaches the PLC, whatever a message carries: through the node, to the PLC's own log. */
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { openInspection } from '../../lib/inspection/inspection.ts';
import type { Message } from '../../nodes/runtime/types.ts';
import { startOpcua, type OpcuaPlc } from '../../plant/opcua.ts';
import { PlcMemory } from '../../plant/plc-memory.ts';
import { node } from '../support/helper.ts';
import { ask, linked, loadPlcFlow, type PlcFlow } from '../support/plc-flow.ts';
import { seed } from '../support/properties.ts';

const VALUES = 500;
const [LEAST, MOST] = [10, 50];

/** Half of them may be written; the edges, their neighbours, and what libraries turn into numbers come up often. */
const anything = fc.oneof(
  { weight: 5, arbitrary: fc.double({ min: LEAST, max: MOST, noNaN: true }) },
  { weight: 2, arbitrary: fc.double() },
  {
    weight: 2,
    arbitrary: fc.constantFrom<unknown>(
      ...[LEAST, MOST, 9.999999999999998, 50.00000000000001, 0, -0, 60, 60.1, -30, 1e308, Infinity, NaN],
      ...['30', '', 'abc', true, null, undefined, 30n, [30], {}, { valueOf: () => 30 }, new Number(30)],
    ),
  },
  { weight: 1, arbitrary: fc.jsonValue() },
);

const isInside = (value: unknown): boolean => typeof value === 'number' && value >= LEAST && value <= MOST;

describe('the fences of plc-write, at the PLC', function () {
  this.timeout(120_000);
  let plc: PlcMemory;
  let server: OpcuaPlc;
  let flow: PlcFlow;

  before(async () => {
    plc = new PlcMemory();
    server = await startOpcua({ plc });
    flow = await loadPlcFlow(
      { protocol: 'opcua', endpointUrl: server.endpointUrl },
      {
        ...{ tag: 'ns=1;s=Line.TorqueSetpoint', value: 'torque', valueType: 'msg', version: 2 },
        ...{ min: String(LEAST), max: String(MOST), maxPerMinute: '60000', timeoutMs: '30000' },
      },
    );
    await linked();
    await ask('post', '/jidoka/stations/station/arm', { reason: 'shift start' }, 'anna');
  });
  after(async () => {
    await flow.remove();
    await server.close();
    plc.close();
  });

  it(`let ${VALUES} values through to the PLC exactly where they are inside`, async () => {
    let settle: (message: Message) => void = () => undefined;
    for (const output of ['confirmed', 'otherwise', 'caught'])
      node(output).on('input', (message: Message) => settle(message));
    let arrived = 0;
    for (const [index, torque] of fc.sample(anything, { numRuns: VALUES, seed }).entries()) {
      const before = plc.writes.length;
      const inspection = openInspection({ station: 'Press 4', sequence: index, deadlineMs: 60_000 });
      const answered = new Promise<Message>((resolve) => (settle = resolve));
      node('write').receive({ inspection, torque });
      const { payload, inspection: ended } = await answered;
      const written = plc.writes.slice(before).map(({ tag, value }) => [tag, value]);
      if (isInside(torque)) {
        assert.deepEqual([payload, written], ['confirmed', [['TorqueSetpoint', torque]]], `value ${index}`);
        assert.equal(plc.get('TorqueSetpoint'), torque);
        arrived += 1;
      } else {
        assert.deepEqual(
          [payload, ended?.command?.reason, written],
          ['refused', 'OUT_OF_RANGE', []],
          `value ${index}`,
        );
      }
    }
    assert.ok(arrived > VALUES / 4, `${arrived} values were inside`);
    assert.equal(plc.writes.length, arrived);
    assert.deepEqual(
      plc.writes.filter(({ value }) => !isInside(value)),
      [],
    );
  });
});
