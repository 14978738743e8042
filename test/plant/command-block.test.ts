import assert from 'node:assert/strict';
import fc from 'fast-check';
import {
  ACK,
  CommandBlock,
  isNewer,
  type BlockCommand,
  type BlockMachine,
  type BlockSettings,
} from '../../plant/command-block.ts';
import { FakeClock } from '../support/fake-clock.ts';

const SCAN_MS = 10;

/** A block of a press, its cycles driven by hand, and a gateway that beats unless told. */
function press(settings: Partial<BlockSettings> = {}): {
  block: CommandBlock;
  machine: BlockMachine;
  clock: FakeClock;
  run: (ms: number, options?: { beats?: boolean }) => void;
  give: (command: Partial<BlockCommand>) => void;
} {
  const clock = new FakeClock();
  const machine = { ModeManual: false, InterlockOk: true, ManualValue: 33 };
  const block = new CommandBlock({
    settings: { RangeLow: 10, RangeHigh: 60, FallbackValue: 42, ...settings },
    machine: () => machine,
    clock,
  });
  let beatAt = 0;
  const run = (ms: number, { beats = true } = {}): void => {
    for (let at = 0; at < ms; at += SCAN_MS) {
      clock.advance(SCAN_MS);
      if (beats && clock.now() >= beatAt) {
        block.command.Heartbeat = (block.command.Heartbeat + 1) % 65_536;
        beatAt = clock.now() + 500;
      }
      block.scan();
    }
  };
  block.command.Arm = true;
  // The number in the area at the start is no beat; the second one is.
  run(520);
  return {
    block,
    machine,
    clock,
    run,
    give: (command) => {
      Object.assign(block.command, { TtlMs: 1000, ...command });
    },
  };
}

const acknowledged = ({ block }: { block: CommandBlock }): [number, number, number] => {
  const { AckId, AckResult, AppliedValue } = block.status;
  return [AckId, AckResult, AppliedValue];
};

