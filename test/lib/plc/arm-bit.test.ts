import assert from 'node:assert/strict';
import { armBit, ArmBit } from '../../../lib/plc/arm-bit.ts';
import type { FallbackPhase } from '../../../lib/plc/fallback.ts';
import { FakeClock } from '../../support/fake-clock.ts';

describe('the Arm bit of several tags', () => {
  const cases: [FallbackPhase[], boolean][] = [
    [[], false],
    [['idle'], false],
    [['acting'], true],
    [['holding'], true],
    [['written'], true],
    [['released'], false],
    [['idle', 'acting'], true],
    [['acting', 'released'], false],
    [['released', 'written', 'idle'], false],
  ];
  for (const [phases, bit] of cases) {
    it(`is ${bit} for tags that are ${phases.join(', ') || 'none'}`, () => {
      assert.equal(armBit(phases), bit);
    });
  }
});

describe('the Arm bit of an endpoint', () => {
  const FALL_MS = 1500;
  let clock: FakeClock;
  let bit: ArmBit;
  let told: boolean[];

  /** A tag of a station, and the way to let its phase change. */
  function output(station: object, first: FallbackPhase = 'acting') {
    let phase = first;
    const takeBack = bit.add(station, () => phase);
    return {
      becomes: (next: FallbackPhase) => {
        phase = next;
        bit.look();
      },
      takeBack,
    };
  }

  beforeEach(() => {
    clock = new FakeClock();
    told = [];
    bit = new ArmBit({ fallMs: FALL_MS, changed: () => told.push(bit.isSet), clock });
  });

  for (const [what, leave] of [
    ['is disarmed by a person', (tag: ReturnType<typeof output>) => tag.becomes('idle')],
    ['is taken out of the flow', (tag: ReturnType<typeof output>) => tag.takeBack()],
  ] as const) {
    it(`falls for as long as a PLC may take to see it when one of two stations ${what}`, () => {
      const [first] = [output({}), output({})];
      assert.equal(bit.isSet, true);
      leave(first);
      assert.deepEqual(told.at(-1), false);
      clock.advance(FALL_MS - 1);
      assert.equal(bit.isSet, false);
      clock.advance(1);
      assert.equal(bit.isSet, true);
    });
  }

  it('is set at once when the only station is armed again, whatever the number of its tags', () => {
    const station = {};
    const tags = [output(station), output(station)];
    for (const tag of tags) tag.becomes('idle');
    assert.equal(bit.isSet, false);
    for (const tag of tags) tag.becomes('acting');
    assert.equal(bit.isSet, true);
  });

  it('does not fall for a station that joins, or acts no more than before', () => {
    const first = output({});
    const second = output({}, 'idle');
    second.becomes('acting');
    first.becomes('holding');
    assert.deepEqual(told, [true, true, true, true]);
  });
});
