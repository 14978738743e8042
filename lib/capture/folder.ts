/**
 * A folder as a camera: new files as they arrive (`watch`), or the images that lie there, in the
 * order of their names, over and over (`cycle`) or each once (`once`).
 *
 * A new file is taken when the image in it is complete, so a file that is renamed into the folder
 * is taken at once, and one that is still being written when its last byte is there. One that stops
 * growing without being complete is reported as broken. A producer may also say itself when an image
 * is done, with a marker beside it. Each file is taken once per run; one that another file replaced
 * under its name counts as new, and so does one that was written anew with another picture. File
 * system events make it fast, a look at the folder every second makes it certain: shares send none.
 */
import { watch, type FSWatcher } from 'node:fs';
import { basename, join, parse, resolve } from 'node:path';
import { isAborted, sleep, systemClock, type Clock } from '../clock.ts';
import { deliver } from './deliver.ts';
import { asCaptureError, CaptureError, isOutage } from './errors.ts';
import {
  compareNames,
  doneMarkerOf,
  fileState,
  isImageFile,
  isInside,
  listImages,
  putAway,
  readInside,
  resolveDoneFolder,
  type FileState,
} from './folder-files.ts';
import { KnownFiles } from './folder-known.ts';
import { LatestImage } from './latest.ts';
import { MAX_IMAGE_BYTES, partIdFrom, receiveImage } from './source.ts';
import type { CameraSource, CapturedImage, SourceListener } from './source.ts';
import { Turns } from './turns.ts';
import { within } from './within.ts';

const SCAN_MS = 1000;
/** How often a file that is still being written is looked at. */
const RECHECK_MS = 50;
/** A file that has not grown for so long will not be finished any more. */
const STABLE_MS = 2000;
/** How old the newest file may be to still belong to a trigger. */
const MAX_AGE_MS = 1000;
/** For a file that is being read or put away when the folder is closed; a share that hangs would never end it. */
const CLOSE_MS = 2000;

export interface FolderOptions {
  folder: string;
  mode: 'watch' | 'cycle' | 'once';
  recursive: boolean;
  /** Where files go once taken, not in `cycle`; relative paths are below the folder. */
  doneFolder?: string | undefined;
  /** An image counts once a file of its name with this appended is there; '' for no such files. */
  doneMarker?: string;
  /** The file's name without extension is the id of its part. */
  partIdFromName: boolean;
  /** For a trigger to get its file. */
  timeoutMs: number;
  maxImageBytes?: number;
  clock?: Clock;
}

interface Arrival {
  state: FileState | undefined;
  unchangedSince: number;
}

export class FolderSource implements CameraSource {
  readonly name: string;
  readonly #options: FolderOptions;
  readonly #folder: string;
  readonly #doneFolder: string | undefined;
  readonly #marker: string;
  readonly #clock: Clock;
  readonly #latest: LatestImage;
  readonly #closed = new AbortController();
  #listener: SourceListener | undefined;
  #state: 'unknown' | 'up' | 'lost' = 'unknown';
  #outage: CaptureError | undefined;
  #running: Promise<void> | undefined;
  #watcher: FSWatcher | undefined;
  #wake: () => void = () => undefined;
  readonly #known = new KnownFiles();
  /** Files that are on their way. */
  readonly #arrivals = new Map<string, Arrival>();
  /** Files the folder told us about since we last looked. */
  readonly #events = new Set<string>();
  #list: string[] = [];
  #position = 0;
  #rounds = 0;
  /** So that two triggers never get the same file. */
  readonly #turns = new Turns();

