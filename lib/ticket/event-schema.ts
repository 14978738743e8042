/** The JSON Schema of a quality event, for who receives one: what is required, and nothing else is in it. */

const text = { type: 'string' } as const;
const number = { type: 'number' } as const;
const numberOrNone = { type: ['number', 'null'] } as const;

function closed(properties: Readonly<Record<string, object>>): object {
  return { type: 'object', properties, required: Object.keys(properties), additionalProperties: false };
}

export const EVENT_SCHEMA = {
  $schema: 'http://json-schema.org/draft-07/schema#',
  $id: 'https://jidoka.dev/schema/quality-event-2.json',
  title: 'Quality event about one part',
  ...closed({
    version: { const: 2 },
    type: { const: 'nonconformance' },
    id: { type: 'string', pattern: '^[0-9A-Za-z-]{1,64}$' },
    hierarchyScope: closed({ enterprise: text, site: text, area: text, line: text, station: text }),
    equipment: closed({ id: text, station: text, camera: text }),
    material: closed({ definition: text, lot: text, serial: text }),
    part: closed({ id: text, sequence: { type: 'integer', minimum: 0 } }),
    defectClass: { type: 'string', minLength: 1 },
    severity: { enum: ['minor', 'major', 'critical'] },
    verdict: {
      oneOf: [
        { type: 'null' },
        closed({
          decision: { enum: ['accept', 'review', 'reject'] },
          score: numberOrNone,
          threshold: numberOrNone,
          reason: text,
          mode: { enum: ['NORMAL', 'CONSERVATIVE', 'RULES', 'STOPPED'] },
          calibration: text,
        }),
      ],
    },
    measurements: { type: 'array', items: closed({ name: text, value: number, unit: text }) },
    model: { oneOf: [{ type: 'null' }, closed({ name: text, version: text, digest: text })] },
    evidence: {
      type: 'array',
      maxItems: 2,
      items: closed({
        role: { enum: ['frame', 'heatmap'] },
        sha256: { type: 'string', pattern: '^[0-9a-f]{64}$' },
        mediaType: text,
      }),
    },
    occurredAt: { type: 'string', pattern: '^\\d{4}-\\d{2}-\\d{2}T\\d{2}:\\d{2}:\\d{2}(\\.\\d+)?Z$' },
  }),
} as const;
