/**
 * A model opened for the dialog alone, with the settings as they are typed: what it is, where it runs, and
 * what it sees in a picture. It goes its own way beside the node that is deployed, and ends with the dialog.
 */
import { randomUUID } from 'node:crypto';
import sharp, { type Sharp } from 'sharp';
import { asCodedError, CodedError } from '../../lib/errors.ts';
import { decodePixels } from '../../lib/frame/decode.ts';
import { bytesOf, type Frame } from '../../lib/frame/frame.ts';
import { GoldenMismatch } from '../../lib/inference/trial/golden.ts';
import type { InferenceResult } from '../../lib/inference/host/host.ts';
import type { ModelSource } from '../../lib/inference/model/model.ts';
import type { OpenModel } from '../../lib/inference/open-model.ts';
import { cardOf, type ModelCard } from './model-card.ts';

/** What opens the model; called once, at the start. The signal says that nobody wants it any more. */
export interface TrialOptions {
  read: () => Promise<ModelSource>;
  open: (source: ModelSource, signal: AbortSignal) => Promise<OpenModel>;
}

export interface Problem {
  code: string;
  message: string;
  hint?: string | undefined;
  /** Where golden samples came out otherwise than the bundle says, the worst of each first. */
  differences?: { sample: string; path: string; expected: string; got: string }[];
}

/** What the dialog is told while it waits, and afterwards. */
export type TrialState =
  | { state: 'loading'; ms: number }
  | { state: 'ready'; card: ModelCard }
  | { state: 'failed'; problem: Problem };

/** What a model says of one picture. */
export interface Look {
  /** Pixels of the picture the prediction is about. */
  width: number;
  height: number;
  source: string;
  provider: string;
  timings: InferenceResult['timings'];
  prediction: Record<string, unknown>;
  hasMask: boolean;
}

/** Wide enough for a dialog. */
const MAX_WIDTH = 960;
/** What the decoder takes too. */
const MAX_PIXELS = 100_000_000;
/** Letters of a value in a difference, differences of a sample, and of all together. */
const MAX_VALUE = 60;
const MAX_DIFFERENCES = 10;
const MAX_ROWS = 40;

export class TrialError extends CodedError<
  'NOT_FOUND' | 'TRIAL_LIMIT' | 'TRIAL_CLOSED' | 'IMAGE_INVALID' | 'IMAGE_TOO_LARGE'
> {}

export class Trial {
  readonly id = randomUUID();
  readonly #opened: Promise<{ model: OpenModel; card: ModelCard }>;
  readonly #startedAt = performance.now();
  #state: TrialState | undefined;
  readonly #closed = new AbortController();
  #looking: Promise<unknown> = Promise.resolve();
  #picture: Buffer | undefined;
  #mask: Buffer | undefined;

  /** `before` is what has to end first, for the sake of memory. */
  constructor(options: TrialOptions, before?: Promise<unknown>) {
    this.#opened = this.#open(options, before);
    this.#opened.then(
      ({ card }) => (this.#state = { state: 'ready', card }),
      (error: unknown) => (this.#state = { state: 'failed', problem: problemOf(error) }),
    );
  }

  get state(): TrialState {
    return this.#state ?? { state: 'loading', ms: performance.now() - this.#startedAt };
  }

  /** Which provider ran which part of the graph. @throws InferenceError */
  async prove(): Promise<Awaited<ReturnType<OpenModel['profile']>>> {
    const { model } = await this.#opened;
    return await model.profile();
  }

  /** What the model says of a picture; one after the other. @throws InferenceError, DecodeError */
  look(frame: Frame): Promise<Look> {
    const looked = this.#looking.then(() => this.#look(frame));
    this.#looking = looked.catch(() => undefined);
    return looked;
  }

  async #look(frame: Frame): Promise<Look> {
    const { model } = await this.#opened;
    this.#closed.signal.throwIfAborted();
    const { width, height, source } = frame;
    const result = await model.run(frame);
    const picture = await pictureOf(frame);
    const { provider, timings, prediction, pictures } = result;
    this.#picture = picture;
    this.#mask = pictures['mask']?.bytes;
    return { width, height, source, provider, timings, prediction, hasMask: this.#mask !== undefined };
  }

  /** JPEG of the picture last looked at, at most 960 pixels wide. */
  get picture(): Buffer {
    return kept(this.#picture);
  }

  /** PNG of its mask, where the head makes one. */
  get mask(): Buffer {
    return kept(this.#mask);
  }

  /** Ends at once for the dialog, and so does a load under way. */
  async close(): Promise<void> {
    this.#closed.abort(new TrialError('TRIAL_CLOSED', 'the dialog was closed'));
    const opened = await this.#opened.catch(() => undefined);
    await opened?.model.close();
  }

  async #open(
    { read, open }: TrialOptions,
    before: Promise<unknown> | undefined,
  ): Promise<{ model: OpenModel; card: ModelCard }> {
    if (before !== undefined) await before;
    this.#closed.signal.throwIfAborted();
    const source = await read();
    this.#closed.signal.throwIfAborted();
    const model = await open(source, this.#closed.signal);
    return { model, card: cardOf(source, model) };
  }
}

/** Of a value that a bundle or a model wrote. */
function spelled(value: unknown): string {
  if (typeof value === 'number') return String(Number(value.toPrecision(6)));
  const text = value === undefined ? '–' : JSON.stringify(value);
  return text.length > MAX_VALUE ? `${text.slice(0, MAX_VALUE)}…` : text;
}

function differencesIn(error: unknown): Problem['differences'] {
  if (!(error instanceof GoldenMismatch)) return undefined;
  return error.samples
    .flatMap(({ name, differences }) =>
      differences.slice(0, MAX_DIFFERENCES).map((each) => ({ name, ...each })),
    )
    .slice(0, MAX_ROWS)
    .map(({ name, path, expected, got }) => ({
      sample: name,
      path,
      expected: spelled(expected),
      got: spelled(got),
    }));
}

function problemOf(error: unknown): Problem {
  const { code, message, hint } = asCodedError(error) as Error & Problem;
  const differences = differencesIn(error);
  return { code, message, hint, ...(differences === undefined ? {} : { differences }) };
}

function kept(picture: Buffer | undefined): Buffer {
  if (picture === undefined) throw new TrialError('NOT_FOUND', 'there is no such picture yet');
  return picture;
}

/** JPEG is shrunk as it is decoded, and PNG row by row: the whole picture is never in memory. */
async function pipelineOf(frame: Frame): Promise<Sharp> {
  const bytes = await bytesOf(frame);
  if (frame.format === 'jpeg' || frame.format === 'png') {
    return sharp(bytes, { sequentialRead: true, limitInputPixels: MAX_PIXELS });
  }
  const { data, width, height, channels } = await decodePixels(
    bytes,
    frame.format,
    frame.width,
    frame.height,
  );
  return sharp(data, { raw: { width, height, channels } });
}

async function pictureOf(frame: Frame): Promise<Buffer> {
  return await (
    await pipelineOf(frame)
  )
    .removeAlpha()
    .toColourspace('srgb')
    .resize({ width: MAX_WIDTH, withoutEnlargement: true })
    .jpeg({ quality: 80 })
    .toBuffer();
}
