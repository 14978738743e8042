/** What OPC UA says about a tag, as the rest of the package knows it. */
import type { DataValue, NodeId } from 'node-opcua-client';
import { PlcError } from './plc-error.ts';
import type { Reading } from './transport.ts';

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

/** Throws `PLC_TAG_INVALID`. */
export function nodeIdOf(library: { coerceNodeId(text: string): NodeId }, tag: string): NodeId {
  try {
    return library.coerceNodeId(tag);
  } catch (error) {
    throw new PlcError('PLC_TAG_INVALID', `${tag} is not a node id`, {
      hint: 'Write it as the PLC shows it, e.g. ns=1;s=RejectGate or ns=4;i=1001.',
      cause: error,
    });
  }
}
