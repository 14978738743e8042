/** What the admin routes of anomaly-score share. */
import { CodedError } from '../../lib/errors.ts';
import { adminRoute, type AdminRequest } from '../runtime/admin.ts';
import type { Node, NodeAPI } from '../runtime/types.ts';
import type { By } from './model-keeper.ts';
import type { PicturePanel } from './picture-panel.ts';

export const PATH = '/jidoka/anomaly/:node';

/** What a deployed node of this type lets others see. */
export interface PanelNode extends Node {
  panel?: PicturePanel;
}

interface Reason {
  reason: string;
}

const reason = { type: 'string', minLength: 3, maxLength: 200 } as const;
export const folder = { type: 'string', minLength: 1, maxLength: 1000 } as const;
export const read = { method: 'get', permission: 'model.read' } as const;

export const ids = (pattern: object): object => ({
  type: 'array',
  minItems: 1,
  maxItems: 200,
  items: { type: 'string', ...pattern },
});

/** A body with exactly these properties. */
export function body(properties: Record<string, object>): object {
  return { type: 'object', properties, required: Object.keys(properties), additionalProperties: false };
}

/** Of a node that is deployed. */
export function panelIn(RED: NodeAPI, id = ''): PicturePanel | undefined {
  return (RED.nodes.getNode(id) as PanelNode | null)?.panel;
}

/** Throws `NOT_FOUND`. */
export function panelOf(RED: NodeAPI, { params }: Pick<AdminRequest<unknown>, 'params'>): PicturePanel {
  const panel = panelIn(RED, params['node']);
  if (panel === undefined) throw new CodedError('NOT_FOUND', 'no node is deployed under this id');
  return panel;
}

export interface Act<Body> {
  verb: string;
  summary: string;
  /** Of the body, beside its reason. */
  properties: Record<keyof Body, object>;
}

/** A POST of a signed-in person, with a reason. */
export function act<Body extends object>(
  RED: NodeAPI,
  { verb, summary, properties }: Act<Body>,
  handle: (panel: PicturePanel, asked: Body, by: By) => unknown,
): void {
  adminRoute<Body & Reason>(RED, {
    summary,
    method: 'post',
    path: `${PATH}/${verb}`,
    permission: 'model.teach',
    requiresPerson: true,
    schema: body({ reason, ...properties }),
    handle: async (request) => {
      const { body: asked, actor } = request;
      return (await handle(panelOf(RED, request), asked, { actor, reason: asked.reason })) ?? {};
    },
  });
}
