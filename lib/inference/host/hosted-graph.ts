/**
 * One graph of a host: its bytes for every start of the child, and what it turned out to be. It is
 * ready when it is warm, which takes several small requests, so that frames of other models go
 * between them.
 */
import type { ModelReference } from '../../inspection/inspection.ts';
import { ChildEnded, type HostChild } from './child.ts';
import { InferenceError } from '../errors.ts';
import { loadTimeout, type LoadOptions } from './load-options.ts';
import type { ModelSource } from '../model/model.ts';
import type { GraphInfo } from './protocol.ts';
import { warmUp } from './warm-up.ts';

/** Lets `action` have the child to itself once it is its turn. */
export type TakeTurn = <Result>(action: (child: HostChild) => Promise<Result>) => Promise<Result>;

const MIN_WATCHDOG_MS = 1000;
const WATCHDOG_FACTOR = 10;

/** A child was replaced by another before the graph was ready in it. */
class Replaced extends Error {}

export class HostedGraph {
  /** By which the child knows it. */
  readonly id: number;
  readonly source: ModelSource;
  readonly options: LoadOptions;
  /** Why the last child could not load it. */
  failure: Error | undefined;
  /** Sorted durations of the warm runs but the first. */
  #warmMs: number[] = [];
  #info: GraphInfo | undefined;
  #loadedIn: HostChild | undefined;
  #readyIn: HostChild | undefined;

  constructor(id: number, source: ModelSource, options: LoadOptions) {
    this.id = id;
    this.source = source;
    this.options = options;
  }

  get reference(): ModelReference {
    const { name, version, digest } = this.source;
    return { name, version, digest };
  }

  get info(): GraphInfo {
    if (this.#info === undefined) throw new InferenceError('MODEL_CLOSED', 'the model is not loaded');
    return this.#info;
  }

  /** Median of the warm runs after the first: the graph alone. */
  get warmMs(): number {
    return this.#warmMs[this.#warmMs.length >> 1] ?? 0;
  }

  /** Longest that one run may take. */
  get watchdogMs(): number {
    const slowest = this.#warmMs.at(-1) ?? 0;
    return this.options.watchdogMs ?? Math.max(MIN_WATCHDOG_MS, WATCHDOG_FACTOR * slowest);
  }

  isLoadedIn(child: HostChild): boolean {
    return this.#loadedIn === child;
  }

  isReadyIn(child: HostChild): boolean {
    return this.#readyIn === child;
  }

  /**
   * Loads it into whatever child there is, as often as that is replaced for another's fault, and
   * warms it up with a measurement.
   *
   * @throws what the child answers, `MODEL_LOAD_TIMEOUT`; ChildEnded when it ended over this graph
   */
  async load(takeTurn: TakeTurn): Promise<void> {
    for (;;) {
      try {
        const budget = new Budget(loadTimeout(this.options));
        const loadedIn = await takeTurn((child) => this.#create(child, budget));
        const warm = (): Promise<number> =>
          takeTurn(async (child) => {
            if (child !== loadedIn) throw new Replaced();
            return await this.#warm(child, budget);
          });
        this.#warmMs = await warmUp(warm);
        this.#readyIn = loadedIn;
        return;
      } catch (error) {
        if (!(error instanceof Replaced)) throw error;
      }
    }
  }

  /**
   * Loads it again, into a child that was started for one that ended; `failure` says what failed.
   * In one turn, so that the first model need not wait for the last.
   */
  async reload(takeTurn: TakeTurn, into: HostChild): Promise<void> {
    const budget = new Budget(loadTimeout(this.options));
    this.failure = undefined;
    try {
      await takeTurn(async (child) => {
        if (child !== into) throw new Replaced();
        await this.#create(child, budget);
        await this.#warm(child, budget);
      });
      this.#readyIn = into;
    } catch (error) {
      // where the child has ended it is loaded into the next
      if (!into.hasEnded) this.failure = error as Error;
    }
  }

  async #create(child: HostChild, budget: Budget): Promise<HostChild> {
    const { providers, strict = false, head, input = {}, graph } = this.options;
    const known = graph === undefined ? {} : { graph };
    const question = { model: this.id, providers, strict, head, input, ...known };
    const payload = this.source.bytes;
    const { header } = await budget.spend((limitMs) => child.ask('load', question, { payload, limitMs }));
    this.#info = header.info;
    this.#loadedIn = child;
    return child;
  }

  /** One run on a black picture, in ms. */
  async #warm(child: HostChild, budget: Budget): Promise<number> {
    const question = { model: this.id, runs: 1 };
    const { header } = await budget.spend((limitMs) => child.ask('warm', question, { limitMs }));
    return header.ms[0] ?? 0;
  }
}

/** The time a load may take, in which the turns of others do not count. */
export class Budget {
  readonly #limitMs: number;
  #spentMs = 0;

  constructor(limitMs: number) {
    this.#limitMs = limitMs;
  }

  async spend<Result>(ask: (limitMs: number) => Promise<Result>): Promise<Result> {
    const leftMs = Math.max(1, this.#limitMs - this.#spentMs);
    const begun = performance.now();
    try {
      return await ask(leftMs);
    } catch (error) {
      if (!(error instanceof ChildEnded) || performance.now() - begun < leftMs) throw error;
      throw new InferenceError('MODEL_LOAD_TIMEOUT', `the model was not ready within ${this.#limitMs} ms`, {
        hint: 'The graph may never end. If it is only slow, give it a longer load time.',
        cause: error,
      });
    } finally {
      this.#spentMs += performance.now() - begun;
    }
  }
}
