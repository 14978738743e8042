/** What stands under a plc-write: the first thing that keeps it from writing, or that it may write. */
import { asCodedError } from '../../lib/errors.ts';
import type { FallbackDue } from '../../lib/plc/fallback.ts';
import type { StationControl } from '../../lib/station/station.ts';
import type { Status } from '../runtime/status.ts';
import type { PlcEndpoint } from '../plc-endpoint/endpoint.ts';

interface Problems {
  /** Code of what is wrong with a tag. */
  tag: string | undefined;
  /** The last command was one too many in its minute. */
  limited: boolean;
  /** Why the defined output took the place of decisions. */
  due: FallbackDue | null;
}

export function showBadge(
  status: Status,
  endpoint: PlcEndpoint,
  station: StationControl,
  { tag, limited, due }: Problems,
): void {
  const { id, dryRun } = endpoint.engine;
  const link = endpoint.link();
  const { state } = station.arming();
  if (state === 'TRIPPED' || state === 'LOCKED_OUT') status.show('failed', 'tripped');
  else if (link.state === 'failed') status.fail(asCodedError(link.error).code);
  else if (link.state !== 'up') status.show('degraded', 'offline');
  else if (tag !== undefined) status.fail(tag);
  else if (station.overrides().some((other) => other.endpointId === id)) status.show('degraded', 'manual');
  else if (limited) status.show('degraded', 'limited');
  else if (state !== 'ARMED') status.show('disabled', 'disarmed');
  else if (due !== null) status.show('degraded', 'noInput');
  else if (dryRun) status.show('working', 'dryRun');
  else status.show('ready', 'armed');
}
