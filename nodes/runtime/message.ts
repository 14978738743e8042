/** Reading from messages that anybody may have built. */
import type { Message, NodeAPI } from './types.ts';

/** The value at a path such as `inspection.anomaly.score`; undefined where the path leads nowhere. */
export function propertyOf(RED: NodeAPI, message: Message, path: string): unknown {
  try {
    return RED.util.getMessageProperty(message, path) as unknown;
  } catch {
    // Node-RED throws a TypeError when a parent of the property is missing.
    return undefined;
  }
}
