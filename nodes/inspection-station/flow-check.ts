/** The route behind the editor's “Check flows”: what `jidoka lint` says, of the flows as they are in the editor. */
import { CodedError } from '../../lib/errors.ts';
import { checkFlow } from '../../lib/flow/check.ts';
import { adminRoute } from '../runtime/admin.ts';
import type { NodeAPI } from '../runtime/types.ts';

/** The flows of a plant with a hundred stations; more would hold up the event loop for too long. */
const MAX_FLOW_BYTES = 4 * 1024 * 1024;

function parsed(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString('utf8')) as unknown;
  } catch (error) {
    throw new CodedError('BAD_REQUEST', 'the flows are not JSON', { cause: error });
  }
}

export function registerFlowCheck(RED: NodeAPI): void {
  adminRoute<Buffer>(RED, {
    summary:
      'Looks through flows, sent as JSON, for what would go wrong unseen; answers with the findings, errors first',
    method: 'post',
    path: '/jidoka/flow-check',
    permission: 'flows.read',
    file: { maxBytes: MAX_FLOW_BYTES },
    handle: ({ body }) => checkFlow(parsed(body)),
  });
}
