/**
 * The address space of an OPC UA server, a level at a time. Bounded, because a PLC has a program to run beside
 * answering: at most so many nodes in a request, so many children of one node, so long for an answer.
 */
import type { BrowseResult, DataValue, NodeId, ReferenceDescription } from 'node-opcua-client';
import {
  piecesOf,
  type BrowseEntry,
  type BrowsePage,
  type PageRequest,
  type Step,
  type TagBrowser,
} from './browse.ts';
import { factsOf, type Facts } from './browse-opcua-facts.ts';
import { nodeIdOf, type Asked } from './opcua-reading.ts';
import { lost, PlcError } from './plc-error.ts';
import { withDeadline } from './transport.ts';

/** Children of one node; who has more, searches. */
const MAX_CHILDREN = 5000;
const REQUEST_TIMEOUT_MS = 5000;
/** Nodes of one request, and of one that the server finds too large; small PLCs allow as few as ten. */
const NODES_PER_REQUEST = 50;
const NODES_PER_SMALL_REQUEST = 10;
/** References of one answer; the rest follows by continuation points. */
const REFERENCES_PER_ANSWER = 500;
/** How far up the names of what a tag lies in are looked for. */
const MAX_PATH = 12;

const OBJECT = 1;
const OBJECT_OR_VARIABLE = 3;
/** ns=0 numbers of OPC 10000-6, annex A. */
const OBJECTS_FOLDER = 'ns=0;i=85';
const ROOT_FOLDER = 'ns=0;i=84';
const FOLDER_TYPE = 61;
/** Properties are shown as facts of what they belong to; events and notifiers repeat what is there already. */
const LEFT_OUT = new Set([46, 36, 48]);

interface Child {
  nodeId: NodeId;
  name: string;
  kind: BrowseEntry['kind'];
}

export class OpcUaBrowser implements TagBrowser {
  readonly #up: () => Asked;
  /** Of the node that is read page by page, so that its thousand children are not asked for with each page. */
  #paged: { session: Asked['session']; parent: string; found: Found } | undefined;

  /** @param up the session in use; throws `PLC_LINK_DOWN` */
  constructor(up: () => Asked) {
    this.#up = up;
  }

  async children(node: string | undefined, { from, limit, signal }: PageRequest): Promise<BrowsePage> {
    const asked = this.#up();
    const parent = nodeIdOf(asked, node ?? OBJECTS_FOLDER);
    const known = this.#paged;
    const isKnown =
      from > 0 && known?.session === asked.session && known.parent === parent.toString() && known.found;
    const found = isKnown || (await childrenOf(asked, parent, signal));
    this.#paged = { session: asked.session, parent: parent.toString(), found };
    const { children, isCut } = found;
    const shown = children.slice(from, from + limit);
    return { entries: await this.#described(asked, shown, signal), total: children.length, isCut };
  }

  async steps(nodes: readonly (string | undefined)[], signal: AbortSignal): Promise<Step[][]> {
    const asked = this.#up();
    const parents = nodes.map((node) => nodeIdOf(asked, node ?? OBJECTS_FOLDER));
    const found = await browseAll(asked, parents, REFERENCES, signal, true);
    const steps: Step[][] = [];
    for (const [index, result] of found.entries()) {
      const parent = parents[index];
      // A server that had no continuation point left for it has one when it is asked for it alone.
      const isAlone = result.statusCode.name === 'BadNoContinuationPoints' && parent !== undefined;
      const [again] = isAlone ? await browseAll(asked, [parent], REFERENCES, signal, true) : [result];
      const { references } = await allOf(asked, again ?? result, signal);
      steps.push(
        childrenIn(references).map(({ nodeId, name, kind }) => {
          // A variable may have components too; where it has none the next round finds nothing.
          const hasChildren = kind !== 'variable' || nodeId.namespace !== 0;
          return { id: idOf(asked, nodeId).id, name, hasChildren };
        }),
      );
    }
    return steps;
  }

  async entries(tags: readonly string[], signal: AbortSignal): Promise<BrowseEntry[]> {
    const asked = this.#up();
    const nodes = tags.map((tag) => nodeIdOf(asked, tag));
    const { AttributeIds } = asked.library;
    const wanted = nodes.flatMap((nodeId) =>
      [AttributeIds.NodeClass, AttributeIds.DisplayName].map((attributeId) => ({ nodeId, attributeId })),
    );
    const values = await readAll(asked, wanted, signal);
    const children = nodes.map((nodeId, index): Child => {
      const [nodeClass, name] = values.slice(2 * index, 2 * index + 2);
      if (nodeClass === undefined || nodeClass.statusCode.value !== 0) {
        throw new PlcError(
          'PLC_TAG_UNUSABLE',
          `${tags[index] ?? ''}: ${nodeClass?.statusCode.name ?? 'no answer'}`,
          {
            hint: 'Check the node id against the PLC.',
          },
        );
      }
      const kind = nodeClass.value.value === OBJECT ? 'object' : 'variable';
      return { nodeId, kind, name: textOf(name?.value.value) };
    });
    const entries = await this.#described(asked, children, signal);
    const [only] = nodes;
    // Who asks for many knows where they lie.
    if (only === undefined || nodes.length > 1) return entries;
    const path = await pathTo(asked, only, signal);
    return entries.map((entry) => ({ ...entry, path }));
  }

  async #described(asked: Asked, children: readonly Child[], signal: AbortSignal): Promise<BrowseEntry[]> {
    const variables = children.filter(({ kind }) => kind === 'variable').map(({ nodeId }) => nodeId);
    const facts = await factsOf(asked, variables, {
      read: (nodes) => readAll(asked, nodes, signal),
      browse: (nodes, description) => browseAll(asked, nodes, description, signal),
    });
    const byNode = new Map(variables.map((nodeId, index) => [nodeId, facts[index]]));
    return children.map(({ nodeId, name, kind }) => {
      const { id, isWritable } = idOf(asked, nodeId);
      return entryOf({ id, name, kind }, byNode.get(nodeId), isWritable);
    });
  }
}

