/**
 * The alarms of a station, for the side bar and the dashboard: with what each means, in the language asked for,
 * so that no page has texts of its own. Taking one out of service is for maintenance, not for operators.
 */
import { alarmText } from '../../lib/station/alarms/alarm-text.ts';
import { alarmHistory } from '../../lib/station/alarms/history.ts';
import type { AlarmText } from '../../lib/station/alarms/catalogue.ts';
import type { AlarmView } from '../../lib/station/alarms/types.ts';
import type { StationControl } from '../../lib/station/station.ts';
import { adminRoute, type AdminRequest } from '../runtime/admin.ts';
import type { NodeAPI } from '../runtime/types.ts';
import { findStation } from './lookup.ts';
import { limitOf, reason } from './routes.ts';

/** As far as the schema of the route asks for it. */
interface Asked {
  reason: string;
  minutes: number;
}

/** As `?language=de` says, else the browser. */
function languageOf({ query, header }: Pick<AdminRequest<unknown>, 'query' | 'header'>): string {
  const asked = query['language'];
  return typeof asked === 'string' ? asked : (header('accept-language') ?? '');
}

function described(view: AlarmView, language: string): AlarmView & AlarmText {
  return { ...view, ...alarmText(view.code, language) };
}

export function registerAlarmRoutes(RED: NodeAPI): void {
  const path = '/jidoka/stations/:id/alarms';
  adminRoute(RED, {
    method: 'get',
    path,
    permission: 'jidoka.read',
    handle: (request) => {
      const { name, alarms } = findStation(request.params['id'] ?? '');
      const language = languageOf(request);
      return {
        station: name,
        summary: alarms.summary(),
        alarms: alarms.views().map((view) => described(view, language)),
      };
    },
  });
  adminRoute(RED, {
    method: 'get',
    path: `${path}/history`,
    permission: 'jidoka.audit',
    handle: async ({ params, query }) =>
      alarmHistory(await findStation(params['id'] ?? '').journal(), limitOf(query)),
  });

  /** A POST of a signed-in person; answers with the alarm as it is then. */
  function act(
    verb: string,
    permission: string,
    schema: object,
    handle: (
      alarms: StationControl['alarms'],
      key: string,
      request: Asked & { actor: string },
    ) => AlarmView | Promise<AlarmView>,
  ): void {
    adminRoute<Asked>(RED, {
      method: 'post',
      path: `${path}/:key/${verb}`,
      permission,
      requiresPerson: true,
      schema,
      handle: async (request) => {
        const { params, body, actor } = request;
        const { alarms } = findStation(params['id'] ?? '');
        const view = await handle(alarms, params['key'] ?? '', { ...body, actor });
        return described(view, languageOf(request));
      },
    });
  }

  /** Having seen something needs no reason. */
  const optional = { type: 'object', properties: { reason }, additionalProperties: false };
  const needed = { ...optional, required: ['reason'] };
  const timed = {
    ...needed,
    properties: { reason, minutes: { type: 'number' } },
    required: ['reason', 'minutes'],
  };
  const person = 'station.alarms';
  const maintain = 'station.alarms.maintain';
  act('acknowledge', person, optional, (alarms, key, by) => alarms.acknowledge(key, by));
  act('reset', person, needed, (alarms, key, by) => alarms.reset(key, by));
  act('shelve', person, timed, (alarms, key, by) => alarms.shelve(key, by));
  act('unshelve', person, optional, (alarms, key, by) => alarms.unshelve(key, by));
  act('remove-from-service', maintain, needed, (alarms, key, by) => alarms.removeFromService(key, by));
  act('return-to-service', maintain, optional, (alarms, key, by) => alarms.returnToService(key, by));
}
