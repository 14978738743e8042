/**
 * The rows that a lesson from the running machine has collected: `signal-lesson.jsonl` beside the versions
 * of the model, first the names of the columns, then a row a line. Whatever ends the process, the next one
 * goes on from here; a power cut costs the rows of the last seconds at most.
 */
import { createReadStream } from 'node:fs';
import { open, rm, stat, truncate, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { asWriteError } from '../anomaly/durable.ts';
import { holdModel } from '../anomaly/hold.ts';
import { modelFolder } from '../anomaly/model.ts';
import { SeriesError } from './errors.ts';
import type { Table } from './table.ts';

const FILE = 'signal-lesson.jsonl';
/** 20 000 rows of 150 features; more would not fit a gateway's memory when they are taught. */
const MAX_BYTES = 64 * 1024 * 1024;

function fileOf(folder: string, name: string): string {
  return join(modelFolder(folder, name), FILE);
}

/** True where a lesson was left unfinished. Throws `MODEL_NAME_INVALID`. */
export async function hasRows(folder: string, name: string): Promise<boolean> {
  return stat(fileOf(folder, name)).then(
    () => true,
    () => false,
  );
}

/** Throws `MODEL_NAME_INVALID`, `MODELS_UNWRITABLE`. */
export async function removeRows(folder: string, name: string): Promise<void> {
  await rm(fileOf(folder, name), { force: true }).catch((error: unknown) => {
    throw asWriteError(error, modelFolder(folder, name));
  });
}

/** What was collected, up to the first line that is not whole. Throws `SERIES_UNREADABLE`. */
export async function readRows(file: string): Promise<Table> {
  const table: Table = { columns: [], rows: [] };
  await eachLine(file, (line) => {
    if (isColumns(line)) table.columns = line;
    else table.rows.push(line);
  }).catch((cause: unknown) => {
    throw new SeriesError('SERIES_UNREADABLE', `${file} cannot be read`, { cause });
  });
  return table;
}

function isColumns(line: readonly string[] | readonly number[]): line is string[] {
  return typeof line[0] === 'string';
}

/** Bytes of the whole lines; each is handed on, a piece of the file at a time. */
async function eachLine(file: string, take: (line: string[] | number[]) => void): Promise<number> {
  const stream = createReadStream(file, 'utf8');
  let [bytes, width] = [0, 0];
  try {
    for await (const text of createInterface({ input: stream, crlfDelay: Infinity })) {
      const line = lineOf(text, width);
      if (line === undefined) break;
      width = line.length;
      bytes += Buffer.byteLength(text) + 1;
      take(line);
    }
  } finally {
    stream.destroy();
  }
  return bytes;
}

/** The first line holds names, all others as many numbers. */
function lineOf(text: string, width: number): string[] | number[] | undefined {
  const kind = width === 0 ? 'string' : 'number';
  try {
    const line = JSON.parse(text) as unknown;
    const isWhole =
      Array.isArray(line) &&
      line.length > 0 &&
      (width === 0 || line.length === width) &&
      line.every((value) => typeof value === kind);
    return isWhole ? (line as string[] | number[]) : undefined;
  } catch {
    return undefined;
  }
}

export class RowLog {
  readonly file: string;
  /** Names in the order of every row; none before the first row. */
  columns: readonly string[] = [];
  /** Rows that are in it or on their way there. */
  count = 0;
  readonly #handle: FileHandle;
  readonly #release: () => Promise<void>;
  #bytes = 0;
  #turn: Promise<unknown> = Promise.resolve();
  #closed: Promise<void> | undefined;

  private constructor(file: string, handle: FileHandle, release: () => Promise<void>) {
    this.file = file;
    this.#handle = handle;
    this.#release = release;
  }

  /**
   * Goes on with what is there, and holds the model until it is closed.
   * Throws `TEACH_BUSY`, `MODELS_UNWRITABLE`, `MODEL_NAME_INVALID`.
   */
  static async open(folder: string, name: string): Promise<RowLog> {
    const file = fileOf(folder, name);
    const release = await holdModel(folder, name);
    try {
      const log = new RowLog(file, await open(file, 'a'), release);
      log.#bytes = await eachLine(file, (line) => {
        if (isColumns(line)) log.columns = line;
        else log.count += 1;
      });
      // The last line may have been cut off.
      await truncate(file, log.#bytes);
      return log;
    } catch (error) {
      await release();
      throw asWriteError(error, modelFolder(folder, name));
    }
  }

  /**
   * Answers when the row is in the file, with its number from 1. The first row brings the names.
   * Throws `LESSON_TOO_LARGE`, `MODELS_UNWRITABLE`; the row then does not count.
   */
  async add(columns: readonly string[], row: readonly number[]): Promise<number> {
    const isFirst = this.columns.length === 0;
    const text = `${isFirst ? `${JSON.stringify(columns)}\n` : ''}${JSON.stringify(row)}\n`;
    if (this.#bytes > MAX_BYTES) {
      throw new SeriesError('LESSON_TOO_LARGE', 'the rows of this lesson take more than 64 MB', {
        hint: 'Teach from fewer windows, or send fewer features.',
      });
    }
    if (isFirst) this.columns = [...columns];
    const taken = (this.count += 1);
    const written = this.#turn.then(() => this.#append(text));
    this.#turn = written.catch(() => undefined);
    await written;
    return taken;
  }

  async #append(text: string): Promise<void> {
    try {
      await this.#handle.appendFile(text);
      this.#bytes += Buffer.byteLength(text);
    } catch (error) {
      // Half a line would end the lesson there.
      await this.#handle.truncate(this.#bytes).catch(() => undefined);
      this.count -= 1;
      if (this.#bytes === 0) this.columns = [];
      throw asWriteError(error, this.file);
    }
  }

  /** What was collected stays. */
  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    await this.#turn;
    await this.#handle.datasync().catch(() => undefined);
    await this.#handle.close().catch(() => undefined);
    await this.#release();
  }
}