function entryOf(
  base: Pick<BrowseEntry, 'id' | 'name' | 'kind'>,
  facts: Facts | undefined,
  canBeText: boolean,
): BrowseEntry {
  if (facts === undefined) return { ...base, hasChildren: true };
  if (canBeText) return { ...base, ...facts };
  const entry: BrowseEntry = { ...base, ...facts, obstacle: 'name' };
  delete entry.tagType;
  return entry;
}

export interface Description {
  referenceTypeId: string;
  nodeClassMask: number;
  browseDirection?: 'Forward' | 'Inverse';
}

const REFERENCES: Description = {
  referenceTypeId: 'HierarchicalReferences',
  nodeClassMask: OBJECT_OR_VARIABLE,
};

interface Found {
  children: Child[];
  isCut: boolean;
}

async function childrenOf(asked: Asked, parent: NodeId, signal: AbortSignal): Promise<Found> {
  const [first] = await browseAll(asked, [parent], REFERENCES, signal, true);
  if (first === undefined) return { children: [], isCut: false };
  if (first.statusCode.value !== 0) {
    throw new PlcError('PLC_TAG_UNUSABLE', `${parent.toString()}: ${first.statusCode.name}`, {
      hint: 'What was here is gone, or this user may not look into it.',
    });
  }
  const { references, isCut } = await allOf(asked, first, signal);
  return { children: childrenIn(references), isCut };
}

/** What one answer had no room for, through continuation points. */
async function allOf(
  { session }: Asked,
  { references: begun, continuationPoint }: BrowseResult,
  signal: AbortSignal,
): Promise<{ references: ReferenceDescription[]; isCut: boolean }> {
  const references = [...(begun ?? [])];
  let point: Buffer | null = continuationPoint;
  while (isPoint(point) && references.length < MAX_CHILDREN) {
    signal.throwIfAborted();
    const next: BrowseResult = await asking(session.browseNext(point, false), 'browse on');
    references.push(...(next.references ?? []));
    point = next.continuationPoint;
  }
  const isCut = isPoint(point) || references.length > MAX_CHILDREN;
  // A server has few of them, and keeps each for the length of the session.
  if (isPoint(point)) await session.browseNext(point, true).catch(() => undefined);
  return { references: references.slice(0, MAX_CHILDREN), isCut };
}

function isPoint(point: Buffer | null | undefined): point is Buffer {
  return point !== null && point !== undefined && point.length > 0;
}

/** In the order of the server; what is referred to twice is shown once. */
function childrenIn(references: readonly ReferenceDescription[] | null): Child[] {
  const children = new Map<string, Child>();
  for (const { nodeId, nodeClass, displayName, browseName, typeDefinition, referenceTypeId } of references ??
    []) {
    const key = nodeId.toString();
    const isLeftOut = referenceTypeId.namespace === 0 && LEFT_OUT.has(Number(referenceTypeId.value));
    // Of another server: this one cannot be asked about it.
    const isElsewhere = nodeId.serverIndex !== 0;
    if (isLeftOut || isElsewhere || children.has(key)) continue;
    const isFolder = typeDefinition.namespace === 0 && typeDefinition.value === FOLDER_TYPE;
    const kind = (nodeClass as number) !== OBJECT ? 'variable' : isFolder ? 'folder' : 'object';
    children.set(key, { nodeId, kind, name: displayName.text ?? browseName.name ?? key });
  }
  return [...children.values()];
}

