/** Every way of knowing normal operation, by its name in models and configurations. */
import type { Method } from './method.ts';
import { cusum, ewma, pageHinkley } from './charts.ts';
import { nearest } from './nearest.ts';
import { pca } from './pca.ts';
import { similarity } from './similarity.ts';

const METHODS = { nearest, similarity, pca, ewma, cusum, 'page-hinkley': pageHinkley } as const;
export type MethodName = keyof typeof METHODS;
export const METHOD_NAMES = Object.keys(METHODS) as MethodName[];

/** What a method learnt, as it came from the model's file: only the same method reads it again. */
export function methodOf(name: MethodName): Method<unknown> {
  return METHODS[name];
}
