/** What a station remembers when a page is opened on it: parts of the last hour, some for a person to look at. */
import type { Decision, Inspection } from '../../lib/inspection/inspection.ts';
import { openJournal } from '../../lib/journal/journal.ts';

export interface SeededPart {
  id: string;
  decision: Decision;
  score: number | null;
  /** What a detector found. */
  found?: string;
}

/** One part a second, the last of them just now. Numbers are the same every time. */
export async function seedJournal(
  folder: string,
  parts: readonly SeededPart[],
  station: string,
): Promise<void> {
  const journal = await openJournal({ folder, ballastBytes: 0 });
  const now = Date.now();
  await Promise.all(
    parts.map((part, index) =>
      journal.recordPart(inspection(part, index, now - (parts.length - index) * 1000, station)),
    ),
  );
  await journal.close();
}

function inspection(
  { id, decision, score, found }: SeededPart,
  index: number,
  at: number,
  station: string,
): Inspection {
  const model = { name: 'press-4-top', version: '3', digest: `sha256:${'a'.repeat(64)}` };
  return {
    part: {
      ...{ id, station, sequence: index + 1, deadlineMs: 900, startedAt: 0 },
      capturedAt: new Date(at).toISOString(),
    },
    ...(found === undefined
      ? {}
      : {
          inference: [
            {
              ...{ model, provider: 'cpu', ms: 5, task: 'detect', count: 1 },
              objects: [
                { label: found, score: 0.9, box: [10, 10, 20, 20] as [number, number, number, number] },
              ],
            },
          ],
        }),
    verdict: {
      ...{ decision, score, threshold: 3, mode: 'NORMAL', calibration: 'press-4-top@3' },
      reason: score === null ? 'no-score' : decision === 'reject' ? 'above-threshold' : 'below-threshold',
    },
    timings: { age: 40 + (index % 10) },
  };
}

/** Scores that wander, now and then a reject of one of these classes and a part for a person. */
export function ordinaryParts(
  count: number,
  classes: readonly string[] = ['scratch', 'dent', 'stain'],
): SeededPart[] {
  return Array.from({ length: count }, (_, index) => {
    const score = 1.6 + 0.5 * Math.sin(index / 9) + 0.3 * Math.sin(index * 1.7);
    if (index % 29 === 28) {
      const found = classes[Math.floor(index / 29) % classes.length] ?? 'defect';
      return { id: `part-${index}`, decision: 'reject', score: score + 2.5, found };
    }
    if (index % 20 === 19) return { id: `part-${index}`, decision: 'review', score: 2.8 };
    return { id: `part-${index}`, decision: 'accept', score };
  });
}
