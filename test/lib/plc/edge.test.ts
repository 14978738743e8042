import assert from 'node:assert/strict';
import { EdgeFilter, type EdgeOptions } from '../../../lib/plc/edge.ts';
import type { TagValue } from '../../../lib/plc/tag-type.ts';
import type { Reading } from '../../../lib/plc/transport.ts';
import { FakeClock } from '../../support/fake-clock.ts';

const reading = (value: TagValue): Reading => ({ value, good: true, status: 'Good', sourceAt: null });

interface Told {
  kind: string;
  value: TagValue;
  previous: TagValue | null;
}

function filter(options: Partial<EdgeOptions> = {}): { edges: EdgeFilter; told: Told[]; clock: FakeClock } {
  const clock = new FakeClock();
  const told: Told[] = [];
  const edges = new EdgeFilter(
    { direction: 'change', debounceMs: 0, deadband: 0, countState: false, clock, ...options },
    ({ kind, reading: { value }, previous }) => told.push({ kind, value, previous }),
  );
  return { edges, told, clock };
}

describe('the edges of a tag', () => {
  it('are its changes; what is found first is none, and neither is what is found after the link was lost', () => {
    const { edges, told } = filter();
    for (const value of [false, true, true, false]) edges.see(reading(value));
    edges.forget();
    for (const value of [true, false]) edges.see(reading(value));
    assert.deepEqual(told, [
      { kind: 'rising', value: true, previous: false },
      { kind: 'falling', value: false, previous: true },
      { kind: 'falling', value: false, previous: true },
    ]);
  });

  for (const [direction, values] of [
    ['rising', [true]],
    ['falling', [false]],
  ] as const) {
    it(`are only those ${direction} where these are wanted, for numbers too`, () => {
      const bits = filter({ direction });
      for (const value of [false, true, false]) bits.edges.see(reading(value));
      assert.deepEqual(
        bits.told.map(({ value }) => value),
        values,
      );
      const counter = filter({ direction });
      for (const value of [7, 8, 9, 4]) counter.edges.see(reading(value));
      assert.deepEqual(
        counter.told.map(({ value }) => value),
        direction === 'rising' ? [8, 9] : [4],
      );
    });

    it(`count the state found where that is asked for and it is what is wanted, when ${direction}`, () => {
      for (const state of [true, false]) {
        const { edges, told } = filter({ direction, countState: true });
        edges.see(reading(state));
        const wanted = state === (direction === 'rising');
        assert.deepEqual(told, wanted ? [{ kind: 'state', value: state, previous: null }] : []);
      }
    });
  }

  it('of a contact that bounces are one, once it has stood still', () => {
    const { edges, told, clock } = filter({ debounceMs: 50 });
    edges.see(reading(false));
    clock.advance(50);
    for (let bounce = 0; bounce < 5; bounce += 1) {
      edges.see(reading(true));
      clock.advance(20);
      edges.see(reading(false));
      clock.advance(20);
    }
    edges.see(reading(true));
    clock.advance(49);
    assert.deepEqual(told, []);
    clock.advance(1);
    assert.deepEqual(told, [{ kind: 'rising', value: true, previous: false }]);
    assert.equal(clock.pending, 0);
  });

  it('are not taken from a value that had not lasted when its quality or the link was lost', () => {
    for (const end of ['hold', 'forget'] as const) {
      const { edges, told, clock } = filter({ debounceMs: 50 });
      edges.see(reading(false));
      clock.advance(50);
      edges.see(reading(true));
      edges[end]();
      clock.advance(1000);
      assert.deepEqual(told, []);
      edges.see(reading(true));
      clock.advance(50);
      // After doubtful quality what was before is still known; after a lost link it is not.
      assert.equal(told.length, end === 'hold' ? 1 : 0);
    }
  });

  it('of a number must leave the deadband around the last that counted, so that a slow drift counts too', () => {
    const { edges, told } = filter({ deadband: 1 });
    for (const value of [10, 10.9, 9.1, 11, 11.1, 10.2, 12, 12.2]) edges.see(reading(value));
    assert.deepEqual(
      told.map(({ value }) => value),
      [11.1, 12.2],
    );
  });

  it('of text are changes, and to wait for it to rise is an error', () => {
    const { edges, told } = filter();
    for (const value of ['A', 'B']) edges.see(reading(value));
    assert.deepEqual(told, [{ kind: 'change', value: 'B', previous: 'A' }]);
    assert.throws(() => filter({ direction: 'rising' }).edges.see(reading('A')), {
      code: 'PLC_TAG_UNUSABLE',
    });
  });
});
