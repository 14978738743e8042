/**
 * The trial of a model: before it may serve, it is tried in a process of its own on the providers
 * asked for. A graph that never ends, eats the memory or takes its process down does it there, and
 * the models that serve go on. With `auto` every provider this runtime has is timed and the fastest
 * taken; of a list, the first that passes. Only a provider that has passed may take over from it.
 *
 * A trial that was passed holds for the life of this process: the same bytes with the same options
 * are not tried again. Where a provider that the runtime lists was not up to it, only for a minute: its
 * driver may be mended.
 */
import { canonicalJson } from '../../canonical.ts';
import { ChildEnded } from '../host/child.ts';
import { InferenceError } from '../errors.ts';
import { GoldenMismatch, type GoldenResult } from './golden.ts';
import { checkModel, type ModelSource } from '../model/model.ts';
import type { GraphInfo } from '../host/protocol.ts';
import { providerHint } from '../graph/provider-hints.ts';
import { asModelError, tryOn, type Attempt, type Benchmark, type TrialOptions } from './provider-trial.ts';
import { PROVIDERS } from '../graph/providers.ts';
import { Remembered } from './remembered.ts';

/** Trials remembered; a gateway has a handful of models and their versions of the week. */
const REMEMBERED = 32;
/** Long enough for a dialog and all nodes of a deployment, and sooner over than any driver is mended. */
const PROVISIONAL_MS = 60_000;

/** A provider that would not do, why, and what to do about that. */
export interface Refusal {
  provider: string;
  message: string;
  hint: string;
}

/** A trial that was passed. */
export interface Trial {
  /** To serve with: the provider taken, then those that may take over from it. All of them passed. */
  providers: readonly string[];
  graph: GraphInfo;
  refused: readonly Refusal[];
  /** One for each provider that ran the graph, the fastest first. */
  benchmarks: readonly Benchmark[];
  golden: readonly GoldenResult[];
  /** Whether another outcome is possible without another model or another runtime. */
  isProvisional: boolean;
  /** All of it, the wait for other trials included. */
  ms: number;
}

/** What no other provider will do better. */
const FAULTS_OF_THE_MODEL: ReadonlySet<string> = new Set([
  'MODEL_INPUT_UNSUPPORTED',
  'MODEL_OUTPUT_UNSUPPORTED',
  'OUTPUT_TOO_LARGE',
  'HOST_UNAVAILABLE',
]);

/** One trial under way. */
class Examination {
  readonly #source: ModelSource;
  readonly #options: TrialOptions;
  readonly #signal: AbortSignal;
  readonly #isAuto: boolean;
  readonly #attempts: Attempt[] = [];
  readonly #refused: (Refusal & { error: InferenceError })[] = [];
  #backends: readonly string[] = [];

  constructor(source: ModelSource, options: TrialOptions, signal: AbortSignal) {
    this.#source = source;
    this.#options = options;
    this.#signal = signal;
    this.#isAuto = options.providers.includes('auto');
  }

  async run(): Promise<Trial> {
    const begun = performance.now();
    if (this.#isAuto) await this.#tryAll();
    else await this.#tryInOrder(this.#options.providers);
    const quickest = this.#attempts.toSorted((a, b) => a.benchmark.p50Ms - b.benchmark.p50Ms);
    const [best] = this.#isAuto ? quickest : this.#attempts;
    if (best === undefined) throw this.#failure();
    return {
      providers: this.#servingOrder(best.graph.provider),
      graph: best.graph,
      refused: this.#refused.map(({ provider, message, hint }) => ({ provider, message, hint })),
      benchmarks: quickest.map(({ benchmark }) => benchmark),
      golden: best.golden,
      isProvisional: this.#refused.some(
        ({ provider, error }) => this.#backends.includes(provider) && error.code !== 'MODEL_GOLDEN_MISMATCH',
      ),
      ms: performance.now() - begun,
    };
  }

  /** The CPU first: it is everywhere, knows the others of this runtime, and bears no driver's blame. */
  async #tryAll(): Promise<void> {
    await this.#try('cpu');
    for (const provider of PROVIDERS) {
      if (provider !== 'cpu' && this.#backends.includes(provider)) await this.#try(provider);
    }
  }

