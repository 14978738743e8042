/** One event with everything in it, also what has to be escaped, and a picture of it. */
import { createHash } from 'node:crypto';
import { createRequire } from 'node:module';
import type { Compile } from '../../lib/ticket/dialects/template.ts';
import type { Picture } from '../../lib/ticket/client.ts';
import { qualityEvent, type QualityEvent } from '../../lib/ticket/event.ts';
import type { Inspection } from '../../lib/inspection/inspection.ts';

const bytes = Buffer.from('a picture');
const sha256 = createHash('sha256').update(bytes).digest('hex');

export const PICTURE: Picture = { role: 'frame', sha256, mediaType: 'image/jpeg', bytes };

const INSPECTION: Inspection = {
  part: {
    id: 'A-17 <left> & "right"',
    station: 'Press 4',
    sequence: 17,
    capturedAt: '2026-01-02T03:04:05.678Z',
    deadlineMs: 900,
    startedAt: 0,
  },
  verdict: {
    decision: 'reject',
    score: 4.25,
    threshold: 3,
    reason: 'above-threshold',
    mode: 'NORMAL',
    calibration: 'c-7',
    pValue: 0.01,
  },
  anomaly: {
    score: 4.25,
    pValue: 0.01,
    method: 'patch-nn',
    model: { name: 'press-4', version: '7', digest: `sha256:${'ab'.repeat(32)}` },
    provider: 'cpu',
    boxes: [],
  },
  timings: {},
};

export function eventWith(key: string, partId = INSPECTION.part.id): QualityEvent {
  return qualityEvent({
    key,
    inspection: { ...INSPECTION, part: { ...INSPECTION.part, id: partId } },
    line: 'Line 2',
    station: 'Press 4',
    scope: { enterprise: 'Müller & Söhne', site: 'Ulm', area: 'Presses' },
    equipment: 'PRESS-4',
    material: { definition: 'HOUSING-1', lot: 'L-88', serial: 'SN-1234' },
    measurements: [{ name: 'torque', value: 12.5, unit: 'Nm' }],
    defectClass: 'scratch',
    severity: 'major',
    evidence: [{ role: 'frame', sha256, mediaType: 'image/jpeg' }],
  });
}

export const EVENT = eventWith('0123456789abcdef0123456789abcdef');

const require = createRequire(import.meta.url);
const jsonata = createRequire(require.resolve('node-red'))('jsonata') as (expression: string) => {
  evaluate(data: unknown): Promise<unknown>;
};

/** JSONata as it comes with Node-RED. */
export const compileForTests: Compile = (expression) => {
  const prepared = jsonata(expression);
  return (data) => prepared.evaluate(data);
};
