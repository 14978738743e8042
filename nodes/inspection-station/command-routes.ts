/**
 * The control API: a person or a program asks for one output, and the answer is what became of it. The body is
 * the truth; the status says the same to whoever looks no further, so that only what is confirmed looks like
 * success. Asking again with the same key never writes again, so a client or a proxy may repeat what timed out.
 */
import type { CommandOutcome } from '../../lib/inspection/inspection.ts';
import type { CommandAnswer } from '../../lib/station/requests.ts';
import { adminRoute } from '../runtime/admin.ts';
import type { NodeAPI } from '../runtime/types.ts';
import { findStation } from './lookup.ts';
import { LIMIT, limitOf, reason } from './routes.ts';

/** 502 and 504: the PLC behind this gateway did something else, or did not say what it did. */
const STATUS: Readonly<Record<CommandOutcome, number>> = {
  confirmed: 200,
  refused: 409,
  clamped: 502,
  unknown: 504,
};

/** Of an outcome that was unknown what reading has shown since, where that says it: a tag that shows the value has it. */
function statusOf({ outcome, settled }: Pick<CommandAnswer, 'outcome' | 'settled'>): number {
  return STATUS[settled?.outcome ?? (settled?.matches === true ? 'confirmed' : outcome)];
}

interface Order {
  target: string;
  value: boolean | number | string;
  reason: string;
}

const ORDER = {
  type: 'object',
  properties: {
    target: { type: 'string', minLength: 1, maxLength: 200 },
    value: { anyOf: [{ type: 'boolean' }, { type: 'number' }, { type: 'string', maxLength: 1000 }] },
    reason,
  },
  required: ['target', 'value', 'reason'],
  additionalProperties: false,
};

export function registerCommandRoutes(RED: NodeAPI): void {
  adminRoute<Order>(RED, {
    summary:
      'Commands one output and answers with what became of it; the status is 200 where it is confirmed, 409 refused, ' +
      '502 clamped, 504 unknown',
    headers: {
      'Idempotency-Key':
        '1 to 128 printable characters, new for each effect that is wanted; sent again, nothing is written again',
    },
    needs: ['Idempotency-Key'],
    method: 'post',
    path: '/jidoka/stations/:id/commands',
    permission: 'plc.command',
    requiresPerson: true,
    schema: ORDER,
    async handle({ params, body, actor, header, response }) {
      const gone = new AbortController();
      response.once('close', () => gone.abort());
      const { repeated, ...answer } = await findStation(params['id'] ?? '').command({
        ...body,
        actor,
        idempotencyKey: header('idempotency-key') ?? '',
        signal: gone.signal,
      });
      if (repeated) response.set('Idempotency-Replayed', 'true');
      response.status(statusOf(answer)).json(answer);
    },
  });
  adminRoute(RED, {
    summary: 'Lists the newest commands with their outcomes, newest last',
    query: LIMIT,
    method: 'get',
    path: '/jidoka/stations/:id/commands',
    permission: 'jidoka.read',
    handle: async ({ params, query }) =>
      (await findStation(params['id'] ?? '').journal()).commands({ limit: limitOf(query) }),
  });
  adminRoute(RED, {
    summary: 'Tells of one command what was to be written and what became of it, whoever asked for it',
    method: 'get',
    path: '/jidoka/stations/:id/commands/:commandId',
    permission: 'jidoka.read',
    handle: ({ params }) => findStation(params['id'] ?? '').commandRecord(params['commandId'] ?? ''),
  });
}
