/**
 * The quality event an MES gets about one part: plain JSON in the vocabulary of ISA-95 (hierarchy
 * scope, equipment, material tested), the same whatever dialect carries it.
 */
import type { Inspection, ModelReference, VerdictSection } from '../inspection/inspection.ts';

export type Severity = 'minor' | 'major' | 'critical';

export interface Evidence {
  /** Hex SHA-256 of the file. */
  sha256: string;
  mediaType: string;
}

export interface QualityEvent {
  /** The idempotency key: made once, when the journal accepts the event. */
  id: string;
  /** Where it happened; from the station's configuration. */
  hierarchyScope: { line: string; station: string };
  /** What saw it; the frame's `source`, or empty when the event has no image. */
  equipment: { station: string; camera: string };
  /** `inspection.part`. */
  part: { id: string; sequence: number };
  /** From the node's dialog or the message it names. */
  defectClass: string;
  severity: Severity;
  /** `inspection.verdict`; null without a verdict. */
  verdict: VerdictSection | null;
  /** `inspection.anomaly.model`, else the model of the last inference; null without one. */
  model: ModelReference | null;
  /** The image as captured; uploaded once the ticket exists. */
  evidence: Evidence | null;
  /** `inspection.frame.capturedAt`, else `inspection.part.capturedAt`: ISO 8601 in UTC. */
  occurredAt: string;
}

export interface EventSource {
  key: string;
  inspection: Inspection;
  line: string;
  station: string;
  defectClass: string;
  severity: Severity;
  evidence: Evidence | null;
}

export function qualityEvent(source: EventSource): QualityEvent {
  const { part, frame, verdict, anomaly, inference } = source.inspection;
  return {
    id: source.key,
    hierarchyScope: { line: source.line, station: source.station },
    equipment: { station: source.station, camera: frame?.source ?? '' },
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
    model: anomaly?.model ?? inference?.at(-1)?.model ?? null,
    evidence: source.evidence,
    occurredAt: frame?.capturedAt ?? part.capturedAt,
  };
}
