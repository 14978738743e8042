/** What the nodes of a station do alike: find it, open a part, put the part on record. */
import { asCodedError } from '../../lib/errors.ts';
import { openInspection, type Inspection, type NewPart } from '../../lib/inspection/inspection.ts';
import type { StationControl } from '../../lib/station/station.ts';
import type { Station } from '../../lib/station/types.ts';
import { ConfigError } from './config.ts';
import type { NodeContext } from './register.ts';
import type { Message, NodeAPI } from './types.ts';

/** The service a config node carries under `property`; throws ConfigError where it is not there. */
export function serviceOf(RED: NodeAPI, id: string, property: string, field: string): unknown {
  const owner = RED.nodes.getNode(id) as unknown as Record<string, unknown> | null;
  const service = owner?.[property];
  if (service === undefined) throw new ConfigError(field, 'is not there or is disabled; choose another one');
  return service;
}

export function stationOf(RED: NodeAPI, id: string): StationControl {
  return serviceOf(RED, id, 'station', 'station') as StationControl;
}

/** A node that was deployed may act otherwise than the one a person has armed: somebody has to arm anew. */
export function disarmForDeployed(name: string, station: Station | undefined): void {
  // Also while it is disarmed: somebody may be arming it at this moment.
  void station?.disarm({ actor: 'system', reason: `${name} was deployed` });
}

/** What a model says that is not what it was packed or taught as: somebody or something has changed it. */
const CHANGED = new Set(['MODEL_DIGEST_MISMATCH', 'BUNDLE_INVALID']);

/** A model whose digest does not hold: nobody acts on what judges beside it until a person has looked. */
export function standDownForChanged(station: Station | undefined, error: unknown): void {
  const { code, message } = asCodedError(error);
  if (CHANGED.has(code)) station?.standDown({ code, message });
}

export type OpenPart = (part?: Partial<Pick<NewPart, 'id' | 'deadlineMs'>>) => Promise<Inspection>;

/** Opens parts of a station, or parts that are counted by this node alone and have no deadline. */
export function partOpener(station: Station | undefined): OpenPart {
  let sequence = 0;
  return (part = {}) => {
    if (station !== undefined) return station.nextPart(part);
    sequence += 1;
    return Promise.resolve(
      openInspection({ station: '', sequence, deadlineMs: Number.MAX_SAFE_INTEGER, ...part }),
    );
  };
}

/** Puts the part on record without holding it up; a journal that fails is reported with the message. */
export function recordPart(
  context: Pick<NodeContext<unknown>, 'fail'>,
  station: Station | undefined,
  message: Message & { inspection: Inspection },
): void {
  station
    ?.journal()
    .then((journal) => journal.recordPart(message.inspection))
    .catch((error: unknown) => {
      context.fail(error, message);
    });
}
