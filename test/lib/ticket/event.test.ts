import assert from 'node:assert/strict';
import { Ajv } from 'ajv';
import { EVENT_SCHEMA } from '../../../lib/ticket/event-schema.ts';
import { currentEvent } from '../../../lib/ticket/event.ts';
import { EVENT } from '../../support/quality-event.ts';

const valid = new Ajv({ strict: true, strictTypes: false }).compile(EVENT_SCHEMA);

describe('the quality event', () => {
  it('is what its schema says, with everything in it and with as little as there can be', () => {
    assert.ok(valid(EVENT), JSON.stringify(valid.errors));
    assert.ok(valid({ ...EVENT, verdict: null, model: null, evidence: [], measurements: [] }));
    assert.deepEqual(
      EVENT.measurements.map(({ name }) => name),
      ['score', 'threshold', 'p-value', 'torque'],
    );
  });

  it('is refused with anything missing, and with anything else in it', () => {
    for (const name of Object.keys(EVENT)) {
      const { [name]: left, ...rest } = EVENT as unknown as Record<string, unknown>;
      assert.ok(left !== undefined);
      assert.equal(valid(rest), false, name);
    }
    assert.equal(valid({ ...EVENT, password: 'x' }), false);
  });

  it('is made of what an earlier release left in the outbox', () => {
    const { id, part, defectClass, severity, verdict, model, occurredAt } = EVENT;
    const earlier = { id, part, defectClass, severity, verdict, model, occurredAt };
    const now = currentEvent({
      ...earlier,
      hierarchyScope: { line: 'Line 2', station: 'Press 4' },
      equipment: { station: 'Press 4', camera: '' },
      evidence: { sha256: 'ab'.repeat(32), mediaType: 'image/jpeg' },
    });
    assert.ok(valid(now), JSON.stringify(valid.errors));
    assert.equal(now.evidence[0]?.role, 'frame');
    assert.equal(currentEvent(EVENT), EVENT);
  });
});