  async #tryInOrder(providers: readonly string[]): Promise<void> {
    const unknown = providers.find((provider) => !PROVIDERS.includes(provider));
    if (unknown !== undefined || providers.length === 0) {
      throw new InferenceError('PROVIDER_UNKNOWN', `there is no execution provider '${unknown ?? ''}'`, {
        hint: `There are: ${PROVIDERS.join(', ')}; or auto, which takes the fastest.`,
      });
    }
    for (const provider of new Set(providers)) {
      // what this runtime lacks is no news once another serves
      if (!this.#hasPassed || this.#backends.includes(provider)) await this.#try(provider);
    }
  }

  get #hasPassed(): boolean {
    return this.#attempts.length > 0;
  }

  /** What is not the provider's fault is thrown, unless the model has passed on another. */
  async #try(provider: string): Promise<void> {
    try {
      const onBackends = (backends: readonly string[]): unknown => (this.#backends = backends);
      const asking = { onBackends, signal: this.#signal };
      this.#attempts.push(await tryOn(provider, this.#source, this.#options, asking));
    } catch (thrown) {
      this.#signal.throwIfAborted();
      const error = asModelError(thrown);
      // a graph that kills or outlasts the process on the CPU would do so sixty seconds long elsewhere
      const isHostile = thrown instanceof ChildEnded || error.code === 'MODEL_LOAD_TIMEOUT';
      const isFinal =
        FAULTS_OF_THE_MODEL.has(error.code) ||
        (error instanceof GoldenMismatch && !this.#isAuto) ||
        (isHostile && provider === 'cpu');
      if (isFinal && !this.#hasPassed) throw error;
      const hint = error.code === 'PROVIDER_UNAVAILABLE' ? providerHint(provider) : (error.hint ?? '');
      const { message } = error;
      this.#refused.push({
        provider,
        message,
        hint,
        error: new InferenceError(error.code, message, { hint, cause: error }),
      });
    }
  }

  /** The CPU has the last word on a graph, if it was asked. */
  #failure(): InferenceError {
    const word = this.#refused.find(({ provider }) => provider === 'cpu') ?? this.#refused.at(-1);
    const { error } = word as { error: InferenceError };
    if (error.code !== 'PROVIDER_UNAVAILABLE' || this.#refused.length === 1) return error;
    const reasons = this.#refused.map(({ provider, message }) => `${provider}: ${message}`);
    const hints = [...new Set(this.#refused.map(({ hint }) => hint))];
    return new InferenceError('PROVIDER_UNAVAILABLE', reasons.join('; '), {
      hint: hints.join(' '),
      cause: error,
    });
  }

  /** What may take over where the provider fails later; in strict mode nobody chose any for `auto`. */
  #servingOrder(provider: string): string[] {
    const passed = this.#attempts.map(({ graph }) => graph.provider);
    if (!this.#isAuto) return passed;
    const isBackedUp = provider !== 'cpu' && this.#options.strict !== true && passed.includes('cpu');
    return isBackedUp ? [provider, 'cpu'] : [provider];
  }
}

/** How long a trial is remembered. */
export function trialHoldsMs({ isProvisional }: Pick<Trial, 'isProvisional'>): number {
  return isProvisional ? PROVISIONAL_MS : Infinity;
}

const trials = new Remembered<Trial>(REMEMBERED, trialHoldsMs);

function keyOf({ digest }: ModelSource, options: TrialOptions): string {
  const { providers, strict = false, head, goldenHead = head, input = {}, golden = [] } = options;
  const samples = golden.map(({ name, expected, tolerance }) => ({ name, expected, tolerance }));
  return canonicalJson({ digest, providers, strict, head, goldenHead, input, samples });
}

/**
 * Tries a model as `options` ask, or remembers that it was. An aborted `signal` rejects with its reason,
 * and ends the trial unless somebody else waits for it.
 *
 * @throws InferenceError `MODEL_TOO_LARGE`, `MODEL_INVALID`, `MODEL_INPUT_UNSUPPORTED`,
 *   `MODEL_OUTPUT_UNSUPPORTED`, `OUTPUT_TOO_LARGE`, `MODEL_LOAD_TIMEOUT`, `PROVIDER_UNKNOWN`,
 *   `PROVIDER_UNAVAILABLE`, `HOST_UNAVAILABLE`; GoldenMismatch
 */
export async function tryModel(
  source: ModelSource,
  options: TrialOptions,
  { signal }: { signal?: AbortSignal | undefined } = {},
): Promise<Trial> {
  checkModel(source);
  const examine = (abandoned: AbortSignal): Promise<Trial> =>
    new Examination(source, options, abandoned).run();
  return await trials.get(keyOf(source, options), examine, signal);
}