  /** @throws CaptureError `FOLDER_UNREADABLE` when the done marker can be none */
  constructor(options: FolderOptions) {
    this.#options = options;
    this.#folder = resolve(options.folder);
    this.#doneFolder =
      options.mode === 'cycle' ? undefined : resolveDoneFolder(this.#folder, options.doneFolder);
    this.#marker = doneMarkerOf(options.doneMarker ?? '');
    this.name = basename(this.#folder);
    this.#clock = options.clock ?? systemClock;
    this.#latest = new LatestImage(this.#clock);
  }

  async start(listener: SourceListener): Promise<void> {
    this.#listener = listener;
    const { mode, timeoutMs } = this.#options;
    const present = this.#turns.take(() => this.#begin(), this.#closed.signal);
    if (mode === 'watch') {
      this.#running = present.then(
        (files) => this.#watch(files === undefined),
        () => undefined,
      );
    }
    try {
      await this.#within(present, timeoutMs);
    } catch (thrown) {
      const error = asCaptureError(thrown, 'FOLDER_UNREADABLE', this.#folder);
      if (isOutage(error)) this.#lost(error);
    }
  }

  async grab(signal: AbortSignal): Promise<CapturedImage> {
    const { mode, timeoutMs } = this.#options;
    const what = this.#what;
    if (mode === 'watch') {
      if (this.#outage !== undefined) throw this.#outage;
      const ended = AbortSignal.any([signal, this.#closed.signal]);
      return await this.#latest.take({ timeoutMs, what, signal: ended, maxAgeMs: MAX_AGE_MS });
    }
    const given = new AbortController();
    try {
      return await this.#within(
        this.#turns.take(() => this.#next(), given.signal),
        timeoutMs,
        AbortSignal.any([signal, this.#closed.signal]),
      );
    } finally {
      given.abort(new CaptureError('CLOSED', `nobody waits for ${what} any longer`));
    }
  }

  async close(): Promise<void> {
    this.#closed.abort(new CaptureError('CLOSED', `${this.#what} was closed`));
    this.#watcher?.close();
    this.#wake();
    const { signal } = new AbortController();
    const idle = this.#turns.take(() => Promise.resolve(), signal);
    await this.#within(Promise.all([this.#running, idle]), CLOSE_MS, signal).catch(() => undefined);
  }

  get #what(): string {
    return `the folder ${this.#folder}`;
  }

  #within<Result>(work: Promise<Result>, timeoutMs: number, signal = this.#closed.signal): Promise<Result> {
    return within(work, { timeoutMs, signal, what: this.#what, clock: this.#clock });
  }

  async #begin(): Promise<string[] | undefined> {
    const present = await this.#look();
    // With a done folder, what still lies here has not been taken yet. Without one nobody can tell.
    if (present !== undefined && this.#options.mode === 'watch' && this.#doneFolder === undefined) {
      for (const file of present) {
        const state = await fileState(this.#folder, file);
        if (state !== undefined) this.#known.add(file, state);
      }
    }
    return present;
  }

  /** The images in the folder; undefined, and an outage, where it cannot be read. */
  async #look(): Promise<string[] | undefined> {
    try {
      const { recursive } = this.#options;
      const images = await listImages(this.#folder, {
        recursive,
        except: this.#doneFolder,
        marker: this.#marker,
      });
      if (this.#outage?.code !== 'FILE_NOT_MOVED') this.#restored();
      return images;
    } catch (error) {
      this.#lost(asCaptureError(error, 'FOLDER_UNREADABLE', this.#folder));
      return undefined;
    }
  }

  #lost(error: CaptureError): void {
    if (error.code !== 'FILE_NOT_MOVED') this.#latest.fail(error);
    if (this.#state !== 'lost') this.#listener?.lost(error);
    this.#state = 'lost';
    this.#outage = error;
  }

  #restored(): void {
    if (this.#state !== 'up') this.#listener?.restored();
    this.#state = 'up';
    this.#outage = undefined;
  }

  async #next(): Promise<CapturedImage> {
    this.#closed.signal.throwIfAborted();
    if (this.#position >= this.#list.length) {
      if (this.#options.mode === 'once' && this.#rounds > 0) {
        throw new CaptureError('NO_IMAGE', `all ${this.#list.length} images of ${this.#folder} were taken`);
      }
      this.#list = (await this.#look()) ?? [];
      this.#position = 0;
      if (this.#list.length === 0) {
        throw this.#outage ?? new CaptureError('NO_IMAGE', `there is no image in ${this.#folder}`);
      }
      this.#rounds += 1;
    }
    const file = this.#list[this.#position] ?? '';
    this.#position += 1;
    const image = await this.#read(file);
    await this.#putAway(file);
    return image;
  }

  #partIdOf(file: string): string | undefined {
    return this.#options.partIdFromName ? partIdFrom(parse(file).name) : undefined;
  }

  /** @throws CaptureError `IMAGE_INVALID` or `IMAGE_TRUNCATED` */
  async #read(file: string, capturedAt = new Date()): Promise<CapturedImage> {
    const bytes = await readInside(this.#folder, file, this.#options.maxImageBytes ?? MAX_IMAGE_BYTES);
    return receiveImage(bytes, { what: file, file, capturedAt, partId: this.#partIdOf(file) });
  }

  async #putAway(file: string): Promise<void> {
    if (this.#doneFolder === undefined) return;
    try {
      await putAway(this.#folder, file, { doneFolder: this.#doneFolder, marker: this.#marker });
      this.#known.delete(file);
      this.#restored();
    } catch (error) {
      this.#lost(asCaptureError(error, 'FILE_NOT_MOVED', file));
    }
  }

  /** Until closed: wait for an event or for time to pass, then take what is complete. */
  async #watch(wasUnreadable: boolean): Promise<void> {
    const { signal } = this.#closed;
    let scanAt = wasUnreadable ? this.#clock.now() + SCAN_MS : 0;
    while (!signal.aborted) {
      this.#openWatcher();
      if (this.#clock.now() >= scanAt) {
        await this.#scan();
        scanAt = this.#clock.now() + SCAN_MS;
      }
      for (const file of [...this.#arrivals.keys()].sort(compareNames)) {
        await this.#check(file);
        if (isAborted(signal)) return;
      }
      const waitMs = this.#arrivals.size > 0 ? RECHECK_MS : Math.max(0, scanAt - this.#clock.now());
      await this.#pause(waitMs);
    }
  }

  /** Until the time is over or the folder says that something changed. */
  async #pause(waitMs: number): Promise<void> {
    if (this.#events.size === 0 && !this.#closed.signal.aborted) {
      const woken = new AbortController();
      this.#wake = () => woken.abort();
      await sleep(this.#clock, waitMs, woken.signal).catch(() => undefined);
    }
    await this.#admitEvents();
  }

  /** A file we know and that has changed may be another one under the same name. */
  async #admitEvents(): Promise<void> {
    const files = [...this.#events];
    this.#events.clear();
    for (const file of files) {
      if (this.#arrivals.has(file)) continue;
      const state = await fileState(this.#folder, file);
      if (state === undefined) this.#known.delete(file);
      else if (this.#known.differs(file, state)) this.#arrive(file);
    }
  }

  #openWatcher(): void {
    if (this.#watcher !== undefined || this.#closed.signal.aborted) return;
    const { recursive } = this.#options;
    try {
      const watcher = watch(this.#folder, { recursive, persistent: false });
      this.#watcher = watcher;
      watcher.on('change', (_event, name) => {
        if (typeof name !== 'string') return;
        const marks = this.#marker !== '' && name.endsWith(this.#marker);
        const file = marks ? name.slice(0, -this.#marker.length) : name;
        if (!isImageFile(file)) return;
        if (this.#doneFolder !== undefined && isInside(this.#doneFolder, join(this.#folder, file))) return;
        this.#events.add(file);
        this.#wake();
      });
      // Out of watches, or the folder went away: the next look at the folder opens a new one.
      watcher.on('error', () => {
        watcher.close();
        this.#watcher = undefined;
      });
    } catch {
      this.#watcher = undefined;
    }
  }

  #arrive(file: string): void {
    this.#arrivals.set(file, { state: undefined, unchangedSince: this.#clock.now() });
  }

  async #scan(): Promise<void> {
    const present = await this.#look();
    if (present === undefined) {
      this.#watcher?.close();
      this.#watcher = undefined;
      return;
    }
    const names = new Set(present);
    this.#known.keepOnly(names);
    for (const file of present) if (!this.#known.has(file) && !this.#arrivals.has(file)) this.#arrive(file);
    await this.#patrol();
  }

  /** A share tells nobody that a file was written anew. */
  async #patrol(): Promise<void> {
    for (const file of this.#known.nextRound()) {
      const state = await fileState(this.#folder, file);
      if (state !== undefined && this.#known.differs(file, state) && !this.#arrivals.has(file)) {
        this.#arrive(file);
      }
    }
  }

  /** Takes the file if it is complete; leaves it for later if it may still grow. */
  async #check(file: string): Promise<void> {
    const arrival = this.#arrivals.get(file);
    const state = await fileState(this.#folder, file);
    const marked =
      this.#marker === '' || (await fileState(this.#folder, `${file}${this.#marker}`)) !== undefined;
    if (arrival === undefined || state === undefined || !marked) {
      this.#arrivals.delete(file);
      return;
    }
    const { state: before } = arrival;
    const now = this.#clock.now();
    const unchanged = before?.version === state.version;
    if (!unchanged) {
      arrival.state = state;
      arrival.unchangedSince = now;
    } else if (now - arrival.unchangedSince < STABLE_MS) return;
    const image = await this.#read(file, state.modified).catch((error: unknown) =>
      asCaptureError(error, 'IMAGE_INVALID', file),
    );
    if (image instanceof CaptureError && !unchanged) return;
    this.#arrivals.delete(file);
    if (!this.#known.add(file, state, image instanceof CaptureError ? undefined : image)) return;
    await this.#deliver(file, image);
    await this.#putAway(file);
  }

  async #deliver(file: string, image: CapturedImage | CaptureError): Promise<void> {
    const partId = this.#partIdOf(file);
    const failed = image instanceof CaptureError;
    const arrival = failed ? { error: image, file, ...(partId === undefined ? {} : { partId }) } : image;
    await deliver(arrival, this.#latest, this.#listener);
  }
}
