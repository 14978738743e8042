/**
 * The quality event an MES gets about one part: plain JSON in the vocabulary of ISA-95 (hierarchy
 * scope, equipment, material), the same whatever dialect carries it. Its schema is `event-schema.ts`.
 */
import type { Inspection, ModelReference, VerdictSection } from '../inspection/inspection.ts';

export type Severity = 'minor' | 'major' | 'critical';

/** `frame`: the image as captured. `heatmap`: where the model looked. */
export type EvidenceRole = 'frame' | 'heatmap';

export interface Evidence {
  role: EvidenceRole;
  /** Hex SHA-256 of the file. */
  sha256: string;
  mediaType: string;
}

/** Levels of the equipment hierarchy (ISA-95 part 1, figure 4), from the top; empty where nobody has said. */
interface HierarchyScope {
  enterprise: string;
  site: string;
  area: string;
  line: string;
  station: string;
}

/** What the part is made as; empty where nobody has said. */
interface Material {
  definition: string;
  lot: string;
  serial: string;
}

/** A number the decision was made of, with its unit as the flow gives it. */
export interface Measurement {
  name: string;
  value: number;
  unit: string;
}

export interface QualityEvent {
  /** Of the shape of this event. */
  version: 2;
  type: 'nonconformance';
  /** The idempotency key: made once, when the journal accepts the event. */
  id: string;
  /** Where it happened; from the configurations of the station and the node. */
  hierarchyScope: HierarchyScope;
  /** What made the part (as the MES names it) and what saw it; empty without a camera. */
  equipment: { id: string; station: string; camera: string };
  material: Material;
  /** `inspection.part`. */
  part: { id: string; sequence: number };
  /** From the node's dialog or the message it names. */
  defectClass: string;
  severity: Severity;
  /** `inspection.verdict`; null without a verdict. */
  verdict: VerdictSection | null;
  /** Score and threshold, p-value and whatever the flow measured. */
  measurements: Measurement[];
  /** `inspection.anomaly.model`, else the model of the last inference; null without one. */
  model: ModelReference | null;
  /** Uploaded once the ticket exists. */
  evidence: Evidence[];
  /** `inspection.frame.capturedAt`, else `inspection.part.capturedAt`: ISO 8601 in UTC. */
  occurredAt: string;
}

export interface EventSource {
  key: string;
  inspection: Inspection;
  line: string;
  station: string;
  /** The levels above the line. */
  scope?: Partial<Pick<HierarchyScope, 'enterprise' | 'site' | 'area'>>;
  equipment?: string;
  material?: Partial<Material>;
  measurements?: readonly Measurement[];
  defectClass: string;
  severity: Severity;
  evidence: readonly Evidence[];
}

function decisionNumbers({ verdict, anomaly }: Inspection): Measurement[] {
  const numbers: [string, number | null | undefined][] = [
    ['score', verdict?.score ?? anomaly?.score],
    ['threshold', verdict?.threshold],
    ['p-value', verdict?.pValue ?? anomaly?.pValue],
  ];
  return numbers.flatMap(([name, value]) =>
    typeof value === 'number' && Number.isFinite(value) ? [{ name, value, unit: '' }] : [],
  );
}

export function qualityEvent(source: EventSource): QualityEvent {
  const { part, frame, verdict, anomaly, inference } = source.inspection;
  const { enterprise = '', site = '', area = '' } = source.scope ?? {};
  const { definition = '', lot = '', serial = '' } = source.material ?? {};
  return {
    version: 2,
    type: 'nonconformance',
    id: source.key,
    hierarchyScope: { enterprise, site, area, line: source.line, station: source.station },
    equipment: { id: source.equipment ?? '', station: source.station, camera: frame?.source ?? '' },
    material: { definition, lot, serial },
    part: { id: part.id, sequence: part.sequence },
    defectClass: source.defectClass,
    severity: source.severity,
    verdict:
      verdict === undefined
        ? null
        : {
            decision: verdict.decision,
            score: verdict.score,
            threshold: verdict.threshold,
            reason: verdict.reason,
            mode: verdict.mode,
            calibration: verdict.calibration,
          },
    measurements: [...decisionNumbers(source.inspection), ...(source.measurements ?? [])],
    model: anomaly?.model ?? inference?.at(-1)?.model ?? null,
    evidence: [...source.evidence],
    occurredAt: frame?.capturedAt ?? part.capturedAt,
  };
}

/** An event as an earlier release left it in the outbox: no version, one picture or none. */
type EarlierEvent = Pick<
  QualityEvent,
  'id' | 'part' | 'defectClass' | 'severity' | 'verdict' | 'model' | 'occurredAt'
> & {
  hierarchyScope: Pick<HierarchyScope, 'line' | 'station'>;
  equipment: { station: string; camera: string };
  evidence: Omit<Evidence, 'role'> | null;
};

/** Brings what waits in an outbox to the shape of today. */
export function currentEvent(stored: QualityEvent | EarlierEvent): QualityEvent {
  if ('version' in stored) return stored;
  return {
    ...stored,
    version: 2,
    type: 'nonconformance',
    hierarchyScope: { enterprise: '', site: '', area: '', ...stored.hierarchyScope },
    equipment: { id: '', ...stored.equipment },
    material: { definition: '', lot: '', serial: '' },
    measurements: [],
    evidence: stored.evidence === null ? [] : [{ role: 'frame', ...stored.evidence }],
  };
}
