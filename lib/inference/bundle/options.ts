/**
 * What a model is loaded with: a bundle knows how it is fed and read, a node knows where it runs and
 * where its thresholds are. What a node says against the bundle is refused, not ignored: a wrong
 * normalisation gives plausible nonsense.
 */
import { InferenceError } from '../errors.ts';
import type { HeadOptions } from '../heads/head.ts';
import type { LoadOptions } from '../host/host.ts';
import type { ModelSource } from '../model/model.ts';
import { headOf, inputOf } from './manifest.ts';

/** What a node may set otherwise than the bundle: it moves the line between much and little, not the meaning. */
const THRESHOLDS = ['confidence', 'iou', 'topK', 'maxObjects', 'threshold', 'minArea', 'level'];

type Fields = Readonly<Record<string, unknown>>;

/** `auto` and what is left out are no wishes. */
function wishes(fields: object): [name: string, wish: unknown][] {
  return Object.entries(fields).filter(([, wish]) => wish !== undefined && wish !== 'auto');
}

/** Numbers typed with a few digits count as the same. */
function isSame(one: unknown, other: unknown): boolean {
  if (typeof one === 'number' && typeof other === 'number') {
    return Math.abs(one - other) <= 1e-3 * Math.max(Math.abs(one), Math.abs(other));
  }
  if (Array.isArray(one) && Array.isArray(other)) {
    return one.length === other.length && one.every((item, index) => isSame(item, other[index]));
  }
  return one === other;
}

function shown(value: unknown): string {
  const text = JSON.stringify(value);
  return text.length > 80 ? `${text.slice(0, 80)}…` : text;
}

/** What the bundle says, with what the node says where the bundle says nothing or `auto`. */
function merged(
  model: string,
  bundle: Fields,
  node: object,
  free: readonly string[],
): Record<string, unknown> {
  const result: Record<string, unknown> = { ...bundle };
  for (const [name, wish] of wishes(node)) {
    const said = bundle[name];
    if (said === undefined || said === 'auto' || free.includes(name)) result[name] = wish;
    else if (!isSame(said, wish)) {
      throw new InferenceError(
        'BUNDLE_CONTRADICTED',
        `the bundle ${model} says ${name} ${shown(said)}, the configuration ${shown(wish)}`,
        { hint: `Leave ${name} to the bundle: set it to automatic or empty.` },
      );
    }
  }
  return result;
}

/**
 * The options to load `source` with. Of a bare graph they are what the node wants.
 *
 * @throws InferenceError `BUNDLE_CONTRADICTED` where the node wants another task, input, format or labels
 */
export function modelOptions(source: ModelSource, wanted: LoadOptions): LoadOptions {
  if (source.bundle === undefined) return wanted;
  const { manifest } = source.bundle;
  const { input, head } = wanted;
  return {
    ...wanted,
    // as checked as the manifest is: task and its options, thresholds of the node's type
    head: merged(source.name, { ...headOf(manifest) }, head, THRESHOLDS) as unknown as HeadOptions,
    input: merged(source.name, inputOf(manifest), input ?? {}, []),
  };
}
