// The page docs/reference/admin-api.md: its text is written by hand, and its tables of routes by this, each between
//   <!-- routes: stations -->  and  <!-- end of routes -->
// with the tags of the routes that belong there. Every route is in one of them.
import type { KnownRoute } from '../../nodes/runtime/admin.ts';
import { tagOf } from '../../nodes/runtime/open-api.ts';

const TABLE = /(<!-- routes: ([\w -]+) -->\n)[\s\S]*?(<!-- end of routes -->)/g;

interface BodySchema {
  properties?: Record<string, { enum?: readonly string[] }>;
  required?: readonly string[];
  additionalProperties?: unknown;
}

function fieldsOf({ properties = {}, required = [], additionalProperties }: BodySchema): string {
  const fields = Object.entries(properties).map(([name, { enum: choices }]) => {
    const among = choices === undefined ? '' : ` (${choices.join(', ')})`;
    return `\`${name}${required.includes(name) ? '' : '?'}\`${among}`;
  });
  if (additionalProperties !== false) fields.push('…');
  return fields.length === 0 ? '`{}`' : fields.join(', ');
}

function namedOf(kind: string, meanings: KnownRoute['query'], needs: readonly string[]): string[] {
  const named = Object.entries(meanings ?? {}).map(
    ([name, meaning]) => `\`${name}${needs.includes(name) ? '' : '?'}\` (${meaning})`,
  );
  return named.length === 0 ? [] : [`${kind} ${named.join(', ')}`];
}

function takenBy({ schema, file, query, headers, needs = [] }: KnownRoute): string {
  return [
    ...(schema === undefined ? [] : [fieldsOf(schema as BodySchema)]),
    ...(file === undefined ? [] : [`a file of at most ${file.maxBytes / 2 ** 20} MiB`]),
    ...namedOf('query', query, needs),
    ...namedOf('header', headers, needs),
  ].join('; ');
}

function rowOf(route: KnownRoute): string {
  const { method, path, permission, requiresPerson, summary } = route;
  const permissions = [permission].flat().map((one) => `\`${one}\``);
  const person = requiresPerson === true ? ', signed in' : '';
  const cells = [
    `\`${method.toUpperCase()} ${path}\``,
    `${permissions.join(' and ')}${person}`,
    takenBy(route),
    summary,
  ];
  return `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
}

/** The page with its tables as the routes are; throws where a route has no table, or a table no route. */
export function adminApiPage(page: string, routes: readonly KnownRoute[]): string {
  const left = new Set(routes);
  const written = page.replace(TABLE, (_, start: string, tags: string, end: string) => {
    const rows = tags.split(' ').flatMap((tag) => {
      const some = routes.filter((route) => tagOf(route) === tag);
      if (some.length === 0) throw new Error(`no route has the tag ${tag}`);
      for (const route of some) left.delete(route);
      return some.map(rowOf);
    });
    const head = ['| route | permission | takes | what it does |', '| --- | --- | --- | --- |'];
    return [start, ...head, ...rows, '', end].join('\n');
  });
  const [lost] = left;
  if (lost !== undefined) throw new Error(`no table of the page has ${lost.path}`);
  return written;
}
