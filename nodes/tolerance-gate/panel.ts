/** What the dialog shows of a running gate, and the route it asks for it. */
import { histogram } from '../../lib/gate/histogram.ts';
import { partsNeeded } from '../../lib/gate/budget.ts';
import { StationError } from '../../lib/station/errors.ts';
import type { Station } from '../../lib/station/types.ts';
import { adminRoute } from '../runtime/admin.ts';
import type { NodeAPI } from '../runtime/types.ts';
import type { Config } from './config.ts';
import type { GateKeeper } from './keeper.ts';

const BARS = 32;

interface RunningGate {
  config: Config;
  keeper: GateKeeper;
  station: Station | undefined;
}

const running = new Map<string, RunningGate>();

/** Makes a gate known to the route under the id of its node; returns the way to withdraw it. */
export function announceGate(id: string, gate: RunningGate): () => void {
  running.set(id, gate);
  return () => {
    // A redeploy may have put its successor there already.
    if (running.get(id) === gate) running.delete(id);
  };
}

function panelOf({ config, keeper, station }: RunningGate): object {
  const { scores, missing } = keeper.goodParts;
  const { capacity } = keeper;
  return {
    kind: config.rule.kind,
    station: station === undefined ? null : { id: station.id, mode: station.mode },
    concerns: keeper.concerns,
    goodParts: scores.length,
    needed: partsNeeded(keeper.settings.settings),
    missing,
    limits: keeper.limits?.limits ?? null,
    tolerance: keeper.tolerance(),
    settings: keeper.settings.view,
    histogram: histogram(scores, BARS) ?? null,
    recent: keeper.recent,
    realised: keeper.realised() ?? null,
    capacity:
      capacity === undefined
        ? null
        : {
            reviewsInHour: capacity.reviewsInHour(),
            isOver: capacity.isOver,
            partsPerHour: capacity.partsPerHour() ?? null,
            band: capacity.band,
          },
  };
}

export function registerGateRoutes(RED: NodeAPI): void {
  adminRoute(RED, {
    summary:
      'Tells how a running gate stands: its limits, tolerance, settings, scores of good parts, newest verdicts, realised ' +
      'rate and review capacity',
    method: 'get',
    path: '/jidoka/gates/:id',
    permission: 'jidoka.read',
    handle: ({ params }) => {
      const gate = running.get(params['id'] ?? '');
      if (gate === undefined) throw new StationError('NOT_FOUND', 'this gate is not deployed');
      return panelOf(gate);
    },
  });
}
