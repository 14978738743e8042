/** What an OPC UA server tells about its variables: type, access, range, unit, what values mean, and the value now. */
import type { BrowseResult, DataValue, NodeId } from 'node-opcua-client';
import type { BrowseEntry } from './browse.ts';
import type { Description } from './browse-opcua.ts';
import { readingOf, type Asked } from './opcua-reading.ts';
import { TAG_TYPES, type Range, type TagType, type TagValue } from './tag-type.ts';

export type Facts = Omit<BrowseEntry, 'id' | 'name' | 'kind' | 'path'>;

/** Ways to ask, in requests of a size the server takes. */
interface Ways {
  read(wanted: readonly { nodeId: NodeId; attributeId: number }[]): Promise<DataValue[]>;
  browse(nodes: readonly NodeId[], description: Description): Promise<BrowseResult[]>;
}

interface TypeFacts {
  name: string;
  tagType: TagType | undefined;
  choices: Choice[];
}

type Choice = { value: TagValue; name: string };

const VARIABLE = 2;
const ANY_CLASS = 0;
const SCALAR = -1;
/** ns=0 numbers of OPC 10000-6, annex A. */
const LAST_BUILT_IN = 25;
const ENUMERATION = 29;
/** Types between a type and the built-in one it is made of. */
const MAX_DERIVED = 10;

const PROPERTIES: Description = { referenceTypeId: 'HasProperty', nodeClassMask: VARIABLE };
const COMPONENTS: Description = { referenceTypeId: 'HasComponent', nodeClassMask: 3 };
const SUPERTYPE: Description = {
  referenceTypeId: 'HasSubtype',
  nodeClassMask: ANY_CLASS,
  browseDirection: 'Inverse',
};

/** Types are the same for the length of a session, and many variables share one. */
const KNOWN_TYPES = new WeakMap<Asked['session'], Map<string, Promise<TypeFacts>>>();

export async function factsOf(asked: Asked, variables: readonly NodeId[], ways: Ways): Promise<Facts[]> {
  if (variables.length === 0) return [];
  const { AttributeIds } = asked.library;
  const attributes = [
    AttributeIds.DataType,
    AttributeIds.ValueRank,
    AttributeIds.AccessLevel,
    AttributeIds.UserAccessLevel,
  ];
  const told = await ways.read(
    variables.flatMap((nodeId) => attributes.map((attributeId) => ({ nodeId, attributeId }))),
  );
  const [properties, components] = [
    await propertiesOf(asked, variables, ways),
    await ways.browse(variables, COMPONENTS),
  ];
  const facts = await Promise.all(
    variables.map(async (_nodeId, index): Promise<Facts> => {
      const [dataType, rank, access, userAccess] = told.slice(index * attributes.length);
      const type = await typeOf(asked, dataType?.value.value as NodeId | null, ways);
      const known = properties[index] ?? {};
      const isScalar = rank?.value.value === SCALAR;
      const choices = known.choices ?? type.choices;
      const range = known.range ?? rangeOf(choices);
      return {
        hasChildren: (components[index]?.references?.length ?? 0) > 0,
        dataType: type.name,
        access: accessOf(asked, access, userAccess),
        ...(isScalar && type.tagType !== undefined
          ? { tagType: type.tagType }
          : { obstacle: isScalar ? ('type' as const) : ('array' as const) }),
        ...(range === undefined ? {} : { range }),
        ...(known.unit === undefined ? {} : { unit: known.unit }),
        ...(choices.length === 0 ? {} : { choices }),
      };
    }),
  );
  return withReadings(asked, variables, facts, ways);
}

/** Only what can be a tag is read: the value of something else may be a picture. */
async function withReadings(
  { library }: Asked,
  variables: readonly NodeId[],
  facts: readonly Facts[],
  ways: Ways,
): Promise<Facts[]> {
  const wanted = variables.filter((_nodeId, index) => {
    const { tagType, access } = facts[index] ?? {};
    return tagType !== undefined && access?.read === true;
  });
  const attributeId = library.AttributeIds.Value;
  const values = await ways.read(wanted.map((nodeId) => ({ nodeId, attributeId })));
  const byNode = new Map(wanted.map((nodeId, index) => [nodeId, values[index]]));
  return facts.map((fact, index) => {
    const nodeId = variables[index];
    const value = nodeId === undefined ? undefined : byNode.get(nodeId);
    if (nodeId === undefined || value === undefined) return fact;
    try {
      return { ...fact, reading: readingOf(nodeId.toString(), value) };
    } catch {
      const status = value.statusCode.name;
      return { ...fact, reading: { value: '', good: false, status, sourceAt: null } };
    }
  });
}

function accessOf(
  { library }: Asked,
  access: DataValue | undefined,
  userAccess: DataValue | undefined,
): { read: boolean; write: boolean } {
  const { CurrentRead, CurrentWrite } = library.AccessLevelFlag;
  // Of a server that does not know users what it grants everybody counts, as it does for a write.
  const levels = [access, userAccess].filter((level) => level?.statusCode.value === 0);
  const grants = (flag: number): boolean =>
    levels.length > 0 && levels.every((level) => (Number(level?.value.value) & flag) !== 0);
  return { read: grants(CurrentRead), write: levels.length === 2 && grants(CurrentWrite) };
}

interface Properties {
  range?: Range;
  unit?: string;
  choices?: Choice[];
}

