/**
 * What a person may ask of a station from a dashboard. Acting asks for a signed-in person and a
 * reason; the permissions end in no common scope (see `nodes/runtime/admin.ts`).
 */
import type { Decision } from '../../lib/inspection/inspection.ts';
import type { PartQuery, Truth } from '../../lib/journal/types.ts';
import { CodedError } from '../../lib/errors.ts';
import type { StationControl } from '../../lib/station/station.ts';
import { adminRoute, type AdminRequest, type AdminRoute } from '../runtime/admin.ts';
import type { NodeAPI } from '../runtime/types.ts';
import { findStation, runningStations } from './lookup.ts';

interface Reason {
  reason: string;
}

export const reason = { type: 'string', minLength: 3, maxLength: 200 } as const;
const threshold = { type: 'number' } as const;
const defectClass = { type: 'string', minLength: 1, maxLength: 60 } as const;
const MAX_ROWS = 500;
const DECISIONS: readonly Decision[] = ['accept', 'review', 'reject'];
const TRUTHS: readonly Truth[] = ['good', 'defect'];

/** A body with these properties and no others; `reason` is always among them. */
function body(
  properties: Record<string, { type: string; enum?: readonly string[] }> = {},
  required: string[] = [],
): object {
  return {
    type: 'object',
    properties: { reason, ...properties },
    required: ['reason', ...required],
    additionalProperties: false,
  };
}

/** How many commands are looked through for some whose effect nobody has seen. */
const LATELY = 100;

function summary(station: StationControl): Record<string, unknown> {
  const { id, name, line, autonomy, mode, defaultDeadlineMs, armingPolicy, leaseMs } = station;
  return {
    id,
    name,
    line,
    autonomy,
    mode,
    defaultDeadlineMs,
    armingPolicy,
    leaseMs,
    arming: station.arming(),
    overrides: station.overrides(),
    alarms: station.alarms.summary(),
  };
}

async function details(station: StationControl): Promise<Record<string, unknown>> {
  const journal = await station.journal();
  const lately = await journal.commands({ limit: LATELY });
  return {
    ...summary(station),
    concerns: station.concerns(),
    counts: await journal.counts(),
    tolerances: station.tolerances(),
    approvals: station.approvals(),
    targets: station.targets(),
    unknown: lately.filter(({ outcome }) => outcome === 'unknown').slice(-5),
  };
}

/** The query that {@link limitOf} reads, for people. */
export const LIMIT = { limit: `how many; 50 unless told, at most ${MAX_ROWS}` } as const;

/** How many rows are asked for, within bounds. */
export function limitOf(query: AdminRequest<unknown>['query']): number {
  const asked = Number(query['limit'] ?? 50);
  return Number.isInteger(asked) && asked > 0 ? Math.min(asked, MAX_ROWS) : 50;
}

/** What `?decision=review&unlabelled=true&after=17` asks for. */
function partQuery(query: AdminRequest<unknown>['query']): PartQuery {
  const asked: PartQuery = { limit: limitOf(query), unlabelled: query['unlabelled'] === 'true' };
  if (query['decision'] !== undefined) {
    const decision = DECISIONS.find((known) => known === query['decision']);
    if (decision === undefined) {
      throw new CodedError('BAD_REQUEST', `decision must be one of ${DECISIONS.join(', ')}`);
    }
    asked.decision = decision;
  }
  if (query['after'] !== undefined) {
    const after = Number(query['after']);
    if (!Number.isInteger(after)) throw new CodedError('BAD_REQUEST', 'after must be a whole number');
    asked.after = after;
  }
  return asked;
}

async function parts({ params, query }: AdminRequest<unknown>): Promise<unknown> {
  const asked = partQuery(query);
  const journal = await findStation(params['id'] ?? '').journal();
  return journal.parts(asked);
}

async function ledger({ params, query }: AdminRequest<unknown>): Promise<unknown> {
  const journal = await findStation(params['id'] ?? '').journal();
  return journal.ledger({ limit: limitOf(query) });
}

