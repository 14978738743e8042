/**
 * Admin routes of the teach wizard, step by step: collect, look through, teach, shadow, go. The page on the
 * dashboard and the dialog use the same.
 */
import { adminRoute, type AdminRequest } from '../runtime/admin.ts';
import type { NodeAPI } from '../runtime/types.ts';
import type { By } from './model-keeper.ts';
import type { PicturePanel } from './picture-panel.ts';
import { act, body, folder, ids, PATH, panelOf, read, type Act } from './route-kit.ts';
import type { TeachWizard } from './teach-wizard.ts';

const PART_IDS = ids({ pattern: '^[0-9a-f]{64}$' });
const MONTH_MINUTES = 31 * 24 * 60;

interface Choice {
  parts: string[];
  out: boolean;
}

export function lessonRoutes(RED: NodeAPI): void {
  const wizardOf = (request: Pick<AdminRequest<unknown>, 'params'>): TeachWizard =>
    panelOf(RED, request).wizard;
  const step = <Body extends object>(
    route: Act<Body>,
    handle: (wizard: TeachWizard, asked: Body, by: By) => unknown,
  ): void => act<Body>(RED, route, (panel: PicturePanel, asked, by) => handle(panel.wizard, asked, by));

  adminRoute(RED, {
    ...read,
    summary: 'Lists the parts collected for the lesson, 60 at a time, those that were pointed out first',
    query: { from: 'how many to pass over' },
    path: `${PATH}/lesson/parts`,
    handle: (request) => {
      const from = Number(request.query['from'] ?? 0);
      return wizardOf(request).lessonParts(Number.isInteger(from) && from > 0 ? from : 0);
    },
  });
  adminRoute(RED, {
    ...read,
    summary: 'Answers with a part on which the candidate and the model in service differ, as JPEG',
    path: `${PATH}/candidate/parts/:part`,
    handle: async (request) => {
      const picture = await wizardOf(request).shadowPicture(request.params['part'] ?? '');
      request.response.set('Cache-Control', 'no-store').type('image/jpeg').send(picture);
    },
  });
  // A tap on a thumbnail needs no reason; who it was is kept with the part.
  adminRoute<Choice>(RED, {
    method: 'post',
    summary: 'Leaves parts out of the lesson or takes them in again; answers with the lesson',
    path: `${PATH}/lesson/choose`,
    permission: 'model.teach',
    requiresPerson: true,
    schema: body({ parts: PART_IDS, out: { type: 'boolean' } }),
    handle: (request) => wizardOf(request).choose(request.body.parts, request.body.out, request.actor),
  });

  step<{ parts: number }>(
    {
      verb: 'lesson/line',
      summary: 'Begins to collect so many parts more from the line; answers with the lesson',
      properties: { parts: { type: 'integer', minimum: 1, maximum: 1000 } },
    },
    (wizard, { parts }, by) => wizard.fromLine(parts, by),
  );
  step<{ folder: string }>(
    {
      verb: 'lesson/folder',
      summary: 'Begins to collect the pictures of a folder of the gateway; answers with the lesson',
      properties: { folder },
    },
    (wizard, asked, by) => wizard.fromFolder(asked.folder, by),
  );
  step(
    { verb: 'lesson/enough', summary: 'Ends collecting with the parts there are', properties: {} },
    (wizard) => wizard.enough(),
  );
  step(
    {
      verb: 'lesson/teach',
      summary: 'Begins to teach a candidate from the parts left in, in place of the one before',
      properties: {},
    },
    (wizard, _, by) => wizard.teach(by),
  );
  step(
    {
      verb: 'lesson/discard',
      summary: 'Gives up the lesson and the candidate taught from it',
      properties: {},
    },
    (wizard, _, by) => wizard.discard(by),
  );
  step<{ parts: number; minutes: number }>(
    {
      verb: 'candidate/shadow',
      summary:
        'Lets the candidate score beside the model in service, without effect, for so many parts or minutes (0: no limit)',
      properties: {
        parts: { type: 'integer', minimum: 1, maximum: 100_000 },
        minutes: { type: 'integer', minimum: 0, maximum: MONTH_MINUTES },
      },
    },
    (wizard, options, by) => wizard.startShadow(options, by),
  );
  step(
    { verb: 'candidate/end-shadow', summary: 'Ends scoring beside the model in service', properties: {} },
    (wizard, _, by) => wizard.endShadow(by),
  );
  step(
    {
      verb: 'candidate/serve',
      summary: 'Begins to put the candidate into service as a new version',
      properties: {},
    },
    (wizard, _, by) => wizard.serve(by),
  );
  step(
    {
      verb: 'candidate/drop',
      summary: 'Drops the candidate; the lesson it was taught from stays',
      properties: {},
    },
    (wizard, _, by) => wizard.drop(by),
  );
}
