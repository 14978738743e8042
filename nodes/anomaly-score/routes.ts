/**
 * Admin routes of the taught models: what a node was taught, what it makes of parts, and what a person may
 * change about it. Reading asks for `model.read`; whatever changes the model for `model.teach`, a
 * signed-in person and a reason, and is in the ledger.
 */
import { CodedError } from '../../lib/errors.ts';
import { adminRoute } from '../runtime/admin.ts';
import { ConfigReader } from '../runtime/config.ts';
import type { NodeAPI, RawConfig } from '../runtime/types.ts';
import { lessonCost } from './lesson-cost.ts';
import { lessonRoutes } from './lesson-routes.ts';
import type { PartSize, RecentPicture } from './picture-panel.ts';
import { act, body, folder, ids, panelIn, panelOf, PATH, read } from './route-kit.ts';

const version = { type: 'integer', minimum: 1 } as const;
const typed = { type: 'string', maxLength: 20 } as const;
const SIZE_FIELDS = {
  tiles: { type: 'boolean' },
  ...{ resolution: typed, tileWidth: typed, tileHeight: typed, tileSide: typed, tileOverlap: typed },
};
const SIZES: readonly PartSize[] = ['picture', 'large'];
const PICTURES: readonly RecentPicture[] = ['frame', 'heatmap', 'explanation'];

export function anomalyRoutes(RED: NodeAPI): void {
  lessonRoutes(RED);
  adminRoute(RED, {
    ...read,
    summary:
      'Tells what a node is at, which model serves, what waits to be learnt, and where a lesson and a candidate stand',
    path: `${PATH}/state`,
    // a node that is not deployed yet is nothing to complain about
    handle: ({ params, response }) => {
      response.set('Cache-Control', 'no-store');
      const panel = panelIn(RED, params['node']);
      return panel === undefined ? { deployed: false } : { deployed: true, ...panel.state() };
    },
  });
  adminRoute(RED, {
    ...read,
    summary:
      'Lists the versions of the model, newest first, with what each changed, and tells which one serves',
    path: `${PATH}/versions`,
    handle: (request) => panelOf(RED, request).versions(),
  });
  adminRoute(RED, {
    ...read,
    summary:
      'Lists the parts the model in service was made from, 60 at a time, known defects first, then the least usual',
    query: { from: 'how many to pass over' },
    path: `${PATH}/parts`,
    handle: (request) => {
      const from = Number(request.query['from'] ?? 0);
      return panelOf(RED, request).parts(Number.isInteger(from) && from > 0 ? from : 0);
    },
  });
  adminRoute(RED, {
    ...read,
    summary: 'Answers with a part of the model as JPEG; the size is picture or large',
    path: `${PATH}/parts/:part/:size`,
    handle: async (request) => {
      const size = SIZES.find((known) => known === request.params['size']);
      if (size === undefined) throw new CodedError('NOT_FOUND', 'there is no such picture');
      const picture = await panelOf(RED, request).partPicture(request.params['part'] ?? '', size);
      // the id says what is on it
      request.response.set('Cache-Control', 'private, max-age=86400').type('image/jpeg').send(picture);
    },
  });
  adminRoute(RED, {
    ...read,
    summary: 'Answers with a part scored lately, as JPEG; the picture is frame, heatmap or explanation',
    path: `${PATH}/recent/:part/:picture`,
    handle: async (request) => {
      const kind = PICTURES.find((known) => known === request.params['picture']);
      if (kind === undefined) throw new CodedError('NOT_FOUND', 'there is no such picture');
      const picture = await panelOf(RED, request).recentPicture(request.params['part'] ?? '', kind);
      request.response.set('Cache-Control', 'no-store').type('image/jpeg').send(picture);
    },
  });
  // Of what is being typed: the node need not be deployed.
  adminRoute<RawConfig>(RED, {
    method: 'post',
    summary:
      'Estimates for picture and tile sizes as typed how many tiles there are and how long a part takes',
    path: `${PATH}/cost`,
    permission: 'model.read',
    schema: { type: 'object', properties: SIZE_FIELDS, additionalProperties: false },
    handle: ({ body: typed }) => lessonCost(new ConfigReader(typed)),
  });
  // Reads any folder of the gateway, and takes its time.
  adminRoute<{ folder: string }>(RED, {
    method: 'post',
    summary:
      'Tells what would be pointed out about the pictures of a folder, such as duplicates; keeps nothing',
    path: `${PATH}/check`,
    permission: 'model.teach',
    schema: body({ folder }),
    handle: (request) => panelOf(RED, request).check(request.body.folder),
  });

  act(
    RED,
    { verb: 'teach', summary: 'Begins to teach a model as the node is configured', properties: {} },
    (panel, _, by) => panel.teach(by),
  );
  act(
    RED,
    {
      verb: 'cancel',
      summary: 'Gives up the teaching or change that is under way; the model in service goes on',
      properties: {},
    },
    (panel, _, by) => panel.cancel(by),
  );
  act(
    RED,
    {
      verb: 'learn',
      summary: 'Learns what waits, as a new version that goes into service; answers with its card',
      properties: {},
    },
    (panel, _, by) => panel.learn(by),
  );
  act<{ parts: string[] }>(
    RED,
    {
      verb: 'dismiss',
      summary: 'Takes parts off the list of what waits to be learnt',
      properties: { parts: ids({ minLength: 1, maxLength: 256 }) },
    },
    (panel, { parts }, by) => panel.dismiss(parts, by),
  );
  act<{ parts: string[] }>(
    RED,
    {
      verb: 'unteach',
      summary: 'Forgets parts, as a new version that goes into service; answers with its card',
      properties: { parts: ids({ pattern: '^[0-9a-f]{64}$' }) },
    },
    (panel, { parts }, by) => panel.unteach(parts, by),
  );
  act<{ version: number }>(
    RED,
    {
      verb: 'rollback',
      summary: 'Goes back to an older version, as a new one that goes into service; answers with its card',
      properties: { version },
    },
    (panel, asked, by) => panel.rollback(asked.version, by),
  );
}
