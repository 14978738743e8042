import assert from 'node:assert/strict';
import { Adwin } from '../../../lib/statistics/adwin.ts';
import type { ChangeDetector } from '../../../lib/statistics/detector.ts';
import { PageHinkley } from '../../../lib/statistics/page-hinkley.ts';
import { pythonChoices } from '../../support/python-random.ts';

/** The stream in the documentation of river's detectors: 1000 of {0, 1}, then 1000 of {4 … 7}. */
function riverStream(): number[] {
  const choices = pythonChoices(12345);
  return [...choices([0, 1], 1000), ...choices([4, 5, 6, 7], 1000)];
}

function alarms(detector: ChangeDetector<unknown>, stream: readonly number[]): number[] {
  return stream.flatMap((value, index) => (detector.update(value) ? [index] : []));
}

describe('on the stream river publishes with its detectors', () => {
  it('the numbers are those Python draws', () => {
    const stream = riverStream();
    // random.Random(12345): the first forty, and those around the change.
    assert.equal(stream.slice(0, 40).join(''), '0010001000101010101010000111011100011101');
    assert.equal(stream.slice(990, 1030).join(''), '0111111011467467546776475667646674647464');
  });

  it('ADWIN says change at index 1023 and nowhere else', () => {
    assert.deepEqual(alarms(new Adwin(), riverStream()), [1023]);
  });

  it('Page–Hinkley says change at index 1006 and nowhere else, in one direction and in both', () => {
    assert.deepEqual(alarms(new PageHinkley(), riverStream()), [1006]);
    assert.deepEqual(alarms(new PageHinkley({ direction: 'both' }), riverStream()), [1006]);
  });

  it('neither says anything about a fall when asked about rises only', () => {
    const falling = riverStream().map((value) => -value);
    assert.deepEqual(alarms(new Adwin({ direction: 'up' }), falling), []);
    assert.deepEqual(alarms(new PageHinkley({ direction: 'up' }), falling), []);
    assert.equal(alarms(new Adwin({ direction: 'down' }), falling).length, 1);
    assert.equal(alarms(new PageHinkley({ direction: 'down' }), falling).length, 1);
  });
});
