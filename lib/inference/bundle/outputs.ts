/** Whether a graph gives the outputs its manifest tells of. */
import type { ModelGraph } from '../model/graph.ts';
import { quoted } from '../model/fields.ts';
import { bundleInvalid } from './files.ts';
import type { Manifest } from './manifest.ts';

const HINT = 'The manifest belongs to another graph, or the graph was exported anew: pack the bundle again.';

/** In the scan an open dimension counts 1, so that 1 fits any number. */
function fits(declared: readonly number[], shape: readonly (number | string)[]): boolean {
  return (
    declared.length === shape.length &&
    declared.every(
      (length, axis) => length === 1 || typeof shape[axis] !== 'number' || shape[axis] === length,
    )
  );
}

/** @throws InferenceError `BUNDLE_INVALID` */
export function checkOutputs({ outputs, shapes }: ModelGraph, manifest: Manifest): void {
  for (const { name, shape } of manifest.outputs) {
    if (!outputs.includes(name)) {
      const given = outputs.map((output) => quoted(output)).join(', ');
      throw bundleInvalid(`the graph has no output ${quoted(name)}; it has ${given}`, HINT);
    }
    const declared = shapes.get(name) ?? [];
    if (shape === undefined || declared.length === 0 || fits(declared, shape)) continue;
    throw bundleInvalid(
      `the output ${quoted(name)} is ${declared.join('×')}, model.json says ${shape.join('×')}`,
      HINT,
    );
  }
}