export function registerStationRoutes(RED: NodeAPI): void {
  const read = { method: 'get', permission: 'jidoka.read' } as const;
  adminRoute(RED, {
    ...read,
    summary: 'Lists the running stations, each with its mode, arming, endpoints run by hand and alarm counts',
    path: '/jidoka/stations',
    handle: () => runningStations().map(summary),
  });
  adminRoute(RED, {
    ...read,
    summary:
      'Tells of one station, beside what the list has, its concerns, counts, tolerances, waiting approvals, outputs that ' +
      'can be commanded, and late commands of unknown outcome',
    path: '/jidoka/stations/:id',
    handle: ({ params }) => details(findStation(params['id'] ?? '')),
  });
  adminRoute(RED, {
    ...read,
    summary: 'Lists the newest parts with their inspections, newest last',
    query: {
      ...LIMIT,
      decision: `only parts with this one: ${DECISIONS.join(', ')}`,
      unlabelled: 'true: only parts that nobody has labelled',
      after: 'a rowId: the parts recorded next after that one',
    },
    path: '/jidoka/stations/:id/parts',
    handle: parts,
  });
  // Who did what: not for everybody who may look at parts.
  adminRoute(RED, {
    ...read,
    summary: 'Lists the newest records of the ledger, newest last: who did what, when and why',
    query: LIMIT,
    permission: 'jidoka.audit',
    path: '/jidoka/stations/:id/ledger',
    handle: ledger,
  });

  /** A POST of a signed-in person. */
  function act<Body extends Reason>(
    route: Pick<AdminRoute<Body>, 'summary' | 'permission'> & { verb: string; schema: object },
    handle: (
      station: StationControl,
      request: Body & { actor: string },
      params: AdminRequest<Body>['params'],
    ) => unknown,
  ): void {
    const { verb, ...asked } = route;
    adminRoute<Body>(RED, {
      ...asked,
      method: 'post',
      path: `/jidoka/stations/:id/${verb}`,
      requiresPerson: true,
      handle: ({ params, body: given, actor }) =>
        handle(findStation(params['id'] ?? ''), { ...given, actor }, params),
    });
  }

  const answersArming = 'answers with the arming';
  act<Reason & { leaseMs?: number }>(
    {
      verb: 'arm',
      summary: `Arms the station, or asks a second person to agree where two have to; ${answersArming}`,
      permission: 'plc.arm',
      schema: body({ leaseMs: { type: 'number' } }),
    },
    (station, request) => station.arm(request),
  );
  act(
    {
      verb: 'arm/approve',
      summary: `Agrees to arming the station, as the second person; ${answersArming}`,
      permission: 'plc.approve',
      schema: body(),
    },
    (station, request) => station.approveArming(request),
  );
  act(
    {
      verb: 'arm/withdraw',
      summary: `Takes back the request to arm that waits for a second person; ${answersArming}`,
      permission: 'plc.arm',
      schema: body(),
    },
    (station, request) => station.withdrawArming(request),
  );
  act(
    {
      verb: 'disarm',
      summary: `Disarms the station at once; ${answersArming}`,
      permission: 'plc.disarm',
      schema: body(),
    },
    (station, request) => station.disarm(request),
  );
  act(
    {
      verb: 'trip',
      summary: `Latches the station until a reset and lets its outputs fall back; ${answersArming}`,
      permission: 'plc.disarm',
      schema: body(),
    },
    (station, request) => station.tripBy(request),
  );
  act(
    {
      verb: 'reset',
      summary: `Unlatches a tripped station whose cause is gone, into DISARMED and mode NORMAL; ${answersArming}`,
      permission: 'plc.reset',
      schema: body(),
    },
    (station, request) => station.reset(request),
  );
  // It arms, so it asks for what arming asks for.
  act<Reason & { threshold?: number }>(
    {
      verb: 'release',
      summary:
        'Lets run again what was halted, after moving the threshold where one is given and arming where one person ' +
        `may; ${answersArming}`,
      permission: ['plc.arm', 'plc.reset'],
      schema: body({ threshold }),
    },
    (station, request) => station.release(request),
  );
  act<Reason & { threshold: number }>(
    {
      verb: 'tolerance',
      summary: `Moves the threshold of every gate, within their bounds, and disarms; ${answersArming}`,
      permission: 'gate.tolerance',
      schema: body({ threshold }, ['threshold']),
    },
    (station, request) => station.setTolerance(request),
  );
  act<Reason & { alphaPercent?: number; confidencePercent?: number; reviewsPerHour?: number }>(
    {
      verb: 'gates/:gate/settings',
      summary: `Changes settings of one gate, by its id or name, within their bounds, and disarms; ${answersArming}`,
      permission: 'gate.tolerance',
      schema: body({
        alphaPercent: { type: 'number' },
        confidencePercent: { type: 'number' },
        reviewsPerHour: { type: 'number' },
      }),
    },
    (station, { actor, reason: why, alphaPercent, confidencePercent, reviewsPerHour }, params) =>
      station.setGate({
        gate: params['gate'] ?? '',
        actor,
        reason: why,
        change: {
          ...(alphaPercent === undefined ? {} : { alpha: alphaPercent / 100 }),
          ...(confidencePercent === undefined ? {} : { delta: (100 - confidencePercent) / 100 }),
          ...(reviewsPerHour === undefined ? {} : { reviewsPerHour }),
        },
      }),
  );
  act<Reason & { truth: Truth; defectClass?: string }>(
    {
      verb: 'parts/:partId/label',
      summary:
        'Keeps what a person found a part to be; answers with the label, or with what was proposed where two have to agree',
      permission: 'gate.label',
      schema: body({ truth: { type: 'string', enum: TRUTHS }, defectClass }, ['truth']),
    },
    (station, { truth, defectClass: named, actor, reason: why }, params) =>
      station.label({
        partId: params['partId'] ?? '',
        truth,
        ...(named === undefined ? {} : { defectClass: named }),
        actor,
        reason: why,
      }),
  );
  act(
    {
      verb: 'commands/:commandId/confirm',
      summary: `Says yes to a command that waits for a person; ${answersArming}`,
      permission: 'plc.approve',
      schema: body(),
    },
    async (station, request, params) => {
      await station.approve(params['commandId'] ?? '', request);
      return station.arming();
    },
  );
}
