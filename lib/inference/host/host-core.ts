/**
 * The order of what the one child of a device does: one thing at a time. Loading, warming up and
 * unloading take turns with frames, and among frames that model comes first whose last turn is
 * longest ago. A child that ended is replaced, and gets its graphs back, before the next part comes.
 */
import { Backoff, type BackoffBounds } from '../../backoff.ts';
import { ChildEnded, type HostChild } from './child.ts';
import { InferenceError } from '../errors.ts';
import { HostedGraph } from './hosted-graph.ts';
import { noFrames, type FrameCounts } from './inference-result.ts';
import type { LoadOptions } from './load-options.ts';
import { checkModel, type ModelSource } from '../model/model.ts';
import { Supervisor, type HostState, type SupervisorOptions } from './supervisor.ts';

/** Between attempts to load a graph again that worked before. */
const RELOAD_WAIT: BackoffBounds = { firstMs: 1000, maxMs: 60_000 };

/** A model as its host sees it. */
export interface Hosted {
  /** The one that serves. */
  graph: HostedGraph;
  readonly hasFrames: boolean;
  /** Has the first waiting frame looked at; never rejects. */
  runNext(child: HostChild): Promise<void>;
  /** Gives every waiting frame this end. */
  rejectFrames(error: Error): void;
}

/** Something other than a frame that wants the child to itself. */
interface Turn {
  /** Whether a child is started for it. */
  starts: boolean;
  /** Never rejects. */
  run(child: HostChild): Promise<void>;
  reject(error: Error): void;
}

interface TurnOptions {
  /** The child tries a new graph, which is to blame if it ends. */
  isTrial?: boolean;
  starts?: boolean;
}

export class HostCore {
  readonly device: string;
  readonly frames: FrameCounts = noFrames();
  readonly #supervisor: Supervisor;
  /** The one whose last turn is longest ago comes first. */
  readonly #models: Hosted[] = [];
  readonly #turns: Turn[] = [];
  #nextGraph = 1;
  #wasTurn = false;
  /** A child ended that had models. */
  #isMissed = false;
  #isWorking = false;
  #idle = Promise.resolve();

