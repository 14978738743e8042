/**
 * What the admin routes are, as an OpenAPI 3.1 document (https://spec.openapis.org/oas/v3.1.0), and the route that
 * answers with it.
 */
import { adminRoute, adminRoutes, type KnownRoute } from './admin.ts';
import { packageVersion } from './package-version.ts';
import type { NodeAPI } from './types.ts';

/** `/jidoka/stations/:id/parts` → `/jidoka/stations/{id}/parts`. */
function pathOf(path: string): string {
  return path.replace(/:(\w+)/g, '{$1}');
}

/** What a route belongs to: `stations` for all below `/jidoka/stations`. */
export function tagOf({ path }: Pick<KnownRoute, 'path'>): string {
  return path.split('/')[2]?.replace(/\..*/, '') ?? '';
}

function parametersOf({ path, query = {}, headers = {}, needs = [] }: KnownRoute): object[] {
  const schema = { type: 'string' };
  const named = (where: string, meanings: Readonly<Record<string, string>>): object[] =>
    Object.entries(meanings).map(([name, description]) => ({
      ...{ name, in: where, required: needs.includes(name), description, schema },
    }));
  return [
    ...[...path.matchAll(/:(\w+)/g)].map(([, name]) => ({ name, in: 'path', required: true, schema })),
    ...named('query', query),
    ...named('header', headers),
  ];
}

/** Of the node types registered so far. */
export function openApi(RED: NodeAPI): object {
  const paths: Record<string, Record<string, object>> = {};
  for (const route of adminRoutes(RED)) {
    const { method, path, summary, permission, requiresPerson, schema, file } = route;
    const permissions = [permission].flat();
    const content =
      file === undefined
        ? schema && { 'application/json': { schema } }
        : { 'application/octet-stream': { schema: { type: 'string', format: 'binary' } } };
    const operation = {
      summary,
      description: `Permission: ${permissions.join(' and ')}.${requiresPerson ? ' Needs a signed-in person.' : ''}`,
      tags: [tagOf(route)],
      parameters: parametersOf(route),
      ...(content === undefined ? {} : { requestBody: { required: true, content } }),
      responses: {
        200: { description: method === 'post' ? 'Done; what came of it.' : 'What was asked for.' },
        default: { $ref: '#/components/responses/Refused' },
      },
      security: [{ nodeRed: permissions }],
    };
    const at = (paths[pathOf(path)] ??= {});
    at[method] = operation;
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'Jidoka',
      version: packageVersion(),
      description:
        "Admin routes of the nodes, below Node-RED's httpAdminRoot and behind its sign-in: POST /auth/token gives the bearer token.",
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    paths: Object.fromEntries(Object.entries(paths).sort(([a], [b]) => (a < b ? -1 : 1))),
    components: {
      securitySchemes: { nodeRed: { type: 'http', scheme: 'bearer' } },
      responses: {
        Refused: {
          description:
            '400: not as described; 401: nobody is signed in, or the permission is missing; 403: it takes a signed-in ' +
            'person, or another one; 404: there is no such thing; 409: it cannot be done now.',
          content: {
            'application/json': {
              schema: {
                type: 'object',
                required: ['code', 'message'],
                properties: {
                  code: { type: 'string', description: 'Stable; see the reference of error codes.' },
                  message: { type: 'string' },
                  hint: { type: 'string', description: 'What to do about it.' },
                },
              },
            },
          },
        },
      },
    },
  };
}

/** Call it once, while a node type is being registered. */
export function registerOpenApi(RED: NodeAPI): void {
  adminRoute(RED, {
    summary: 'Answers with the OpenAPI document of these routes',
    method: 'get',
    path: '/jidoka/openapi.json',
    permission: 'jidoka.read',
    handle: () => openApi(RED),
  });
}
