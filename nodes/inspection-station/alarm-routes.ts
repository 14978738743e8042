/**
 * The alarms of a station, for the side bar and the dashboard: with what each means, in the language asked for,
 * so that no page has texts of its own. Taking one out of service is for maintenance, not for operators.
 */
import { alarmText } from '../../lib/station/alarms/alarm-text.ts';
import { alarmHistory } from '../../lib/station/alarms/history.ts';
import type { AlarmText } from '../../lib/station/alarms/catalogue.ts';
import type { AlarmView } from '../../lib/station/alarms/types.ts';
import type { StationControl } from '../../lib/station/station.ts';
import { adminRoute, type AdminRequest, type AdminRoute } from '../runtime/admin.ts';
import type { NodeAPI } from '../runtime/types.ts';
import { findStation } from './lookup.ts';
import { LIMIT, limitOf, reason } from './routes.ts';

/** As far as the schema of the route asks for it. */
interface Asked {
  reason: string;
  minutes: number;
}

/** What {@link languageOf} reads, for people. */
const LANGUAGE = {
  query: { language: 'de, or any other for English; as the header Accept-Language says unless told' },
} as const;

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
    ...LANGUAGE,
    summary:
      'Lists the alarms of the station, each with its state, what it means and what to do; and counts them',
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
    summary: 'Lists the newest records of alarms in the ledger, newest last',
    query: LIMIT,
    method: 'get',
    path: `${path}/history`,
    permission: 'jidoka.audit',
    handle: async ({ params, query }) =>
      alarmHistory(await findStation(params['id'] ?? '').journal(), limitOf(query)),
  });

  /** A POST of a signed-in person; answers with the alarm as it is then. */
  function act(
    route: Pick<AdminRoute<Asked>, 'summary' | 'permission'> & { verb: string; schema: object },
    handle: (
      alarms: StationControl['alarms'],
      key: string,
      request: Asked & { actor: string },
    ) => AlarmView | Promise<AlarmView>,
  ): void {
    const { verb, summary, ...asked } = route;
    adminRoute<Asked>(RED, {
      ...LANGUAGE,
      ...asked,
      summary: `${summary}; answers with the alarm`,
      method: 'post',
      path: `${path}/:key/${verb}`,
      requiresPerson: true,
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
  const person = { permission: 'station.alarms' };
  const maintain = { permission: 'station.alarms.maintain' };
  act(
    { ...person, verb: 'acknowledge', summary: 'Notes that a person has seen the alarm', schema: optional },
    (alarms, key, by) => alarms.acknowledge(key, by),
  );
  act(
    { ...person, verb: 'reset', summary: 'Ends a latched alarm whose cause is gone', schema: needed },
    (alarms, key, by) => alarms.reset(key, by),
  );
  act(
    { ...person, verb: 'shelve', summary: 'Puts the alarm aside for so many minutes', schema: timed },
    (alarms, key, by) => alarms.shelve(key, by),
  );
  act(
    {
      ...person,
      verb: 'unshelve',
      summary: 'Shows a shelved alarm again before its time',
      schema: optional,
    },
    (alarms, key, by) => alarms.unshelve(key, by),
  );
  act(
    {
      ...maintain,
      verb: 'remove-from-service',
      summary: 'Takes the alarm out of service until it is put back',
      schema: needed,
    },
    (alarms, key, by) => alarms.removeFromService(key, by),
  );
  act(
    {
      ...maintain,
      verb: 'return-to-service',
      summary: 'Puts an alarm that is out of service back into it',
      schema: optional,
    },
    (alarms, key, by) => alarms.returnToService(key, by),
  );
}
