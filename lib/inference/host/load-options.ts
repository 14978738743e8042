/** How a model is to be opened, fed, read and queued for. */
import type { GraphOutputs, HeadOptions } from '../heads/head.ts';
import type { InputRecipe } from '../graph/input.ts';
import type { QueuePolicy } from './queue.ts';

export interface LoadOptions {
  /** Execution providers in the order in which they are tried. */
  providers: readonly string[];
  /** Refuse a provider that would leave part of the graph to the CPU. */
  strict?: boolean;
  head: HeadOptions;
  input?: Partial<InputRecipe>;
  /** What an earlier load learned about the graph's values; the load is quicker for it. */
  graph?: GraphOutputs;
  queue?: QueuePolicy;
  queueLimit?: number;
  /** Longest run before the child is ended. Default: ten times the slowest warm run, at least 1 s. */
  watchdogMs?: number;
  /** Longest load, warm-up included. Default 10 s, a minute for an accelerator, ten for TensorRT. */
  loadTimeoutMs?: number;
}

export function loadTimeout({ providers, loadTimeoutMs }: LoadOptions): number {
  if (loadTimeoutMs !== undefined) return loadTimeoutMs;
  if (providers.includes('tensorrt')) return 600_000;
  return providers.every((provider) => provider === 'cpu') ? 10_000 : 60_000;
}
