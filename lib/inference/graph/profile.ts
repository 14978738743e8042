/** Which provider really ran which nodes of a graph, read from the profile ONNX Runtime writes of a run. */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { InferenceSession } from 'onnxruntime-node';
import type { ProviderShare } from '../host/protocol.ts';

/** One event of the profile (Chrome's trace format); times in µs. */
interface ProfileEvent {
  cat?: string;
  name?: string;
  ts?: number;
  dur?: number;
  args?: { provider?: string; op_name?: string };
}

export type ProfilingOptions = Required<
  Pick<InferenceSession.SessionOptions, 'enableProfiling' | 'profileFilePrefix'>
>;

/** As nodes and dialogs name providers: `CUDAExecutionProvider` is `cuda`. */
function shortName(provider: string): string {
  const name = provider.replace(/ExecutionProvider$/, '').toLowerCase();
  return name === 'js' ? 'webgpu' : name;
}

/**
 * The shares of the last run in a profile, the one with the most time first. Times are those of the
 * host's side: an accelerator may still compute when a node's has ended.
 */
export function sharesOf(events: readonly ProfileEvent[]): ProviderShare[] {
  const lastRun = events.findLast(({ cat, name }) => cat === 'Session' && name === 'model_run')?.ts ?? 0;
  const shares = new Map<string, ProviderShare>();
  for (const { cat, ts = 0, dur = 0, args } of events) {
    if (cat !== 'Node' || ts < lastRun) continue;
    // a fence before or after a node has no provider
    if (args?.provider === undefined || args.op_name === undefined) continue;
    const provider = shortName(args.provider);
    const share = shares.get(provider) ?? { provider, nodes: 0, ms: 0, operators: {} };
    shares.set(provider, share);
    share.nodes += 1;
    share.ms += dur / 1000;
    share.operators[args.op_name] = (share.operators[args.op_name] ?? 0) + 1;
  }
  return [...shares.values()].sort((a, b) => b.ms - a.ms);
}

/** Lets `use` run a session that it makes with these options, and reads what was written into the folder. */
export async function profiled(
  folder: string,
  use: (options: ProfilingOptions) => Promise<void>,
): Promise<ProviderShare[]> {
  await use({ enableProfiling: true, profileFilePrefix: join(folder, 'run') });
  const [file] = await readdir(folder);
  if (file === undefined) return [];
  return sharesOf(JSON.parse(await readFile(join(folder, file), 'utf8')) as ProfileEvent[]);
}
