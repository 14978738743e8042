import assert from 'node:assert/strict';
import { linesOf, titleOf } from '../../../lib/ticket/wording.ts';
import { EVENT } from '../../support/quality-event.ts';

describe('an event in words', () => {
  const event = { ...EVENT, defectClass: 'scratch\r\non the\tleft\u0000' };

  it('has a title of one line, whatever the defect class holds', () => {
    assert.match(titleOf(event), /^scratch on the left : part /);
  });

  it('is a line for each thing that is known', () => {
    assert.ok(linesOf(event).includes(`Defect: scratch on the left , ${EVENT.severity}`));
  });
});
