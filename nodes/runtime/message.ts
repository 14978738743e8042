/** Reading from messages that anybody may have built, and giving them what is made only when somebody looks. */
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

/**
 * Sets a property whose value is made when it is first read, and never where it is only replaced. A clone,
 * `Object.assign` and JSON read it and hold the plain value.
 */
export function setLazily(message: Message, property: string, make: () => unknown): void {
  const settle = (value: unknown): unknown => {
    Object.defineProperty(message, property, { value, writable: true, configurable: true, enumerable: true });
    return value;
  };
  Object.defineProperty(message, property, {
    configurable: true,
    enumerable: true,
    get: () => settle(make()),
    set: settle,
  });
}

/**
 * Read by Node-RED's own error handling, which throws where they are not what it expects; a property of the name
 * `__proto__` becomes the prototype of the clone it makes.
 */
const MISREAD: ReadonlySet<string> = new Set(['error', 'hasOwnProperty', '__proto__']);

/** What of a message a Catch node can be given: the properties that can be cloned, for a message that cannot. */
export function reportable(RED: NodeAPI, message: Message): Message {
  const cloned = (key: string): [string, unknown][] => {
    try {
      return [[key, RED.util.cloneMessage({ [key]: message[key] })[key]]];
    } catch {
      return [];
    }
  };
  return Object.fromEntries(
    Object.keys(message)
      .filter((key) => !MISREAD.has(key))
      .flatMap(cloned),
  );
}