/** Names of OPC 10000-8 (5.3) and OPC 10000-5 (12.2.12). */
const WANTED = new Set([
  'EURange',
  'EngineeringUnits',
  'EnumStrings',
  'EnumValues',
  'TrueState',
  'FalseState',
]);

async function propertiesOf({ library }: Asked, nodes: readonly NodeId[], ways: Ways): Promise<Properties[]> {
  const found = await ways.browse(nodes, PROPERTIES);
  const wanted = found.flatMap(({ references }, index) =>
    (references ?? [])
      .filter(({ browseName }) => browseName.namespaceIndex === 0 && WANTED.has(browseName.name ?? ''))
      .map(({ nodeId, browseName }) => ({ index, nodeId, name: browseName.name ?? '' })),
  );
  const attributeId = library.AttributeIds.Value;
  const values = await ways.read(wanted.map(({ nodeId }) => ({ nodeId, attributeId })));
  const byNode = nodes.map(() => new Map<string, unknown>());
  wanted.forEach(({ index, name }, at) => {
    const value = values[at];
    if (value?.statusCode.value === 0) byNode[index]?.set(name, value.value.value);
  });
  return byNode.map((told) => {
    const range = plainRange(told.get('EURange'));
    const unit = textOf((told.get('EngineeringUnits') as { displayName?: unknown } | undefined)?.displayName);
    const choices = choicesOf(told);
    return {
      ...(range === undefined ? {} : { range }),
      ...(unit === '' ? {} : { unit }),
      ...(choices.length === 0 ? {} : { choices }),
    };
  });
}

function choicesOf(told: ReadonlyMap<string, unknown>): Choice[] {
  const values = told.get('EnumValues');
  if (Array.isArray(values)) {
    return values.map((each: { value?: unknown; displayName?: unknown }) => {
      return { value: wholeOf(each.value), name: textOf(each.displayName) };
    });
  }
  const names = told.get('EnumStrings');
  if (Array.isArray(names)) return names.map((name: unknown, value) => ({ value, name: textOf(name) }));
  const [on, off] = [textOf(told.get('TrueState')), textOf(told.get('FalseState'))];
  if (on === '' && off === '') return [];
  return [
    { value: false, name: off },
    { value: true, name: on },
  ];
}

function typeOf(asked: Asked, dataType: NodeId | null | undefined, ways: Ways): Promise<TypeFacts> {
  if (dataType === null || dataType === undefined)
    return Promise.resolve({ name: '', tagType: undefined, choices: [] });
  const known = KNOWN_TYPES.get(asked.session) ?? new Map<string, Promise<TypeFacts>>();
  KNOWN_TYPES.set(asked.session, known);
  const key = dataType.toString();
  let facts = known.get(key);
  if (facts === undefined) {
    facts = lookUp(asked, dataType, ways);
    known.set(key, facts);
    facts.catch(() => known.delete(key));
  }
  return facts;
}

async function lookUp(asked: Asked, dataType: NodeId, ways: Ways): Promise<TypeFacts> {
  const { library } = asked;
  const builtIn = builtInName(asked, dataType);
  if (builtIn !== undefined) return { name: builtIn, tagType: tagTypeOf(builtIn), choices: [] };
  const [name] = await ways.read([{ nodeId: dataType, attributeId: library.AttributeIds.DisplayName }]);
  const called = textOf(name?.value.value) || dataType.toString();
  let at = dataType;
  for (let derived = 0; derived < MAX_DERIVED; derived += 1) {
    if (at.namespace === 0 && at.value === ENUMERATION) {
      const [{ choices = [] } = {}] = await propertiesOf(asked, [dataType], ways);
      return { name: called, tagType: 'Int32', choices };
    }
    const base = builtInName(asked, at);
    if (base !== undefined) return { name: `${called} (${base})`, tagType: tagTypeOf(base), choices: [] };
    const [parents] = await ways.browse([at], SUPERTYPE);
    const parent = parents?.references?.[0]?.nodeId;
    if (parent === undefined) break;
    at = parent;
  }
  return { name: called, tagType: undefined, choices: [] };
}

function builtInName({ library }: Asked, { namespace, value }: NodeId): string | undefined {
  if (namespace !== 0 || typeof value !== 'number' || value > LAST_BUILT_IN) return undefined;
  return library.DataType[value];
}

function tagTypeOf(name: string): TagType | undefined {
  return TAG_TYPES.find((known) => known === name);
}

function plainRange(value: unknown): Range | undefined {
  const { low, high } = (value ?? {}) as { low?: unknown; high?: unknown };
  // A server that leaves both at 0 has stated nothing.
  return typeof low === 'number' && typeof high === 'number' && low < high
    ? { min: low, max: high }
    : undefined;
}

function rangeOf(choices: readonly Choice[]): Range | undefined {
  const numbers = choices.map(({ value }) => value).filter((value) => typeof value === 'number');
  if (numbers.length < 2) return undefined;
  return { min: Math.min(...numbers), max: Math.max(...numbers) };
}

/** An Int64 comes as its two halves, the higher first. */
function wholeOf(value: unknown): number {
  if (!Array.isArray(value)) return Number(value);
  const [high = 0, low = 0] = value as number[];
  return (high | 0) * 2 ** 32 + low;
}

function textOf(value: unknown): string {
  const text = (value as { text?: unknown } | null | undefined)?.text;
  return typeof text === 'string' ? text : '';
}
