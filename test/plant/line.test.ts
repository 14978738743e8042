import assert from 'node:assert/strict';
import fc from 'fast-check';
import { Line, type Part } from '../../plant/line.ts';

const TAKT = 1500;

/** A PLC program that sets the reject gate for the parts a judge picks, as soon as they are seen. */
function script(line: Line, reject: (part: Part) => boolean): void {
  line.on('part', (part) => {
    if (reject(part)) line.plc.write('RejectGate', true, 'opcua');
  });
}

describe('the stamping line', () => {
  it('brings one part per takt and passes it to the gate after its travel time', () => {
    const line = new Line({ goodParts: 10 });
    const happened: string[] = [];
    line.on('part', (part) => happened.push(`${line.nowMs} camera ${part.id}`));
    line.on('fate', (part) => happened.push(`${line.nowMs} ${part.fate} ${part.id}`));
    line.step(3500);
    assert.deepEqual(happened, ['1500 camera A-000001', '2400 passed A-000001', '3000 camera A-000002']);
  });

  it('does the same whether its time moves in one step or in many', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 4000 }), { minLength: 1, maxLength: 60 }), (steps) => {
        const run = (line: Line, moves: number[]): string[] => {
          const happened: string[] = [];
          line.on('part', (part) => happened.push(`camera ${part.id} ${part.defect ?? 'good'}`));
          line.on('fate', (part) => happened.push(`${part.fate} ${part.id}`));
          script(line, (part) => part.sequence % 3 === 0);
          for (const move of moves) line.step(move);
          return happened;
        };
        const whole = steps.reduce((sum, step) => sum + step, 0);
        const options = { seed: 4, goodParts: 3, defectShare: 0.5 };
        assert.deepEqual(run(new Line(options), steps), run(new Line(options), [whole]));
      }),
    );
  });

  it('makes no bad part while it is being set up, then the share it was told', () => {
    const line = new Line({ seed: 2, goodParts: 80, burstEvery: 0 });
    const defects = Array.from({ length: 20_080 }, (_, index) => line.plan(index + 1).defect);
    assert.ok(defects.slice(0, 80).every((defect) => defect === null));
    const share = defects.slice(80).filter((defect) => defect !== null).length / 20_000;
    // Four standard deviations of a binomial share.
    assert.ok(Math.abs(share - 0.03) < 4 * Math.sqrt((0.03 * 0.97) / 20_000), `${share}`);
    assert.equal(new Set(defects).size, 6);
  });

  it('cracks three parts in a row at one place about every 150', () => {
    const line = new Line({ seed: 3, goodParts: 80, defectShare: 0 });
    const plans = Array.from({ length: 1500 }, (_, index) => line.plan(81 + index));
    const cracked = plans.filter((plan) => plan.defect === 'crack');
    assert.equal(cracked.length, 30);
    for (let first = 0; first < cracked.length; first += 3) {
      const burst = cracked.slice(first, first + 3);
      assert.equal((burst[2]?.sequence ?? 0) - (burst[0]?.sequence ?? 0), 2);
      assert.equal(new Set(burst.map((plan) => plan.defectSeed)).size, 1);
      assert.equal(new Set(burst.map((plan) => plan.seed)).size, 3);
    }
  });

  it('plans the same parts for the same seed', () => {
    const plans = (seed: number): unknown[] => {
      const line = new Line({ seed });
      return Array.from({ length: 300 }, (_, index) => line.plan(index + 1));
    };
    assert.deepEqual(plans(7), plans(7));
    assert.notDeepEqual(plans(7), plans(8));
  });

  it('counts no escape and no overkill for a station that is always right', () => {
    const line = new Line({ seed: 1, goodParts: 10, defectShare: 0.3 });
    script(line, (part) => part.bad === true);
    line.step(TAKT * 200 + 1000);
    assert.equal(line.counts.seen, 200);
    assert.ok(line.counts.defective > 20);
    assert.equal(line.counts.diverted, line.counts.defective);
    assert.deepEqual([line.counts.escapes, line.counts.overkill, line.counts.correct], [0, 0, 200]);
    assert.equal(line.plc.get('RejectedCount'), line.counts.diverted);
  });

  it('counts every bad part as an escape when nobody acts', () => {
    const line = new Line({ goodParts: 0, defectShare: 1 });
    line.step(TAKT * 50 + 1000);
    assert.deepEqual([line.counts.escapes, line.counts.correct, line.counts.diverted], [50, 0, 0]);
  });

  it('counts every good part as overkill when everything is rejected', () => {
    const line = new Line({ goodParts: 50 });
    script(line, () => true);
    line.step(TAKT * 50 + 1000);
    assert.deepEqual([line.counts.overkill, line.counts.correct], [50, 0]);
  });

  it('diverts the next part when the command comes too late for its own', () => {
    const line = new Line({ goodParts: 1, defectShare: 0, burstEvery: 0 });
    line.judgeBy((plan) => plan.sequence === 1);
    line.step(TAKT + 901);
    line.plc.write('RejectGate', true, 'opcua');
    line.step(TAKT);
    assert.deepEqual([line.counts.escapes, line.counts.overkill], [1, 1]);
    assert.equal(line.plc.get('RejectGate'), false);
  });

  it('clears the reject gate after one part, however often it was set for it', () => {
    const line = new Line({ goodParts: 10 });
    line.step(TAKT);
    line.plc.write('RejectGate', true, 'opcua');
    line.plc.write('RejectGate', true, 'opcua');
    line.step(TAKT * 3);
    assert.equal(line.counts.diverted, 1);
  });

  it('lets the parts on the belt go on when the feeder stops, and brings the next a takt after it starts', () => {
    const line = new Line({ goodParts: 10 });
    line.step(TAKT);
    line.plc.write('FeederEnable', false, 'modbus');
    line.step(60_000);
    assert.deepEqual([line.counts.seen, line.counts.passed, line.onBelt.length], [1, 1, 0]);
    line.plc.write('FeederEnable', true, 'modbus');
    line.step(TAKT - 1);
    assert.equal(line.counts.seen, 1);
    line.step(1);
    assert.equal(line.counts.seen, 2);
  });

  it('pulses PartPresent once per part, with the part’s id and number already in place', () => {
    const line = new Line({ goodParts: 10 });
    const seen: unknown[] = [];
    line.plc.on('change', (tag, value) => {
      if (tag === 'PartPresent') seen.push([value, line.plc.get('PartId'), line.plc.get('PartCounter')]);
    });
    line.step(TAKT * 2 + 1000);
    assert.deepEqual(seen, [
      [true, 'A-000001', 1],
      [false, 'A-000001', 1],
      [true, 'A-000002', 2],
      [false, 'A-000002', 2],
    ]);
  });

  it('leaves parts of unknown truth out of the score', () => {
    const line = new Line();
    line.judgeBy(() => null);
    line.step(TAKT * 5 + 1000);
    assert.deepEqual([line.counts.passed, line.counts.correct, line.counts.escapes], [5, 0, 0]);
  });

  it('follows a clock once started, and stands still when stopped', async () => {
    const line = new Line({ taktMs: 5, travelMs: 3 });
    line.start();
    await new Promise((resolve) => line.once('fate', resolve));
    line.stop();
    const { seen } = line.counts;
    assert.ok(seen >= 1);
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(line.counts.seen, seen);
  });

  it('does not make up for hours in which the computer slept', async () => {
    let now = 0;
    const line = new Line({ taktMs: 20, travelMs: 10, clock: () => now });
    line.start();
    now = 3_600_000;
    // The line looks at its clock when its first part would have been due.
    await new Promise((resolve) => line.once('fate', resolve));
    line.stop();
    assert.ok(line.counts.seen <= 10_000 / 20, `${line.counts.seen} parts at once`);
  });

  it('refuses a takt that is no time', () => {
    assert.throws(() => new Line({ taktMs: 0 }), /taktMs/);
    assert.throws(() => new Line({ travelMs: Number.NaN }), /travelMs/);
  });
});
