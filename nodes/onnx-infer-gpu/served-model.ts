/**
 * The model a node serves with: opened at deploy, and replaced while it serves when its file changes or a
 * person asks. A new model that is refused leaves the old one where it is.
 */
import { resolve } from 'node:path';
import { asCodedError } from '../../lib/errors.ts';
import { fingerprint, ModelWatch } from '../../lib/inference/model/watch.ts';
import { readModel, type ModelSource } from '../../lib/inference/model/model.ts';
import { openModel, type OpenModel } from '../../lib/inference/open-model.ts';
import type { ModelReference } from '../../lib/inspection/inspection.ts';
import type { Station } from '../../lib/station/types.ts';
import { alarmsOf, type NodeAlarms } from '../runtime/alarms.ts';
import type { NodeContext } from '../runtime/register.ts';
import { standDownForChanged } from '../runtime/station.ts';
import { ModelBadge } from './model-badge.ts';
import { cardOf, type ModelCard } from './model-card.ts';
import { modelFile, modelFolder } from '../runtime/model-file.ts';
import type { Config } from './options.ts';

export interface SwapRequest {
  actor: string;
  reason: string;
}

/** Which model serves after a swap was asked for. */
export interface Swap {
  model: ModelReference;
  /** False where the file holds the model that served already. */
  isNew: boolean;
}

export class ServedModel {
  readonly badge: ModelBadge;
  readonly #context: NodeContext<Config>;
  readonly #station: Station | undefined;
  readonly #alarms: NodeAlarms;
  #model: OpenModel | undefined;
  /** Why there is no model yet. */
  #refused: unknown;
  #card: ModelCard | undefined;
  #watch: ModelWatch | undefined;
  /** Swaps follow each other: two at once would leave open which one serves. */
  #turn: Promise<unknown> = Promise.resolve();

  constructor(context: NodeContext<Config>, station: Station | undefined) {
    this.#context = context;
    this.#station = station;
    this.#alarms = alarmsOf(context.node, station);
    this.badge = new ModelBadge(context.status, context.config.load.providers);
  }

  /** The open model. Only for after {@link start}. @throws InferenceError why it could not be opened */
  get model(): OpenModel {
    if (this.#model !== undefined) return this.#model;
    throw this.#refused === undefined
      ? new Error('the model has not been opened')
      : asCodedError(this.#refused);
  }

  /** Undefined until the model is open. */
  get card(): ModelCard | undefined {
    return this.#card;
  }

  /** @throws InferenceError where the model cannot be opened and is not followed either */
  async start(): Promise<void> {
    const { config, signal } = this.#context;
    this.badge.loading();
    // before it is read: what comes while it is tried is another one
    const followed = config.follow ? await this.#followed() : undefined;
    try {
      await this.#open(await this.#read());
    } catch (error) {
      if (!signal.aborted) this.#alarms.raise('MODEL_MISSING', asCodedError(error).message);
      if (followed === undefined || signal.aborted) throw error;
      this.#refuse(error);
    }
    if (followed === undefined) return;
    const { path, known } = followed;
    this.#watch = new ModelWatch(path, () => void this.#follow(), { known });
  }

  /**
   * Reads the file again and puts what is in it into service, between two frames.
   *
   * @throws InferenceError as `readModel` and `openModel`; the model that served goes on then
   */
  swap(request: SwapRequest): Promise<Swap> {
    const swapped = this.#turn.then(() => this.#swap(request));
    this.#turn = swapped.catch((error: unknown) => standDownForChanged(this.#station, error));
    return swapped;
  }

  async close(removed: boolean): Promise<void> {
    if (removed) this.#alarms.clear('MODEL_MISSING', 'MODEL_STALE');
    this.#watch?.close();
    await this.#turn;
    await this.#model?.close();
  }

  async #read(): Promise<ModelSource> {
    const { RED, config } = this.#context;
    return await readModel(await modelFile(RED, config.modelPath));
  }

  async #open(source: ModelSource): Promise<void> {
    const { config, signal } = this.#context;
    this.#model = await openModel(source, config.load, { signal });
    this.#card = cardOf(source, this.model);
    this.#alarms.clear('MODEL_MISSING');
    this.#warn();
    this.badge.ready(this.model.info);
  }

  /** What to watch, with what it is now; a file that is not there yet can still come. */
  async #followed(): Promise<{ path: string; known: string }> {
    const { RED, config } = this.#context;
    const path = await modelFile(RED, config.modelPath).catch((error: unknown) => {
      if (asCodedError(error).code !== 'MODEL_NOT_FOUND') throw error;
      return resolve(modelFolder(RED), config.modelPath);
    });
    return { path, known: (await fingerprint(path)) ?? '' };
  }

  /** There is no model; each part ends in why, until the file is another one. */
  #refuse(error: unknown): void {
    const { code, message } = asCodedError(error);
    this.#refused = error;
    this.badge.failed(code);
    this.#context.node.error(`${code}: ${message}`);
  }

  async #follow(): Promise<void> {
    const context = this.#context;
    try {
      await this.swap({ actor: 'system', reason: 'the model file changed' });
    } catch (error) {
      if (context.signal.aborted) return;
      if (this.#model === undefined) {
        this.#refuse(error);
        return;
      }
      const { code, message } = asCodedError(error);
      this.badge.kept(code, this.model.info);
      this.#alarms.raise('MODEL_STALE', message);
      context.node.warn(context.translate('onnx-infer-gpu.error.kept', { code, message }));
    }
  }

  async #swap(request: SwapRequest): Promise<Swap> {
    const { config, signal } = this.#context;
    const source = await this.#read();
    const before = this.#model?.info.model;
    this.#alarms.clear('MODEL_STALE');
    if (before !== undefined && source.digest === before.digest) {
      this.badge.restored(this.model.info);
      return { model: before, isNew: false };
    }
    signal.throwIfAborted();
    if (this.#model === undefined) await this.#open(source);
    else {
      await this.#model.swap(source, config.load, { signal });
      this.#card = cardOf(source, this.#model);
      this.badge.swapped(source.version);
      this.#warn();
    }
    await this.#tellStation(source, before, request);
    return { model: this.model.info.model, isNew: true };
  }

  /** A person armed the station with the model before; the swap itself narrows nothing. */
  async #tellStation(
    source: ModelSource,
    before: ModelReference | undefined,
    request: SwapRequest,
  ): Promise<void> {
    const station = this.#station;
    if (station === undefined) return;
    const { name, version, digest } = source;
    if (before !== undefined) this.#alarms.raise('MODEL_CHANGED', `${name} ${version}: ${request.reason}`);
    void station.disarm({ actor: 'system', reason: `MODEL_CHANGED: ${name} ${version} was loaded` });
    try {
      const journal = await station.journal();
      const detail = { version, digest, before: before?.digest ?? null, reason: request.reason };
      await journal.appendLedger({ type: 'model.swap', actor: request.actor, object: name, detail });
    } catch (error) {
      this.#context.fail(error);
    }
  }

  #warn(): void {
    const context = this.#context;
    for (const { provider, message } of this.model.info.refused) {
      context.node.warn(context.translate('onnx-infer-gpu.error.refused', { provider, message }));
    }
  }
}
