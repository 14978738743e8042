/**
 * Which execution provider runs a graph. ONNX Runtime creates a session on the CPU for a provider
 * name it does not know on this platform (`dml` on Linux) with no more than a console warning, so
 * names are checked against its own list first, and each is tried alone, in the user's order.
 */
import type { InferenceSession } from 'onnxruntime-node';
import { InferenceError } from '../errors.ts';

/** All that Jidoka knows, those that are worth trying first at the front. */
export const PROVIDERS: readonly string[] = ['tensorrt', 'cuda', 'dml', 'coreml', 'webgpu', 'cpu'];

/** @throws InferenceError `PROVIDER_UNKNOWN` */
export function checkProviders(providers: readonly string[], known: readonly string[]): void {
  const unknown = providers.find((provider) => !known.includes(provider));
  if (unknown === undefined && providers.length > 0) return;
  throw new InferenceError('PROVIDER_UNKNOWN', `there is no execution provider '${unknown ?? ''}' here`, {
    hint: `This machine's ONNX Runtime has: ${known.join(', ')}.`,
  });
}

/** Threads for one graph: a core stays free for Node-RED, else its event loop jitters (p99 22 → 38 ms). */
function threads(cores: number): number {
  return Math.max(1, cores - 1);
}

/**
 * Session options for one provider. All optimisation gain is at `all`; parallel execution is
 * 2–4 times slower; spinning between runs burns the cores other sessions want.
 */
export function sessionOptions(
  provider: string,
  { strict, device, cores }: { strict: boolean; device: string; cores: number },
): InferenceSession.SessionOptions {
  const [name, index] = device.split(':');
  const numbered = { name: provider, deviceId: Number(index) };
  const isNumbered = index !== undefined && name === provider;
  // what TensorRT leaves out of its engine goes to CUDA, which it needs anyway, before it goes to the CPU
  const next = provider === 'tensorrt' ? ['cuda'] : [];
  // ORT refuses the switch when the CPU was asked for by name
  const isStrict = strict && provider !== 'cpu';
  return {
    executionProviders: [isNumbered ? numbered : provider, ...next],
    graphOptimizationLevel: 'all',
    executionMode: 'sequential',
    intraOpNumThreads: threads(cores),
    logSeverityLevel: 3,
    extra: {
      session: {
        intra_op: { allow_spinning: '0' },
        inter_op: { allow_spinning: '0' },
        ...(isStrict ? { disable_cpu_ep_fallback: '1' } : {}),
      },
    },
  };
}