/**
 * What a field for tags takes. The index of a namespace may change when the server does, so all but those that
 * cannot (0 and 1: OPC 10000-3, 8.2.2) go by their name. An id that reads back as another is no tag: the
 * library looks for `ns=…` anywhere in the text (2.186).
 */
function idOf(asked: Asked, nodeId: NodeId): { id: string; isWritable: boolean } {
  const { namespace } = nodeId;
  const text = nodeId.toString();
  const name = namespace > 1 ? asked.namespaces?.[namespace] : undefined;
  const id = name === undefined ? text : `nsu=${name};${text.replace(/^ns=\d+;/, '')}`;
  try {
    return { id, isWritable: nodeIdOf(asked, id).toString() === text };
  } catch {
    return { id, isWritable: false };
  }
}

/** Names of what a node lies in, from the top, without the Objects folder. */
async function pathTo(asked: Asked, nodeId: NodeId, signal: AbortSignal): Promise<string[]> {
  const path: string[] = [];
  const seen = new Set<string>();
  let at = nodeId;
  while (path.length < MAX_PATH && !seen.has(at.toString())) {
    seen.add(at.toString());
    const [found] = await browseAll(asked, [at], { ...REFERENCES, browseDirection: 'Inverse' }, signal);
    const parent = childrenIn(found?.references ?? []).at(0);
    if (parent === undefined) break;
    const id = parent.nodeId.toString();
    if (id === OBJECTS_FOLDER || id === ROOT_FOLDER) break;
    path.unshift(parent.name);
    at = parent.nodeId;
  }
  return path;
}

/** In requests of a size the server takes. A continuation point nobody follows is given back. */
async function browseAll(
  { library, session }: Asked,
  nodes: readonly NodeId[],
  { referenceTypeId, nodeClassMask, browseDirection = 'Forward' }: Description,
  signal: AbortSignal,
  keepsPoints = false,
): Promise<BrowseResult[]> {
  session.requestedMaxReferencesPerNode = REFERENCES_PER_ANSWER;
  const description = {
    referenceTypeId,
    nodeClassMask,
    browseDirection: library.BrowseDirection[browseDirection],
    includeSubtypes: true,
    resultMask: 63,
  };
  const results = await inRequests(nodes, signal, (some) =>
    session.browse(some.map((nodeId) => ({ ...description, nodeId }))),
  );
  const points = results.map(({ continuationPoint }) => continuationPoint as Buffer | null).filter(isPoint);
  if (!keepsPoints && points.length > 0) await session.browseNext(points, true).catch(() => undefined);
  return results;
}

type ReadRequest = { nodeId: NodeId; attributeId: number };

async function readAll(
  { session }: Asked,
  wanted: readonly ReadRequest[],
  signal: AbortSignal,
): Promise<DataValue[]> {
  return inRequests(wanted, signal, (some) => session.read(some));
}

async function inRequests<Item, Answer>(
  items: readonly Item[],
  signal: AbortSignal,
  send: (items: Item[]) => Promise<Answer[]>,
): Promise<Answer[]> {
  const answers: Answer[] = [];
  for (const piece of piecesOf(items, NODES_PER_REQUEST)) {
    signal.throwIfAborted();
    try {
      answers.push(...(await asking(send(piece), 'browse')));
    } catch (error) {
      if (!/BadTooManyOperations/.test(String(error))) throw error;
      for (const smaller of piecesOf(piece, NODES_PER_SMALL_REQUEST)) {
        signal.throwIfAborted();
        answers.push(...(await asking(send(smaller), 'browse')));
      }
    }
  }
  return answers;
}

function asking<Answer>(answer: Promise<Answer>, what: string): Promise<Answer> {
  return withDeadline(answer, REQUEST_TIMEOUT_MS, what).catch((error: unknown) => {
    throw error instanceof PlcError || /BadTooManyOperations/.test(String(error)) ? error : lost(what, error);
  });
}

function textOf(name: unknown): string {
  const text = (name as { text?: unknown } | null)?.text;
  return typeof text === 'string' ? text : '';
}
