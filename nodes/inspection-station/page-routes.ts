/** What the pages of a dashboard read of a station beside its state. */
import { CodedError } from '../../lib/errors.ts';
import type { PartRecord } from '../../lib/journal/types.ts';
import { adminRoute, type AdminRequest } from '../runtime/admin.ts';
import type { NodeAPI, RawConfig } from '../runtime/types.ts';
import { findStation } from './lookup.ts';
import { LIMIT, limitOf } from './routes.ts';

/** A deployed node that works for a station. */
interface StationMember {
  id: string;
  type: string;
  /** Empty where nobody gave it one. */
  name: string;
}

/** Labels that are looked at for the defect classes people use. */
const LABELS = 500;
/** Classes that are proposed to whoever looks through the parts. */
const CLASSES = 9;

function membersOf(RED: NodeAPI, stationId: string): StationMember[] {
  const members: StationMember[] = [];
  RED.nodes.eachNode((node) => {
    const { id, type, name, station } = node as unknown as RawConfig;
    if (station === stationId) members.push({ id, type, name: typeof name === 'string' ? name : '' });
  });
  return members;
}

async function figures({ params, query }: AdminRequest<unknown>): Promise<unknown> {
  const since = new Date(String(query['since']));
  if (Number.isNaN(since.getTime())) {
    throw new CodedError('BAD_REQUEST', 'since must be a moment in ISO 8601, e.g. 2026-03-02T06:00:00Z');
  }
  const journal = await findStation(params['id'] ?? '').journal();
  return journal.figures(since.toISOString());
}

/** What a person needs to judge a part; the rest of the record stays where it is. */
function reviewOf({ inspection }: PartRecord): Record<string, unknown> {
  const { part, frame, verdict, anomaly } = inspection;
  return {
    id: part.id,
    sequence: part.sequence,
    at: part.capturedAt,
    score: verdict?.score ?? null,
    threshold: verdict?.threshold ?? null,
    reason: verdict?.reason ?? null,
    size: frame === undefined ? null : { width: frame.width, height: frame.height },
    boxes: anomaly?.boxes ?? [],
  };
}

/** The newest first: their pictures are still kept. */
async function reviews({ params, query }: AdminRequest<unknown>): Promise<unknown> {
  const station = findStation(params['id'] ?? '');
  const journal = await station.journal();
  const scored = query['unscored'] !== 'true';
  const parts = await journal.parts({
    decision: 'review',
    unlabelled: true,
    scored,
    limit: limitOf(query),
  });
  const proposals = await station.labelProposals();
  return {
    left: await journal.waitingForReview(),
    people: station.labelling === 'dual' ? 2 : 1,
    classes: classesOf(await journal.labels({ limit: LABELS, history: true })),
    proposals,
    parts: parts.map(reviewOf).reverse(),
  };
}

/** The defect classes used most. */
function classesOf(labels: readonly { defectClass: string | null }[]): string[] {
  const counts = new Map<string, number>();
  for (const { defectClass } of labels) {
    if (defectClass !== null) counts.set(defectClass, (counts.get(defectClass) ?? 0) + 1);
  }
  return [...counts]
    .sort(([, one], [, other]) => other - one)
    .slice(0, CLASSES)
    .map(([name]) => name);
}

export function registerPageRoutes(RED: NodeAPI): void {
  const read = { method: 'get', permission: 'jidoka.read' } as const;
  adminRoute(RED, {
    ...read,
    summary: 'Lists the nodes of the flow that work for the station, each with its id, type and name',
    path: '/jidoka/stations/:id/nodes',
    handle: ({ params }) => membersOf(RED, findStation(params['id'] ?? '').id),
  });
  adminRoute(RED, {
    ...read,
    summary: 'Tells the counts, defect classes, what people found, score trend and latency since a moment',
    query: { since: 'the moment, in ISO 8601' },
    needs: ['since'],
    path: '/jidoka/stations/:id/figures',
    handle: figures,
  });
  adminRoute(RED, {
    ...read,
    summary:
      'Lists the parts that wait for a person, newest first, and tells how many do and which classes people use',
    query: { ...LIMIT, unscored: 'true: the parts without a score; otherwise those with one' },
    path: '/jidoka/stations/:id/reviews',
    handle: reviews,
  });
}
