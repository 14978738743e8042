/** An event in words, for systems that have a title and a text and no fields for what a camera saw. */
import type { EvidenceRole, QualityEvent, Severity } from './event.ts';

const DECISIONS = { accept: 'accepted', review: 'to be looked at', reject: 'rejected' } as const;

function oneLine(text: string): string {
  return text.replace(/[\s\p{Cc}]+/gu, ' ').trim();
}

/** One line of at most so many characters. */
export function titleOf(
  { defectClass, part, hierarchyScope, verdict }: QualityEvent,
  maxLength = 120,
): string {
  const decided = verdict === null ? 'reported' : DECISIONS[verdict.decision];
  const title = oneLine(`${defectClass}: part ${part.id} ${decided} at ${hierarchyScope.station}`);
  return title.length <= maxLength ? title : `${title.slice(0, maxLength - 1)}…`;
}

/** What is known, a line each, with the external id last: it is found again by it where there is no field. */
export function linesOf(event: QualityEvent): string[] {
  const { hierarchyScope, equipment, material, part, verdict, model } = event;
  const { enterprise, site, area, line, station } = hierarchyScope;
  const lines: [string, string][] = [
    ['Where', [enterprise, site, area, line, station].filter((level) => level !== '').join(' / ')],
    ['Equipment', equipment.id],
    ['Camera', equipment.camera],
    ['Part', `${part.id} (no. ${part.sequence})`],
    ['Material', material.definition],
    ['Lot', material.lot],
    ['Serial', material.serial],
    ['Defect', `${event.defectClass}, ${event.severity}`],
    ['Decision', verdict === null ? '' : `${verdict.decision} (${verdict.reason}, ${verdict.mode})`],
    ...event.measurements.map(({ name, value, unit }): [string, string] => [
      name,
      `${value}${unit === '' ? '' : ` ${unit}`}`,
    ]),
    ['Model', model === null ? '' : `${model.name} ${model.version} ${model.digest}`],
    ...event.evidence.map(({ role, sha256 }): [string, string] => [role, `sha256 ${sha256}`]),
    ['Captured', event.occurredAt],
    ['External id', event.id],
  ];
  return lines.filter(([, value]) => value !== '').map(([name, value]) => `${name}: ${oneLine(value)}`);
}

export function escapeMarkup(text: string): string {
  const entities: Readonly<Record<string, string>> = {
    '&': '&amp;',
    '<': '&lt;',
    '>': '&gt;',
    '"': '&quot;',
    "'": '&apos;',
  };
  // What XML 1.0 cannot hold at all (§2.2) becomes a replacement character.
  const allowed = text.replace(/[^\t\n\r\u{20}-\u{D7FF}\u{E000}-\u{FFFD}\u{10000}-\u{10FFFF}]/gu, '\u{FFFD}');
  return allowed.replace(/[&<>"']/g, (character) => entities[character] ?? character);
}

/** The value of a scale that belongs to a severity. */
export function bySeverity<Value>(severity: Severity, scale: Readonly<Record<Severity, Value>>): Value {
  return scale[severity];
}

/** A name that tells a piece of evidence from every other one. */
export function fileName({
  role,
  sha256,
  mediaType,
}: {
  role: EvidenceRole;
  sha256: string;
  mediaType: string;
}) {
  return `${role}-${sha256.slice(0, 16)}.${mediaType.split('/').at(-1) ?? 'bin'}`;
}
