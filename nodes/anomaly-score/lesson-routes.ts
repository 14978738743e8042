/**
 * Admin routes of the teach wizard, step by step: collect, look through, teach, shadow, go. The page on the
 * dashboard and the dialog use the same.
 */
import { adminRoute, type AdminRequest } from '../runtime/admin.ts';
import type { NodeAPI } from '../runtime/types.ts';
import type { By } from './model-keeper.ts';
import type { PicturePanel } from './picture-panel.ts';
import { act, body, folder, ids, PATH, panelOf, read } from './route-kit.ts';
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
    verb: string,
    properties: Record<keyof Body, object>,
    handle: (wizard: TeachWizard, asked: Body, by: By) => unknown,
  ): void =>
    act<Body>(RED, verb, properties, (panel: PicturePanel, asked, by) => handle(panel.wizard, asked, by));

  adminRoute(RED, {
    ...read,
    path: `${PATH}/lesson/parts`,
    handle: (request) => {
      const from = Number(request.query['from'] ?? 0);
      return wizardOf(request).lessonParts(Number.isInteger(from) && from > 0 ? from : 0);
    },
  });
  adminRoute(RED, {
    ...read,
    path: `${PATH}/candidate/parts/:part`,
    handle: async (request) => {
      const picture = await wizardOf(request).shadowPicture(request.params['part'] ?? '');
      request.response.set('Cache-Control', 'no-store').type('image/jpeg').send(picture);
    },
  });
  // A tap on a thumbnail needs no reason; who it was is kept with the part.
  adminRoute<Choice>(RED, {
    method: 'post',
    path: `${PATH}/lesson/choose`,
    permission: 'model.teach',
    requiresPerson: true,
    schema: body({ parts: PART_IDS, out: { type: 'boolean' } }),
    handle: (request) => wizardOf(request).choose(request.body.parts, request.body.out, request.actor),
  });

  step<{ parts: number }>(
    'lesson/line',
    { parts: { type: 'integer', minimum: 1, maximum: 1000 } },
    (wizard, { parts }, by) => wizard.fromLine(parts, by),
  );
  step<{ folder: string }>('lesson/folder', { folder }, (wizard, asked, by) =>
    wizard.fromFolder(asked.folder, by),
  );
  step('lesson/enough', {}, (wizard) => wizard.enough());
  step('lesson/teach', {}, (wizard, _, by) => wizard.teach(by));
  step('lesson/discard', {}, (wizard, _, by) => wizard.discard(by));
  step<{ parts: number; minutes: number }>(
    'candidate/shadow',
    {
      parts: { type: 'integer', minimum: 1, maximum: 100_000 },
      minutes: { type: 'integer', minimum: 0, maximum: MONTH_MINUTES },
    },
    (wizard, options, by) => wizard.startShadow(options, by),
  );
  step('candidate/end-shadow', {}, (wizard, _, by) => wizard.endShadow(by));
  step('candidate/serve', {}, (wizard, _, by) => wizard.serve(by));
  step('candidate/drop', {}, (wizard, _, by) => wizard.drop(by));
}
