/** What OPC UA says about a tag, as the rest of the package knows it. */
import type { ClientSession, DataType as OpcUaDataType, DataValue, NodeId } from 'node-opcua-client';
import type { Library } from './opcua-sign-in.ts';
import { PlcError } from './plc-error.ts';
import { TAG_TYPES, type Range, type TagType } from './tag-type.ts';
import { linkDown, type Reading, type TagDescription } from './transport.ts';

/** Who is asked. */
export interface Asked {
  library: Library;
  session: ClientSession;
  /** The server's namespaces by their index; undefined while the session has not read them yet. */
  namespaces: readonly string[] | undefined;
}

const GOOD = 0;

/** Throws `PLC_READ_FAILED` where there is no plain value: nothing is made up in its place. */
export function readingOf(tag: string, { value: variant, statusCode, sourceTimestamp }: DataValue): Reading {
  const value: unknown = variant.value;
  if (typeof value !== 'boolean' && typeof value !== 'number' && typeof value !== 'string') {
    throw new PlcError('PLC_READ_FAILED', `read ${tag}: ${statusCode.name}, no plain value`);
  }
  // Good is 0; everything else is doubtful or bad (OPC 10000-4, 7.39).
  return {
    value,
    good: statusCode.value === 0,
    status: statusCode.name,
    sourceAt: sourceTimestamp?.toISOString() ?? null,
  };
}

/** A node id with the name of its namespace: the name cannot hold a semicolon (OPC 10000-6, 5.1.12). */
const WITH_NAMESPACE = /^nsu=([^;]*);(.*)$/s;

/**
 * `ns=1;s=RejectGate`, or `nsu=urn:vendor:line;s=RejectGate`: the index of a namespace may be another one after
 * the server was changed and restarted (OPC 10000-3, 8.2.2), its name is not.
 * Throws `PLC_TAG_INVALID`, `PLC_TAG_UNUSABLE` for a namespace the server does not have, and `PLC_LINK_DOWN`
 * while nobody knows its index.
 */
export function nodeIdOf(
  { library, namespaces }: Pick<Asked, 'namespaces'> & { library: { coerceNodeId(text: string): NodeId } },
  tag: string,
): NodeId {
  const [, name, identifier] = WITH_NAMESPACE.exec(tag) ?? [];
  const index = name === undefined ? undefined : namespaceIndex(namespaces, name, tag);
  try {
    return library.coerceNodeId(index === undefined ? tag : `ns=${index};${identifier ?? ''}`);
  } catch (error) {
    throw new PlcError('PLC_TAG_INVALID', `${tag} is not a node id`, {
      hint: 'Write it as the PLC shows it, e.g. ns=1;s=RejectGate or ns=4;i=1001.',
      cause: error,
    });
  }
}

function namespaceIndex(namespaces: readonly string[] | undefined, name: string, tag: string): number {
  if (namespaces === undefined) throw linkDown(`the PLC of ${tag}`);
  const index = namespaces.indexOf(name);
  if (index >= 0) return index;
  throw new PlcError('PLC_TAG_UNUSABLE', `${tag}: the PLC has no namespace ${name}`, {
    hint: 'Its program or its firmware was changed; pick the tag anew.',
  });
}

/** Throws `PLC_TAG_INVALID` and `PLC_TAG_UNUSABLE`. */
export async function describe(asked: Asked, tag: string): Promise<TagDescription> {
  const { library, session } = asked;
  const { AttributeIds } = library;
  const nodeId = nodeIdOf(asked, tag);
  const attributes = [AttributeIds.ValueRank, AttributeIds.UserAccessLevel, AttributeIds.AccessLevel];
  const [rank, userAccess, access] = await session.read(
    attributes.map((attributeId) => ({ nodeId, attributeId })),
  );
  if (rank === undefined || rank.statusCode.value !== GOOD) {
    throw new PlcError('PLC_TAG_UNUSABLE', `${tag}: ${rank?.statusCode.name ?? 'no answer'}`, {
      hint: 'Check the node id against the PLC.',
    });
  }
  if (rank.value.value !== -1) throw new PlcError('PLC_TAG_UNUSABLE', `${tag} is not a scalar`);
  const builtIn: OpcUaDataType = await session.getBuiltInDataType(nodeId);
  const name = library.DataType[builtIn];
  const dataType = TAG_TYPES.find((known): known is TagType => known === name);
  if (dataType === undefined)
    throw new PlcError('PLC_TAG_UNUSABLE', `${tag} is a ${name}, which is not written`);
  const range = await engineeringRange(asked, nodeId);
  const canWrite = library.AccessLevelFlag.CurrentWrite;
  const writable = [userAccess, access].every(
    (level) => level?.statusCode.value === GOOD && (Number(level.value.value) & canWrite) !== 0,
  );
  return { dataType, writable, ...(range === undefined ? {} : { range }) };
}

/** The property EURange of the tag (OPC 10000-8); servers state it and mostly do not enforce it. */
async function engineeringRange({ library, session }: Asked, nodeId: NodeId): Promise<Range | undefined> {
  const path = library.makeBrowsePath(nodeId, '.EURange');
  const [target] = (await session.translateBrowsePath(path)).targets ?? [];
  if (target === undefined) return undefined;
  const { value, statusCode } = await session.read({
    nodeId: target.targetId,
    attributeId: library.AttributeIds.Value,
  });
  const range = value.value as { low?: unknown; high?: unknown } | null;
  if (statusCode.value !== GOOD || typeof range?.low !== 'number' || typeof range.high !== 'number')
    return undefined;
  // A server that leaves both at 0 has stated nothing.
  return range.low < range.high ? { min: range.low, max: range.high } : undefined;
}
