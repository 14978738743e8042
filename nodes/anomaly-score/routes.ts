/**
 * Admin routes of the taught models: what a node was taught, what it makes of parts, and what a person may
 * change about it. Reading asks for `model.read`; whatever changes the model for `model.teach`, a
 * signed-in person and a reason, and is in the ledger.
 */
import { CodedError } from '../../lib/errors.ts';
import { adminRoute, type AdminRequest } from '../runtime/admin.ts';
import { ConfigReader } from '../runtime/config.ts';
import type { Node, NodeAPI, RawConfig } from '../runtime/types.ts';
import { lessonCost } from './lesson-cost.ts';
import type { By } from './model-keeper.ts';
import type { PartSize, PicturePanel, RecentPicture } from './picture-panel.ts';

const PATH = '/jidoka/anomaly/:node';

/** What a deployed node of this type lets others see. */
export interface PanelNode extends Node {
  panel?: PicturePanel;
}

interface Reason {
  reason: string;
}

const reason = { type: 'string', minLength: 3, maxLength: 200 } as const;
const folder = { type: 'string', minLength: 1, maxLength: 1000 } as const;
const version = { type: 'integer', minimum: 1 } as const;
const ids = (pattern: object): object => ({
  type: 'array',
  minItems: 1,
  maxItems: 200,
  items: { type: 'string', ...pattern },
});
const typed = { type: 'string', maxLength: 20 } as const;
const SIZE_FIELDS = {
  tiles: { type: 'boolean' },
  ...{ resolution: typed, tileWidth: typed, tileHeight: typed, tileSide: typed, tileOverlap: typed },
};
const SIZES: readonly PartSize[] = ['picture', 'large'];
const PICTURES: readonly RecentPicture[] = ['frame', 'heatmap', 'explanation'];

/** A body with exactly these properties. */
function body(properties: Record<string, object>): object {
  return { type: 'object', properties, required: Object.keys(properties), additionalProperties: false };
}

export function anomalyRoutes(RED: NodeAPI): void {
  const panelIn = (id = ''): PicturePanel | undefined => (RED.nodes.getNode(id) as PanelNode | null)?.panel;
  const panelOf = ({ params }: Pick<AdminRequest<unknown>, 'params'>): PicturePanel => {
    const panel = panelIn(params['node']);
    if (panel === undefined) throw new CodedError('NOT_FOUND', 'no node is deployed under this id');
    return panel;
  };
  const read = { method: 'get', permission: 'model.read' } as const;

  adminRoute(RED, {
    ...read,
    path: `${PATH}/state`,
    // a node that is not deployed yet is nothing to complain about
    handle: ({ params, response }) => {
      response.set('Cache-Control', 'no-store');
      const panel = panelIn(params['node']);
      return panel === undefined ? { deployed: false } : { deployed: true, ...panel.state() };
    },
  });
  adminRoute(RED, { ...read, path: `${PATH}/versions`, handle: (request) => panelOf(request).versions() });
  adminRoute(RED, {
    ...read,
    path: `${PATH}/parts`,
    handle: (request) => {
      const from = Number(request.query['from'] ?? 0);
      return panelOf(request).parts(Number.isInteger(from) && from > 0 ? from : 0);
    },
  });
  adminRoute(RED, {
    ...read,
    path: `${PATH}/parts/:part/:size`,
    handle: async (request) => {
      const size = SIZES.find((known) => known === request.params['size']);
      if (size === undefined) throw new CodedError('NOT_FOUND', 'there is no such picture');
      const picture = await panelOf(request).partPicture(request.params['part'] ?? '', size);
      // the id says what is on it
      request.response.set('Cache-Control', 'private, max-age=86400').type('image/jpeg').send(picture);
    },
  });
  adminRoute(RED, {
    ...read,
    path: `${PATH}/recent/:part/:picture`,
    handle: async (request) => {
      const kind = PICTURES.find((known) => known === request.params['picture']);
      if (kind === undefined) throw new CodedError('NOT_FOUND', 'there is no such picture');
      const picture = await panelOf(request).recentPicture(request.params['part'] ?? '', kind);
      request.response.set('Cache-Control', 'no-store').type('image/jpeg').send(picture);
    },
  });
  // Of what is being typed: the node need not be deployed.
  adminRoute<RawConfig>(RED, {
    method: 'post',
    path: `${PATH}/cost`,
    permission: 'model.read',
    schema: { type: 'object', properties: SIZE_FIELDS, additionalProperties: false },
    handle: ({ body: typed }) => lessonCost(new ConfigReader(typed)),
  });
  // Reads any folder of the gateway, and takes its time.
  adminRoute<{ folder: string }>(RED, {
    method: 'post',
    path: `${PATH}/check`,
    permission: 'model.teach',
    schema: body({ folder }),
    handle: (request) => panelOf(request).check(request.body.folder),
  });

  /** A POST of a signed-in person that changes the model. */
  function act<Body extends object>(
    verb: string,
    properties: Record<keyof Body, object>,
    handle: (panel: PicturePanel, asked: Body, by: By) => unknown,
  ): void {
    adminRoute<Body & Reason>(RED, {
      method: 'post',
      path: `${PATH}/${verb}`,
      permission: 'model.teach',
      requiresPerson: true,
      schema: body({ reason, ...properties }),
      handle: async (request) => {
        const { body: asked, actor } = request;
        return (await handle(panelOf(request), asked, { actor, reason: asked.reason })) ?? {};
      },
    });
  }

  act('teach', {}, (panel, _, by) => panel.teach(by));
  act('cancel', {}, (panel, _, by) => panel.cancel(by));
  act('learn', {}, (panel, _, by) => panel.learn(by));
  act<{ parts: string[] }>(
    'dismiss',
    { parts: ids({ minLength: 1, maxLength: 256 }) },
    (panel, { parts }, by) => panel.dismiss(parts, by),
  );
  act<{ parts: string[] }>('unteach', { parts: ids({ pattern: '^[0-9a-f]{64}$' }) }, (panel, { parts }, by) =>
    panel.unteach(parts, by),
  );
  act<{ version: number }>('rollback', { version }, (panel, asked, by) => panel.rollback(asked.version, by));
}
