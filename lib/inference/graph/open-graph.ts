/**
 * From the bytes of a graph to a session that takes plain pixels: what the graph says about itself
 * is learned, the head and the input recipe are settled, the recipe is folded into the graph where
 * it can be, and the first provider that will have it creates the session.
 */
import { availableParallelism } from 'node:os';
import type { InferenceSession } from 'onnxruntime-node';
import { foldInput } from './fold.ts';
import { InferenceError } from '../errors.ts';
import type { GraphOutputs } from '../heads/head.ts';
import { planHead, type ResolvedPlan } from '../heads/plan.ts';
import { resolveInput, type InputRecipe } from './input.ts';
import type { ProfilingOptions } from './profile.ts';
import type { GraphInfo, GraphRequest, ValueDescription } from '../host/protocol.ts';
import { checkProviders, sessionOptions } from './providers.ts';

export type Runtime = typeof import('onnxruntime-node');

export type SessionRequest = Omit<GraphRequest, 'id'>;

/** What was settled before the session was made. */
interface Settled {
  graph: GraphOutputs;
  plan: ResolvedPlan;
  recipe: InputRecipe;
}

export interface OpenedGraph extends Settled {
  session: InferenceSession;
  provider: string;
  refused: GraphInfo['refused'];
  /** The session takes RGB bytes; normalisation runs in the graph. */
  folded: boolean;
  /** All of it, from the bytes to the session. */
  createMs: number;
}

/** ORT's messages run over several lines; ours go into a status, a log line, a table. */
export function messageOf(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return text.replaceAll(/\s+/g, ' ').trim();
}

function describe(metadata: readonly InferenceSession.ValueMetadata[]): ValueDescription[] {
  return metadata.map((value) =>
    value.isTensor
      ? { name: value.name, type: value.type, shape: [...value.shape] }
      : { name: value.name, type: 'not a tensor', shape: [] },
  );
}

function valuesOf({ inputMetadata, outputMetadata }: InferenceSession): GraphOutputs {
  return { inputs: describe(inputMetadata), outputs: describe(outputMetadata) };
}

/**
 * Asks ORT about the graph's values by a session that is never run: shapes of outputs that the file
 * leaves out are worked out there. Unoptimised it takes a fifth of the real one (8 ms against 40 ms,
 * yolox_nano), and of TensorRT, which compiles for minutes, there is only one.
 */
async function learn(runtime: Runtime, bytes: Uint8Array): Promise<GraphOutputs | undefined> {
  let session: InferenceSession;
  try {
    session = await runtime.InferenceSession.create(bytes, {
      ...sessionOptions('cpu', { strict: false, device: 'cpu', cores: 1 }),
      graphOptimizationLevel: 'disabled',
    });
  } catch {
    // what the CPU will not have another provider may; if not, its reason is the one to report
    return undefined;
  }
  const values = valuesOf(session);
  await session.release();
  return values;
}

function settle({ head, input }: SessionRequest, graph: GraphOutputs): Settled {
  const plan = planHead(head, graph);
  return { graph, plan, recipe: resolveInput(graph.inputs, input, plan.input) };
}

/** The graph with the recipe inside; undefined where that cannot be done, and the tables feed it. */
function fold(bytes: Uint8Array, recipe: InputRecipe): Buffer | undefined {
  try {
    return foldInput(bytes, recipe);
  } catch {
    // ORT reads more than we do; if not even that, its reason is the one to report
    return undefined;
  }
}

/** None of the providers will have it; where the CPU was asked, its word on the graph counts. */
function refusal(refused: GraphInfo['refused']): InferenceError {
  const cpu = refused.find(({ provider }) => provider === 'cpu');
  if (cpu !== undefined) return new InferenceError('MODEL_INVALID', cpu.message);
  const [first, ...others] = refused.map(({ provider, message }) => `${provider}: ${message}`);
  const reasons = others.length === 0 ? (refused[0]?.message ?? '') : [first, ...others].join('; ');
  return new InferenceError('PROVIDER_UNAVAILABLE', reasons, {
    hint: 'Check the driver and the libraries of the provider, or add cpu at the end of the list.',
  });
}

/**
 * @throws InferenceError `PROVIDER_UNKNOWN`, `PROVIDER_UNAVAILABLE`, `MODEL_INVALID`,
 *   `MODEL_INPUT_UNSUPPORTED`, `MODEL_OUTPUT_UNSUPPORTED`
 */
export async function openGraph(
  runtime: Runtime,
  bytes: Uint8Array,
  request: SessionRequest,
  device: string,
  profiling?: ProfilingOptions,
): Promise<OpenedGraph> {
  const begun = performance.now();
  checkProviders(
    request.providers,
    runtime.listSupportedBackends().map(({ name }) => name),
  );
  const graph = request.graph ?? (await learn(runtime, bytes));
  const settled = graph === undefined ? undefined : settle(request, graph);
  const folded = settled === undefined ? undefined : fold(bytes, settled.recipe);
  const refused: GraphInfo['refused'] = [];
  for (const provider of request.providers) {
    const options = {
      ...sessionOptions(provider, { strict: request.strict, device, cores: availableParallelism() }),
      ...profiling,
    };
    const create = (content: Uint8Array): Promise<InferenceSession> =>
      runtime.InferenceSession.create(content, options);
    const createMs = (): number => performance.now() - begun;
    if (settled !== undefined && folded !== undefined) {
      // a provider may have the graph but not bytes as its input; then the table look-up feeds it
      const session = await create(folded).catch(() => undefined);
      if (session !== undefined)
        return { ...settled, session, provider, refused, folded: true, createMs: createMs() };
    }
    let session: InferenceSession;
    try {
      session = await create(bytes);
    } catch (error) {
      refused.push({ provider, message: messageOf(error) });
      continue;
    }
    try {
      const known = settled ?? settle(request, valuesOf(session));
      return { ...known, session, provider, refused, folded: false, createMs: createMs() };
    } catch (error) {
      await session.release();
      throw error;
    }
  }
  throw refusal(refused);
}