  constructor(device: string, options: SupervisorOptions) {
    this.device = device;
    this.#supervisor = new Supervisor(device, options, () => {
      this.#isMissed = this.#models.length > 0;
      this.wake();
    });
  }

  get state(): HostState {
    return this.#supervisor.state;
  }

  get crashes(): number {
    return this.#supervisor.crashes;
  }

  get pid(): number | undefined {
    return this.#supervisor.pid;
  }

  /** @throws InferenceError `HOST_CLOSED`, `HOST_TRIPPED` */
  check(): void {
    this.#supervisor.check();
  }

  /**
   * Loads and warms up a new graph beside those that serve. `check` throws when nobody wants it any
   * more.
   *
   * @throws InferenceError of the load; whatever `check` throws
   */
  async open(source: ModelSource, options: LoadOptions, check: () => void): Promise<HostedGraph> {
    checkModel(source);
    check();
    this.#supervisor.forgive();
    const graph = new HostedGraph(this.#nextGraph++, source, options);
    try {
      await graph.load((action) => {
        check();
        return this.#takeTurn(action, { isTrial: true });
      });
      check();
      return graph;
    } catch (error) {
      void this.unload(graph);
      check();
      if (!(error instanceof ChildEnded)) throw error;
      throw new InferenceError('MODEL_INVALID', `while loading the model ${error.message}`, { cause: error });
    }
  }

  /** Serves the frames of a model whose graph is open. */
  add(model: Hosted): void {
    this.#models.push(model);
    this.serve(model, model.graph);
  }

  /** Lets the model be served by an open graph from the next frame on. */
  serve(model: Hosted, graph: HostedGraph): void {
    model.graph = graph;
    const child = this.#supervisor.child;
    // the child it was opened in may have been replaced since
    if (child !== undefined && !graph.isReadyIn(child)) this.#reload(graph, child);
    this.wake();
  }

  async remove(model: Hosted): Promise<void> {
    const index = this.#models.indexOf(model);
    if (index >= 0) this.#models.splice(index, 1);
    await this.unload(model.graph);
  }

  /** Never rejects: a child that has ended holds nothing any more. */
  async unload(graph: HostedGraph): Promise<void> {
    const release = async (child: HostChild): Promise<void> => {
      if (graph.isLoadedIn(child)) await child.ask('unload', { model: graph.id });
    };
    await this.#takeTurn(release, { starts: false }).catch(() => undefined);
  }

  /** Ends the child after what it does now. */
  async quit(): Promise<void> {
    const ended = this.#supervisor.quit(this.#idle);
    this.#reject(new InferenceError('HOST_CLOSED', 'the inference host was released'));
    await ended;
  }

  /** Goes on with what there is to do. */
  wake(): void {
    if (this.#isWorking) return;
    this.#isWorking = true;
    this.#idle = this.#work();
  }

  #takeTurn<Result>(
    action: (child: HostChild) => Promise<Result>,
    { isTrial = false, starts = true }: TurnOptions = {},
  ): Promise<Result> {
    return new Promise((resolve, reject) => {
      this.#supervisor.check();
      const attempt = (child: HostChild): Promise<Result> =>
        isTrial ? this.#supervisor.onTrial(child, () => action(child)) : action(child);
      this.#turns.push({ starts, reject, run: (child) => attempt(child).then(resolve, reject) });
      this.wake();
    });
  }

  async #work(): Promise<void> {
    for (;;) {
      const child = this.#supervisor.child;
      if (child === undefined) {
        if (!this.#needsChild()) break;
        await this.#start();
      } else {
        const task = this.#next(child);
        if (task === undefined) break;
        await task;
      }
    }
    this.#isWorking = false;
  }

  #needsChild(): boolean {
    if (this.#isMissed || this.#turns.some(({ starts }) => starts)) return true;
    if (this.#models.some(({ hasFrames }) => hasFrames)) return true;
    // there is nothing to unload where there is no child
    this.#reject(new ChildEnded('the inference host has ended'));
    return false;
  }

  async #start(): Promise<void> {
    this.#isMissed = false;
    try {
      const child = await this.#supervisor.start();
      for (const { graph } of this.#models) this.#reload(graph, child);
    } catch (error) {
      this.#reject(error as Error);
    }
  }

  /**
   * Loads a graph again; one that does not load, for want of a GPU's memory just after a crash, say, is
   * tried again while it is served in this child.
   */
  #reload(graph: HostedGraph, child: HostChild, backoff = new Backoff(RELOAD_WAIT)): void {
    void graph
      .reload((action) => this.#takeTurn(action), child)
      .then(() => {
        this.wake();
        if (graph.failure === undefined) return;
        const again = (): void => {
          const isServed = this.#models.some((model) => model.graph === graph);
          if (isServed && !child.hasEnded) this.#reload(graph, child, backoff);
        };
        setTimeout(again, backoff.nextMs()).unref();
      });
  }

  /** Gives everything that waits this end. */
  #reject(error: Error): void {
    for (const turn of this.#turns.splice(0)) turn.reject(error);
    for (const model of this.#models) model.rejectFrames(error);
  }

  /** A frame after every turn of something else, where there is one of a model that is ready. */
  #next(child: HostChild): Promise<void> | undefined {
    const index = this.#models.findIndex(
      ({ hasFrames, graph }) => hasFrames && (graph.isReadyIn(child) || graph.failure !== undefined),
    );
    const turn = this.#wasTurn && index >= 0 ? undefined : this.#turns.shift();
    this.#wasTurn = turn !== undefined;
    if (turn !== undefined) return turn.run(child);
    const [model] = index < 0 ? [] : this.#models.splice(index, 1);
    if (model === undefined) return undefined;
    this.#models.push(model);
    return model.runNext(child);
  }
}
