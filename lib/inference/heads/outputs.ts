/** Which of a graph's outputs a head reads. Names come from the model file and are not trusted. */
import { InferenceError } from '../errors.ts';
import type { ValueDescription } from '../host/protocol.ts';
import type { GraphOutputs } from './head.ts';
import { plainText } from './labels.ts';

/** Keys that mean something to an object of JavaScript. */
const SPECIAL = new Set(['__proto__', 'constructor', 'prototype']);

export function unsupportedOutput(message: string, hint?: string): InferenceError {
  return new InferenceError('MODEL_OUTPUT_UNSUPPORTED', message, hint === undefined ? {} : { hint });
}

/** 1×1000; an open dimension by its name, `?` where it has none. */
export function shapeText({ shape }: Pick<ValueDescription, 'shape'>): string {
  return shape.length === 0 ? 'one value' : shape.map((length) => plainText(String(length)) || '?').join('×');
}

export function isNumeric({ type }: ValueDescription): boolean {
  return /^(float(16|32|64)|u?int(8|16|32|64)|bool)$/.test(type);
}

export function isFloat({ type }: ValueDescription): boolean {
  return /^float(16|32|64)$/.test(type);
}

/**
 * The output of that name, else the first that `suits`, else the first at all.
 *
 * @throws InferenceError `MODEL_OUTPUT_UNSUPPORTED`
 */
export function chooseOutput(
  { outputs }: GraphOutputs,
  name: string | undefined,
  suits: (output: ValueDescription) => boolean,
): ValueDescription {
  const chosen =
    name === undefined
      ? (outputs.find((output) => isNumeric(output) && suits(output)) ?? outputs[0])
      : outputs.find((output) => output.name === name);
  if (chosen === undefined) {
    const known = outputs.map((output) => plainText(output.name)).join(', ');
    throw unsupportedOutput(`the graph has no output '${plainText(name ?? '')}'`, `It has: ${known}.`);
  }
  return checkOutput(chosen);
}

/** @throws InferenceError `MODEL_OUTPUT_UNSUPPORTED` where its numbers cannot be handed on */
export function checkOutput(output: ValueDescription): ValueDescription {
  if (SPECIAL.has(output.name)) throw unsupportedOutput(`'${output.name}' is no name for an output`);
  if (!isNumeric(output)) {
    throw unsupportedOutput(`output '${plainText(output.name)}' is ${plainText(output.type)}, not numbers`);
  }
  return output;
}
