/** JSONata as Node-RED reads it, with an end: an expression that recurses for ever would stop every flow. */
import { performance } from 'node:perf_hooks';
import type { Compile } from '../../lib/ticket/dialects/template.ts';
import type { NodeMessage } from 'node-red';
import type { Node, NodeAPI } from '../runtime/types.ts';

/** A body of a ticket takes about a millisecond; this long the flows may be held up once, and then it is given up. */
const MAX_MS = 250;

/** Called before each step of an expression; JSONata 2.1 has renamed the first to the second. */
const BEFORE_EACH_STEP = ['__evaluate_entry', Symbol.for('jsonata.__evaluate_entry')];

export function expressionCompiler(RED: NodeAPI, node: Node): Compile {
  return (text) => {
    const prepared = RED.util.prepareJSONataExpression(text, node);
    let deadline = 0;
    const step = (): void => {
      if (performance.now() > deadline) throw new Error(`took longer than ${MAX_MS} ms`);
    };
    const environment = prepared as unknown as { assign(name: string | symbol, value: unknown): void };
    for (const name of BEFORE_EACH_STEP) environment.assign(name, step);
    // One at a time: they share the deadline.
    let last: Promise<unknown> = Promise.resolve();
    return (data) => {
      const result = last.then(
        () =>
          new Promise((resolve, reject) => {
            deadline = performance.now() + MAX_MS;
            RED.util.evaluateJSONataExpression(prepared, data as NodeMessage, (error, value: unknown) => {
              if (error === null) resolve(value);
              // JSONata throws plain objects.
              else reject(new Error((error as { message?: string }).message ?? 'failed'));
            });
          }),
      );
      last = result.catch(() => undefined);
      return result;
    };
  };
}
