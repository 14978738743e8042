import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { ACK, CommandBlock, type BlockCommand } from '../../plant/command-block.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { repositoryRoot } from '../support/shared.ts';
import { readFunctionBlock, runFunctionBlock } from '../support/structured-text.ts';

const source = readFileSync(join(repositoryRoot, 'docs', 'plc', 'JidokaCommand.st'), 'utf8');
const text = readFunctionBlock(source, 'FB_JidokaCommand');
const declared = (section: string): Record<string, string> =>
  Object.fromEntries(
    text.declarations.filter((each) => each.section === section).map(({ name, type }) => [name, type]),
  );

const SETTINGS = {
  RangeLow: 10,
  RangeHigh: 60,
  SlewPerSecond: 100,
  FallbackValue: 42,
  HeartbeatTimeoutMs: 1500,
};

interface Step extends Partial<BlockCommand> {
  passMs: number;
  beat: boolean;
  ModeManual?: boolean;
  InterlockOk?: boolean;
  ManualValue?: number;
}

const rarely = <Value>(arbitrary: fc.Arbitrary<Value>) =>
  fc.option(arbitrary, { nil: undefined, freq: 8 }).map((value) => value);
const number = fc.oneof(
  fc.nat(5),
  fc.constantFrom(0x7fff_fffe, 0x8000_0000, 0x8000_0001, 0xffff_fffe, 0xffff_ffff),
);
const step: fc.Arbitrary<Step> = fc
  .record({
    passMs: fc.oneof({ weight: 8, arbitrary: fc.constant(10) }, { weight: 1, arbitrary: fc.integer({ min: 1, max: 700 }) }),
    beat: fc.boolean(),
    Value: fc.option(fc.float({ min: 0, max: 70 }), { nil: undefined, freq: 3 }),
    TtlMs: fc.option(fc.constantFrom(0, 5, 10, 200, 1000), { nil: undefined, freq: 4 }),
    DecisionRef: fc.option(fc.nat(0xffff_ffff), { nil: undefined }),
    CmdId: fc.option(number, { nil: undefined, freq: 2 }),
    Arm: rarely(fc.boolean()),
    ModeManual: rarely(fc.boolean()),
    InterlockOk: rarely(fc.boolean()),
    ManualValue: rarely(fc.float({ min: 0, max: 70, noNaN: true })),
  })
  .map((all) => Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined)) as unknown as Step); // prettier-ignore

describe('the command block as Structured Text', () => {
  it('has every input and output of the plant’s block, in the type the network sees', () => {
    assert.deepEqual(declared('VAR_INPUT'), {
      Value: 'REAL',
      TtlMs: 'UDINT',
      DecisionRef: 'UDINT',
      CmdId: 'UDINT',
      Heartbeat: 'UINT',
      Arm: 'BOOL',
      ModeManual: 'BOOL',
      InterlockOk: 'BOOL',
      ManualValue: 'REAL',
      RangeLow: 'REAL',
      RangeHigh: 'REAL',
      SlewPerSecond: 'REAL',
      FallbackValue: 'REAL',
      HeartbeatTimeout: 'TIME',
    });
    const block = new CommandBlock();
    const inputs = Object.keys(declared('VAR_INPUT'));
    for (const name of [...Object.keys(block.command), ...Object.keys(block.settings)])
      assert.ok(inputs.includes(name.replace(/Ms$/, '')) || inputs.includes(name), name);
    assert.deepEqual(declared('VAR_OUTPUT'), {
      AckId: 'UDINT',
      AckResult: 'UINT',
      AppliedValue: 'REAL',
      AppliedRef: 'UDINT',
      PlcHeartbeat: 'UINT',
      SafeStateActive: 'BOOL',
      LastCmdAgeMs: 'UDINT',
    });
    assert.deepEqual(Object.keys(block.status), Object.keys(declared('VAR_OUTPUT')));
  });

  it('names the same reasons by the same numbers', () => {
    const constants = text.declarations.filter(({ section }) => section === 'VAR CONSTANT');
    assert.deepEqual(
      Object.fromEntries(constants.map(({ name, initial }) => [name.replace('ACK_', ''), Number(initial)])),
      ACK,
    );
  });

  it('answers every sequence of commands, beats, pauses and switches as the plant’s block does', () => {
    const results = new Set<number>();
    fc.assert(
      fc.property(fc.array(step, { minLength: 20, maxLength: 120 }), (steps) => {
        const clock = new FakeClock();
        const machine = { ModeManual: false, InterlockOk: true, ManualValue: 33 };
        const block = new CommandBlock({ settings: SETTINGS, machine: () => machine, clock });
        const { variables, call } = runFunctionBlock(text, () => clock.now());
        const { HeartbeatTimeoutMs, ...settings } = SETTINGS;
        Object.assign(variables, settings, { HeartbeatTimeout: HeartbeatTimeoutMs });
        block.command.Arm = true;
        for (const { passMs, beat, ModeManual, InterlockOk, ManualValue, ...command } of steps) {
          clock.advance(passMs);
          Object.assign(block.command, command);
          if (beat) block.command.Heartbeat = (block.command.Heartbeat + 1) % 65_536;
          const switches = { ModeManual, InterlockOk, ManualValue };
          for (const [name, value] of Object.entries(switches))
            if (value !== undefined) Object.assign(machine, { [name]: value });
          Object.assign(variables, block.command, machine);
          block.scan();
          call();
          const outputs = Object.keys(block.status).map((name) => [name, variables[name]]);
          assert.deepEqual(Object.fromEntries(outputs), block.status);
          results.add(block.status.AckResult);
        }
      }),
      { numRuns: 300 },
    );
    // The sequences have been through all of it.
    assert.deepEqual([...results].sort(), Object.values(ACK));
  });
});
