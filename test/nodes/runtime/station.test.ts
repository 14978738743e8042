import assert from 'node:assert/strict';
import redUtil from '@node-red/util';
import { CodedError } from '../../../lib/errors.ts';
import { openInspection, type Inspection } from '../../../lib/inspection/inspection.ts';
import type { Journal } from '../../../lib/journal/types.ts';
import type { Station } from '../../../lib/station/types.ts';
import { ConfigError } from '../../../nodes/runtime/config.ts';
import { propertyOf } from '../../../nodes/runtime/message.ts';
import {
  partOpener,
  recordPart,
  serviceOf,
  standDownForChanged,
  stationOf,
} from '../../../nodes/runtime/station.ts';
import type { Message, NodeAPI } from '../../../nodes/runtime/types.ts';

function runtimeWith(nodes: Record<string, object>): NodeAPI {
  return {
    nodes: { getNode: (id: string) => nodes[id] ?? null },
    util: redUtil.util,
  } as unknown as NodeAPI;
}

function stationThat(part: Partial<Station>): Station {
  return part as Station;
}

describe('finding what a config node offers', () => {
  const station = stationThat({ name: 'press 4' });
  const RED = runtimeWith({ s: { station }, bare: {} });

  it('gives the service of the node that was chosen', () => {
    assert.equal(stationOf(RED, 's'), station);
    assert.equal(serviceOf(RED, 's', 'station', 'station'), station);
  });

  for (const [what, id] of [
    ['is gone or disabled', 'gone'],
    ['could not start', 'bare'],
  ] as const) {
    it(`names the field to correct when that node ${what}`, () => {
      assert.throws(
        () => serviceOf(RED, id, 'plc', 'endpoint'),
        (error) => error instanceof ConfigError && error.field === 'endpoint',
      );
    });
  }
});

describe('opening a part', () => {
  it('asks the station, which counts and sets the deadline', async () => {
    const asked: unknown[] = [];
    const opened = openInspection({ station: 'press 4', sequence: 7, deadlineMs: 900 });
    const station = stationThat({
      nextPart: (part) => {
        asked.push(part);
        return Promise.resolve(opened);
      },
    });
    assert.equal(await partOpener(station)({ id: 'A-17' }), opened);
    assert.deepEqual(asked, [{ id: 'A-17' }]);
  });

  it('without a station counts by itself, node by node, and is never late', async () => {
    const open = partOpener(undefined);
    assert.equal((await open()).part.sequence, 1);
    const second = await open({ id: 'A-17' });
    assert.equal(second.part.sequence, 2);
    assert.equal(second.part.id, 'A-17');
    assert.ok(second.part.deadlineMs > 1e12);
    assert.equal((await partOpener(undefined)()).part.sequence, 1);
  });
});

describe('putting a part on record', () => {
  const message = (): Message & { inspection: Inspection } => ({
    inspection: openInspection({ station: 'press 4', sequence: 1, deadlineMs: 900 }),
  });

  function unexpected(error: unknown): void {
    throw error;
  }

  function failures(): {
    fail: (error: unknown, message?: Message) => void;
    seen: Promise<[unknown, unknown]>;
  } {
    let fail: (error: unknown, message?: Message) => void = () => undefined;
    const seen = new Promise<[unknown, unknown]>((resolve) => {
      fail = (error, failed) => resolve([error, failed]);
    });
    return { fail, seen };
  }

  it('writes the envelope into the journal of the station', async () => {
    const given = message();
    const recorded = await new Promise<Inspection>((resolve) => {
      const journal = {
        recordPart: (inspection: Inspection) => {
          resolve(inspection);
          return Promise.resolve();
        },
      } as unknown as Journal;
      recordPart({ fail: unexpected }, stationThat({ journal: () => Promise.resolve(journal) }), given);
    });
    assert.equal(recorded, given.inspection);
  });

  it('reports a journal that fails, with the message, and does not throw', async () => {
    const { fail, seen } = failures();
    const given = message();
    const station = stationThat({ journal: () => Promise.reject(new Error('disk full')) });
    recordPart({ fail }, station, given);
    const [error, failed] = await seen;
    assert.match(String(error), /disk full/);
    assert.equal(failed, given);
  });

  it('does nothing without a station', () => {
    recordPart({ fail: unexpected }, undefined, message());
  });
});

describe('reading a property of a message that anybody may have built', () => {
  const RED = runtimeWith({});

  it('follows the path', () => {
    assert.equal(propertyOf(RED, { payload: { scores: [1, 2.5] } }, 'payload.scores[1]'), 2.5);
  });

  it('gives undefined where the path leads nowhere', () => {
    for (const path of ['inspection.anomaly.score', 'payload.a.b', 'payload.a', 'nothing']) {
      assert.equal(propertyOf(RED, { payload: 3 }, path), undefined);
    }
    assert.equal(propertyOf(RED, { payload: null }, 'payload.a'), undefined);
  });
});

describe('a model that cannot be used', () => {
  for (const [code, disarms] of [
    ['MODEL_DIGEST_MISMATCH', true],
    ['BUNDLE_INVALID', true],
    ['MODEL_NOT_FOUND', false],
  ] as const) {
    it(`${disarms ? 'disarms' : 'does not disarm'} the station with ${code}`, () => {
      const causes: string[] = [];
      const station = stationThat({ standDown: (cause) => causes.push(cause.code) });
      standDownForChanged(station, new CodedError(code, 'a test'));
      standDownForChanged(undefined, new CodedError(code, 'a test'));
      assert.deepEqual(causes, disarms ? [code] : []);
    });
  }
});
