/**
 * What a person may ask of a station from a dashboard. Acting asks for a signed-in person and a
 * reason; the permissions end in no common scope (see `nodes/runtime/admin.ts`).
 */
import type { Decision } from '../../lib/inspection/inspection.ts';
import type { PartQuery, Truth } from '../../lib/journal/types.ts';
import { CodedError } from '../../lib/errors.ts';
import type { StationControl } from '../../lib/station/station.ts';
import { adminRoute, type AdminRequest } from '../runtime/admin.ts';
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
  adminRoute(RED, { ...read, path: '/jidoka/stations', handle: () => runningStations().map(summary) });
  adminRoute(RED, {
    ...read,
    path: '/jidoka/stations/:id',
    handle: ({ params }) => details(findStation(params['id'] ?? '')),
  });
  adminRoute(RED, { ...read, path: '/jidoka/stations/:id/parts', handle: parts });
  // Who did what: not for everybody who may look at parts.
  adminRoute(RED, {
    ...read,
    permission: 'jidoka.audit',
    path: '/jidoka/stations/:id/ledger',
    handle: ledger,
  });

  /** A POST of a signed-in person; answers with the arming that results. */
  function act<Body extends Reason>(
    verb: string,
    permission: string | readonly string[],
    schema: object,
    handle: (
      station: StationControl,
      request: Body & { actor: string },
      params: AdminRequest<Body>['params'],
    ) => unknown,
  ): void {
    adminRoute<Body>(RED, {
      method: 'post',
      path: `/jidoka/stations/:id/${verb}`,
      permission,
      requiresPerson: true,
      schema,
      handle: ({ params, body: asked, actor }) =>
        handle(findStation(params['id'] ?? ''), { ...asked, actor }, params),
    });
  }

  act<Reason & { leaseMs?: number }>(
    'arm',
    'plc.arm',
    body({ leaseMs: { type: 'number' } }),
    (station, request) => station.arm(request),
  );
  act('arm/approve', 'plc.approve', body(), (station, request) => station.approveArming(request));
  act('arm/withdraw', 'plc.arm', body(), (station, request) => station.withdrawArming(request));
  act('disarm', 'plc.disarm', body(), (station, request) => station.disarm(request));
  act('trip', 'plc.disarm', body(), (station, request) => station.tripBy(request));
  act('reset', 'plc.reset', body(), (station, request) => station.reset(request));
  // It arms, so it asks for what arming asks for.
  act<Reason & { threshold?: number }>(
    'release',
    ['plc.arm', 'plc.reset'],
    body({ threshold }),
    (station, request) => station.release(request),
  );
  act<Reason & { threshold: number }>(
    'tolerance',
    'gate.tolerance',
    body({ threshold }, ['threshold']),
    (station, request) => station.setTolerance(request),
  );
  act<Reason & { alphaPercent?: number; confidencePercent?: number; reviewsPerHour?: number }>(
    'gates/:gate/settings',
    'gate.tolerance',
    body({
      alphaPercent: { type: 'number' },
      confidencePercent: { type: 'number' },
      reviewsPerHour: { type: 'number' },
    }),
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
    'parts/:partId/label',
    'gate.label',
    body({ truth: { type: 'string', enum: TRUTHS }, defectClass }, ['truth']),
    (station, { truth, defectClass: named, actor, reason: why }, params) =>
      station.label({
        partId: params['partId'] ?? '',
        truth,
        ...(named === undefined ? {} : { defectClass: named }),
        actor,
        reason: why,
      }),
  );
  act('commands/:commandId/confirm', 'plc.approve', body(), async (station, request, params) => {
    await station.approve(params['commandId'] ?? '', request);
    return station.arming();
  });
}
