/**
 * The rule of the wire: what a node sends is cloned by Node-RED for every wire after the first, so
 * it may hold plain data, Buffers and classes that are passed by reference, and nothing else.
 * A `Float32Array` of a million elements takes a quarter of a second to clone and blocks the event
 * loop; a class with private fields throws after the clone (measured on 4.1.15 and 5.0.7).
 */
import assert from 'node:assert/strict';

/** More numbers than this in one array, nested or not, are pixels or a tensor in disguise. */
const MAX_NUMBERS = 10_000;

/** What Node's HTTP nodes put on a message; they are never cloned. */
const FOREIGN_PROPERTIES = new Set(['req', 'res']);

function numbersIn(array: readonly unknown[]): number {
  let count = 0;
  for (const item of array) {
    if (typeof item === 'number') count += 1;
    else if (Array.isArray(item)) count += numbersIn(item);
  }
  return count;
}

function nameOf(value: object): string {
  const { constructor } = value as { constructor?: unknown };
  return typeof constructor === 'function' ? constructor.name : 'an object without a constructor';
}

function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  // Objects of another realm (a Function node's sandbox) are plain too.
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}

/** What is wrong with an object itself; undefined when it may travel. `enter` says to look inside. */
function judge(value: object): { fault?: string; enter: boolean } {
  if (Buffer.isBuffer(value) || value instanceof Date) return { enter: false };
  if (ArrayBuffer.isView(value)) return { fault: `is a ${nameOf(value)}; send a Buffer`, enter: false };
  if (value instanceof ArrayBuffer || value instanceof SharedArrayBuffer) {
    return { fault: `is an ${nameOf(value)}; send a Buffer`, enter: false };
  }
  if (Array.isArray(value)) {
    const numbers = numbersIn(value);
    if (numbers <= MAX_NUMBERS) return { enter: true };
    return { fault: `holds ${numbers} numbers; pixels travel in a Frame or a Buffer`, enter: false };
  }
  if (value instanceof Map || value instanceof Set || value instanceof Promise) {
    return { fault: `is a ${nameOf(value)}; send plain data`, enter: false };
  }
  if (isPlain(value)) return { enter: true };
  if (Symbol.toStringTag in value) return { enter: false };
  return { fault: `is an instance of ${nameOf(value)}, which Node-RED cannot clone`, enter: false };
}

/** Every breach of the rule in a message, each with the path to it. */
export function messageFaults(message: unknown): string[] {
  const faults: string[] = [];
  const seen = new Set<object>();
  const visit = (value: unknown, path: string): void => {
    if (typeof value === 'function' || typeof value === 'symbol' || typeof value === 'bigint') {
      faults.push(`${path} is a ${typeof value}; send plain data`);
    }
    if (typeof value !== 'object' || value === null || seen.has(value)) return;
    seen.add(value);
    const { fault, enter } = judge(value);
    if (fault !== undefined) faults.push(`${path} ${fault}`);
    if (!enter) return;
    for (const [key, inner] of Object.entries(value)) {
      if (path === 'msg' && FOREIGN_PROPERTIES.has(key)) continue;
      visit(inner, `${path}.${key}`);
    }
  };
  visit(message, 'msg');
  return faults;
}

/** Throws an AssertionError that names every property which must not be on a wire. */
export function assertPlainMessage(message: unknown): void {
  const faults = messageFaults(message);
  assert.equal(faults.length, 0, `the message breaks the rule of the wire:\n  ${faults.join('\n  ')}`);
}