describe('the command block of the PLC', () => {
  it('applies a command in the cycle that sees its number, says so, and keeps its decision', () => {
    const rig = press();
    rig.give({ Value: 50, DecisionRef: 0xdeadbeef, CmdId: 7 });
    rig.run(10);
    assert.deepEqual(acknowledged(rig), [7, ACK.ACCEPTED, 50]);
    assert.equal(rig.block.status.AppliedRef, 0xdeadbeef);
    assert.equal(rig.block.status.LastCmdAgeMs, 0);
    rig.run(300);
    assert.equal(rig.block.status.LastCmdAgeMs, 300);
    assert.deepEqual([...rig.block.effects], [[7, 1]]);
  });

  it('acts on a change of the number alone: another value under the same number changes nothing', () => {
    const rig = press();
    rig.give({ Value: 50, CmdId: 1 });
    rig.run(10);
    rig.give({ Value: 20, CmdId: 1 });
    rig.run(1000);
    assert.deepEqual(acknowledged(rig), [1, ACK.ACCEPTED, 50]);
    assert.deepEqual([...rig.block.effects], [[1, 1]]);
  });

  const refusals: [string, number, (rig: ReturnType<typeof press>) => void][] = [
    ['a value below the range', ACK.RANGE, ({ give }) => give({ Value: 9.9, CmdId: 5 })],
    ['a value above the range', ACK.RANGE, ({ give }) => give({ Value: 60.1, CmdId: 5 })],
    ['a value that is no number', ACK.RANGE, ({ give }) => give({ Value: Number.NaN, CmdId: 5 })],
    ['a command without interlock', ACK.INTERLOCK, ({ machine }) => (machine.InterlockOk = false)],
    ['a command that may be 9 ms old in cycles of 10', ACK.STALE, ({ give }) => give({ TtlMs: 9 })],
    ['a command that is not armed', ACK.NOT_ARMED, ({ block }) => (block.command.Arm = false)],
    ['a command while the line is run by hand', ACK.MANUAL, ({ machine }) => (machine.ModeManual = true)],
    ['the number it has accepted, after another', ACK.DUPLICATE, (rig) => {
      rig.give({ Value: 50, CmdId: 6 });
      rig.run(10);
      rig.give({ Value: 99, CmdId: 7 });
      rig.run(10);
      rig.give({ Value: 55, CmdId: 6 });
    }], // prettier-ignore
    ['a number older than the one it has accepted', ACK.DUPLICATE, (rig) => {
      rig.give({ Value: 50, CmdId: 6 });
      rig.run(10);
      rig.give({ CmdId: 5 });
    }], // prettier-ignore
  ];
  for (const [what, result, spoil] of refusals) {
    it(`refuses ${what} and says why`, () => {
      const rig = press();
      rig.give({ Value: 50, CmdId: 5 });
      spoil(rig);
      const { CmdId } = rig.block.command;
      rig.run(10);
      assert.deepEqual([rig.block.status.AckId, rig.block.status.AckResult], [CmdId, result]);
      assert.ok((rig.block.effects.get(CmdId) ?? 0) === (CmdId === 6 ? 1 : 0));
    });
  }

  it('names the reason a person would ask for first: manual, arm, beats, age, duplicate, range, interlock', () => {
    const rig = press({ HeartbeatTimeoutMs: 1500 });
    rig.give({ Value: 50, CmdId: 10 });
    rig.run(10);
    const wrong = { Value: 99, TtlMs: 0, CmdId: 9 };
    const answerTo = (command: Partial<BlockCommand>): number => {
      Object.assign(rig.block.command, command);
      rig.run(10);
      // Another number in between, so that the next one is a change.
      const { AckResult } = rig.block.status;
      rig.block.command.CmdId = 0;
      rig.run(10);
      return AckResult;
    };
    Object.assign(rig.machine, { ModeManual: true, InterlockOk: false });
    rig.block.command.Arm = false;
    const order = [answerTo(wrong)];
    rig.machine.ModeManual = false;
    order.push(answerTo(wrong));
    rig.block.command.Arm = true;
    rig.run(1600, { beats: false });
    rig.block.command.TtlMs = 0;
    Object.assign(rig.block.command, wrong);
    rig.run(10, { beats: false });
    order.push(rig.block.status.AckResult);
    rig.block.command.CmdId = 0;
    rig.run(20);
    order.push(answerTo(wrong), answerTo({ TtlMs: 100 * SCAN_MS, CmdId: 9 }), answerTo({ CmdId: 11 }));
    order.push(answerTo({ Value: 50, CmdId: 11 }));
    assert.deepEqual(order, [
      ACK.MANUAL,
      ACK.NOT_ARMED,
      ACK.NOT_ARMED,
      ACK.STALE,
      ACK.DUPLICATE,
      ACK.RANGE,
      ACK.INTERLOCK,
    ]);
    assert.deepEqual([...rig.block.effects], [[10, 1]]);
  });

  it('refuses as stale what waited in a cycle that took longer than the command may be old', () => {
    const rig = press();
    rig.give({ Value: 50, TtlMs: 200, CmdId: 3 });
    rig.clock.advance(400);
    rig.block.scan();
    assert.deepEqual(acknowledged(rig), [3, ACK.STALE, 42]);
  });

  it('counts on through the end of the numbers, and never takes an old number for a new one', () => {
    const rig = press();
    for (const CmdId of [4_294_967_294, 4_294_967_295, 1, 2]) {
      rig.give({ Value: 50, CmdId });
      rig.run(10);
      assert.deepEqual(acknowledged(rig), [CmdId, ACK.ACCEPTED, 50]);
    }
    rig.give({ Value: 20, CmdId: 4_294_967_295 });
    rig.run(10);
    assert.deepEqual(acknowledged(rig), [4_294_967_295, ACK.DUPLICATE, 50]);
    fc.assert(
      fc.property(fc.nat(0xffff_ffff), fc.integer({ min: 1, max: 0x7fff_ffff }), (id, ahead) => {
        assert.ok(isNewer((id + ahead) >>> 0, id));
        assert.ok(!isNewer(id, (id + ahead) >>> 0));
      }),
    );
  });

  it('does nothing on the number that lies in its area when it starts, and refuses none after it', () => {
    const rig = press();
    rig.give({ Value: 50, CmdId: 3_000_000_000 });
    rig.block.restart();
    rig.run(1000);
    assert.deepEqual(acknowledged(rig), [0, ACK.NONE, 42]);
    rig.give({ CmdId: 3_000_000_001 });
    rig.run(10);
    assert.deepEqual(acknowledged(rig), [3_000_000_001, ACK.ACCEPTED, 50]);
  });

  it('goes to its own value when three beats are missing, and waits for a new command when they come back', () => {
    const rig = press();
    const told: { alive: boolean; sinceLastMs: number }[] = [];
    rig.give({ Value: 50, CmdId: 1 });
    rig.run(1200);
    rig.block.on('beats', (beats) => told.push(beats));
    // It is 1720 ms, the last beat was at 1510.
    rig.run(1280, { beats: false });
    assert.deepEqual([rig.block.status.SafeStateActive, rig.block.status.AppliedValue], [false, 50]);
    rig.run(10, { beats: false });
    assert.deepEqual([rig.block.status.SafeStateActive, rig.block.status.AppliedValue], [true, 42]);
    assert.equal(rig.block.status.AppliedRef, 0);
    rig.run(20);
    assert.deepEqual([rig.block.status.SafeStateActive, rig.block.status.AppliedValue], [false, 42]);
    assert.deepEqual(
      told.map(({ alive }) => alive),
      [false, true],
    );
    assert.ok(Math.abs((told[0]?.sinceLastMs ?? 0) - 1500) <= 2 * SCAN_MS, `${told[0]?.sinceLastMs} ms`);
  });

  it('takes a beat through the end of its numbers for a beat', () => {
    const rig = press();
    rig.block.command.Heartbeat = 65_535;
    rig.run(1000);
    assert.equal(rig.block.command.Heartbeat < 10, true);
    assert.equal(rig.block.status.SafeStateActive, false);
  });

  it('releases to its own value when the Arm bit falls', () => {
    const rig = press();
    rig.give({ Value: 50, CmdId: 1 });
    rig.run(10);
    rig.block.command.Arm = false;
    rig.run(10);
    assert.deepEqual([rig.block.status.AppliedValue, rig.block.status.SafeStateActive], [42, false]);
  });

  it('follows the hand while the line is run by hand, and does not fall back to what it was told before', () => {
    const rig = press();
    rig.give({ Value: 50, CmdId: 1 });
    rig.run(10);
    rig.machine.ModeManual = true;
    rig.run(10);
    assert.equal(rig.block.status.AppliedValue, 33);
    rig.run(2000, { beats: false });
    assert.deepEqual([rig.block.status.AppliedValue, rig.block.status.SafeStateActive], [33, false]);
    rig.machine.ModeManual = false;
    rig.run(600);
    assert.equal(rig.block.status.AppliedValue, 42);
  });

  it('changes its output no faster than it may, up and down, and arrives exactly', () => {
    const rig = press({ SlewPerSecond: 100 });
    rig.give({ Value: 50, CmdId: 1 });
    rig.run(40);
    assert.deepEqual(acknowledged(rig), [1, ACK.ACCEPTED, 46]);
    rig.run(40);
    assert.equal(rig.block.status.AppliedValue, 50);
    rig.give({ Value: 49.3, CmdId: 2 });
    rig.run(10);
    assert.equal(rig.block.status.AppliedValue, Math.fround(49.3));
    rig.run(1600, { beats: false });
    assert.equal(rig.block.status.AppliedValue, 42);
  });

  it('beats itself twice a second', () => {
    const rig = press();
    const { PlcHeartbeat } = rig.block.status;
    rig.run(10_000);
    assert.equal(rig.block.status.PlcHeartbeat - PlcHeartbeat, 20);
  });

  it('runs by itself once started, and stops', () => {
    const clock = new FakeClock();
    const block = new CommandBlock({ clock });
    let scans = 0;
    block.on('scan', () => scans++);
    block.start();
    block.start();
    clock.advance(1000);
    assert.equal(scans, 100);
    block.fault = { kind: 'slow-scan', everyMs: 250 };
    clock.advance(1000);
    assert.equal(scans, 104);
    block.stop();
    clock.advance(1000);
    assert.equal(scans, 104);
    assert.equal(clock.pending, 0);
  });

  it('acknowledges late, acts without saying so, says so without acting, or clamps, when it is told to', () => {
    const rig = press();
    const { block } = rig;
    block.fault = { kind: 'late-ack', afterMs: 300 };
    rig.give({ Value: 50, CmdId: 1 });
    rig.run(10);
    assert.deepEqual(acknowledged(rig), [0, ACK.NONE, 50]);
    rig.run(300);
    assert.deepEqual(acknowledged(rig), [1, ACK.ACCEPTED, 50]);
    block.fault = { kind: 'effect-without-ack' };
    rig.give({ Value: 20, CmdId: 2 });
    rig.run(1000);
    assert.deepEqual(acknowledged(rig), [1, ACK.ACCEPTED, 20]);
    block.fault = { kind: 'ack-without-effect' };
    rig.give({ Value: 30, CmdId: 3 });
    rig.run(1000);
    assert.deepEqual(acknowledged(rig), [3, ACK.ACCEPTED, 20]);
    block.fault = { kind: 'clamp', min: 0, max: 25 };
    rig.give({ Value: 30, CmdId: 4 });
    rig.run(1000);
    assert.deepEqual(acknowledged(rig), [4, ACK.ACCEPTED, 25]);
    assert.deepEqual([...block.effects.keys()], [1, 2, 4]);
  });
});
