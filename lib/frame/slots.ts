/**
 * Raw pixels that stay where the camera's process wrote them: files in shared memory, a fixed
 * number of them for each camera, used again and again. A 1080p frame is 6.2 MB; moved through a
 * pipe and kept in Node-RED's heap it costs the event loop milliseconds, named by its path it costs
 * nothing, and the inference host reads it where it lies.
 *
 * Nobody can say when a flow is done with a frame. So a slot is free again when the garbage
 * collector has found its frame dead, and when the slots run out before that, the pixels of the
 * oldest frame move into memory: a frame that a flow keeps stays true however long it is kept.
 */
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readlinkSync,
  readSync,
  rmSync,
  statfsSync,
} from 'node:fs';
import { open } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ulid } from 'ulid';
import { CodedError } from '../errors.ts';

class SlotError extends CodedError<'FRAME_MEMORY' | 'CLOSED'> {}

/** 150 MB of 1080p RGB; the collector of a busy Node-RED comes by once in 20 to 40 frames. */
const SLOTS = 24;
/** For larger frames there are fewer slots: one that is written, one that is read, two that wait. */
const FEWEST_SLOTS = 4;
const POOL_BYTES = 256 * 1024 * 1024;
/** Room left in shared memory below which no further slot is made. */
const RESERVE_BYTES = 32 * 1024 * 1024;
/** Process ids say nothing across containers that share memory: the name holds the namespace as well. */
const FOLDER_NAME = /^jidoka-frames-(\d+)-(\d+)-/;

/** A file one frame can be written to. */
export interface Slot {
  readonly path: string;
}

function gone(cause?: unknown): never {
  throw new SlotError('FRAME_MEMORY', 'the pixels of a frame are no longer in shared memory', {
    hint: 'Something removed them: see RemoveIPC of systemd-logind, or containers that share /dev/shm.',
    cause,
  });
}

/**
 * The pixels in a slot, by any process that was told of it. A `reuse` buffer saves the page faults of a
 * fresh one; the result may lie in it and is good until its next use.
 *
 * @throws SlotError `FRAME_MEMORY` where the file is not there or holds fewer bytes
 */
export function readPixels({ path, length }: { path: string; length: number }, reuse?: Buffer): Buffer {
  const enough = reuse !== undefined && reuse.length >= length;
  const bytes = enough ? reuse.subarray(0, length) : Buffer.allocUnsafeSlow(length);
  let file: number;
  try {
    file = openSync(path, 'r');
  } catch (error) {
    return gone(error);
  }
  try {
    if (readSync(file, bytes, 0, length, 0) !== length) gone();
  } finally {
    closeSync(file);
  }
  return bytes;
}

/** Pixels in a slot or, once the slot was needed for another frame, in memory. */
export class SharedPixels {
  readonly length: number;
  /** Hex SHA-256 of the pixels. */
  readonly sha256: string;
  readonly #path: string;
  #bytes: Buffer | undefined;
  #holders = 0;
  #released: (() => void) | undefined;

  constructor(path: string, { length, sha256 }: { length: number; sha256: string }) {
    this.#path = path;
    this.length = length;
    this.sha256 = sha256;
  }

  /** A copy of the pixels, made without the main thread where they are in their slot. */
  async read(): Promise<Buffer> {
    return await this.held(async (path) => (path === undefined ? this.copy() : await this.#readFile(path)));
  }

  /** A copy, at once: 1.5 ms for 6 MB. */
  copy(): Buffer {
    if (this.#bytes !== undefined) return Buffer.from(this.#bytes);
    return readPixels({ path: this.#path, length: this.length });
  }

  /** Keeps the pixels in their slot while `use` reads them there; without a path they are in memory. */
  async held<Result>(use: (path: string | undefined) => Promise<Result>): Promise<Result> {
    this.#holders += 1;
    try {
      return await use(this.#bytes === undefined ? this.#path : undefined);
    } finally {
      this.#holders -= 1;
      if (this.#holders === 0) this.#released?.();
    }
  }

  /** Resolves when nobody needs the slot any longer. For the pool only. */
  async moveToMemory(): Promise<void> {
    this.#bytes = await this.#readFile(this.#path);
    if (this.#holders > 0) await new Promise<void>((resolve) => (this.#released = resolve));
  }

  async #readFile(path: string): Promise<Buffer> {
    const bytes = Buffer.allocUnsafeSlow(this.length);
    const file = await open(path, 'r').catch(gone);
    try {
      const { bytesRead } = await file.read(bytes);
      if (bytesRead !== this.length) gone();
    } finally {
      await file.close();
    }
    return bytes;
  }
}

/** Pools whose folder is still there. */
const pools = new Set<SlotPool>();

function removeAll(): void {
  for (const { folder } of pools) rmSync(folder, { recursive: true, force: true });
}

/** Removes what processes that were killed left behind. */
function removeOrphans(parent: string): void {
  for (const name of readdirSync(parent)) {
    const [, pid = '', namespace] = FOLDER_NAME.exec(name) ?? [];
    if (namespace !== processNamespace() || isRunning(Number(pid))) continue;
    try {
      rmSync(join(parent, name), { recursive: true, force: true });
    } catch {
      // another user's
    }
  }
}

/** Number of the namespace our process id is of; 0 where there are none. */
function processNamespace(): string {
  try {
    return /\d+/.exec(readlinkSync('/proc/self/ns/pid'))?.[0] ?? '0';
  } catch {
    return '0';
  }
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** Shared memory where the system has it; elsewhere temporary files, which cost some writing to disk. */
function sharedMemory(): string {
  return existsSync('/dev/shm') ? '/dev/shm' : tmpdir();
}

/** Who is in a slot, without keeping it alive. */
interface Tenancy {
  slot: Slot;
  pixels: WeakRef<SharedPixels>;
}

interface Waiter {
  resolve(slot: Slot): void;
  reject(error: SlotError): void;
}

export interface SlotPoolOptions {
  slots?: number;
  /** Shared memory the slots may take together. */
  bytes?: number;
  /** Folder in which the pool makes its own. */
  parent?: string;
}

export class SlotPool {
  /** Absolute; readable for this user only. */
  readonly folder: string;
  readonly #free: Slot[] = [];
  /** Oldest first. */
  readonly #tenancies = new Set<Tenancy>();
  readonly #waiters: Waiter[] = [];
  readonly #dead: FinalizationRegistry<Tenancy>;
  readonly #bytes: number;
  #size: number;
  #made = 0;
  #isMoving = false;
  #isClosed = false;

  /** @throws SlotError `FRAME_MEMORY` when no folder can be made */
  constructor({ slots = SLOTS, bytes = POOL_BYTES, parent = sharedMemory() }: SlotPoolOptions = {}) {
    this.#size = slots;
    this.#bytes = bytes;
    this.folder = join(parent, `jidoka-frames-${process.pid}-${processNamespace()}-${ulid()}`);
    try {
      removeOrphans(parent);
      mkdirSync(this.folder, { mode: 0o700 });
    } catch (error) {
      throw new SlotError('FRAME_MEMORY', `no folder for frames can be made in ${parent}`, { cause: error });
    }
    if (!process.listeners('exit').includes(removeAll)) process.on('exit', removeAll);
    pools.add(this);
    this.#dead = new FinalizationRegistry((tenancy) => this.#end(tenancy));
  }

  /**
   * A slot nobody reads or writes; waits for one where all are in use.
   *
   * @throws SlotError `FRAME_MEMORY` when shared memory is full, `CLOSED`
   */
  async take(): Promise<Slot> {
    if (this.#isClosed) throw closed();
    // Somebody may have tidied up: logind does when a user's last session ends (RemoveIPC).
    mkdirSync(this.folder, { recursive: true, mode: 0o700 });
    const slot = this.#free.pop() ?? this.#make();
    // One ahead, so that the next frame need not wait for the move.
    if (this.#free.length === 0 && this.#made >= this.#size) void this.#moveOldest();
    return slot ?? (await new Promise<Slot>((resolve, reject) => this.#waiters.push({ resolve, reject })));
  }

  /** A slot that was taken and not used. */
  giveBack(slot: Slot): void {
    const waiter = this.#waiters.shift();
    if (waiter !== undefined) waiter.resolve(slot);
    else if (this.#isClosed) this.#remove(slot);
    else this.#free.push(slot);
  }

  /** The pixels somebody wrote to the slot, which comes back by itself. */
  filled(slot: Slot, content: { length: number; sha256: string }): SharedPixels {
    this.#size = Math.min(this.#size, Math.max(FEWEST_SLOTS, Math.floor(this.#bytes / content.length)));
    const pixels = new SharedPixels(slot.path, content);
    const tenancy: Tenancy = { slot, pixels: new WeakRef(pixels) };
    this.#tenancies.add(tenancy);
    this.#dead.register(pixels, tenancy, tenancy);
    return pixels;
  }

  /** No further frames; those in a flow stay readable. */
  close(): void {
    this.#isClosed = true;
    for (const waiter of this.#waiters.splice(0)) waiter.reject(closed());
    for (const slot of this.#free.splice(0)) this.#remove(slot);
    this.#removeFolder();
  }

  #make(): Slot | undefined {
    if (this.#made >= this.#size) return undefined;
    const { bavail, bsize } = statfsSync(this.folder);
    if (bavail * bsize < RESERVE_BYTES) {
      if (this.#made === 0) {
        throw new SlotError('FRAME_MEMORY', `shared memory has ${bavail * bsize} bytes left`, {
          hint: 'Give the container more shared memory (docker run --shm-size=512m).',
        });
      }
      this.#size = this.#made;
      return undefined;
    }
    this.#made += 1;
    return { path: join(this.folder, String(this.#made)) };
  }

  /** Makes the slot of the oldest frame free: at once where the frame is dead, else by moving it. */
  async #moveOldest(): Promise<void> {
    if (this.#isMoving) return;
    this.#isMoving = true;
    for (const tenancy of this.#tenancies) {
      const pixels = tenancy.pixels.deref();
      try {
        await pixels?.moveToMemory();
        this.#dead.unregister(tenancy);
        this.#end(tenancy);
      } catch {
        // out of memory: it stays where it is, and whoever waits waits for the collector
      }
      if ((this.#free.length > 0 && this.#waiters.length === 0) || this.#isClosed) break;
    }
    this.#isMoving = false;
  }

  #end(tenancy: Tenancy): void {
    if (!this.#tenancies.delete(tenancy)) return;
    this.giveBack(tenancy.slot);
    if (this.#isClosed) this.#removeFolder();
  }

  #remove({ path }: Slot): void {
    rmSync(path, { force: true });
  }

  #removeFolder(): void {
    if (this.#tenancies.size > 0) return;
    rmSync(this.folder, { recursive: true, force: true });
    pools.delete(this);
  }
}

function closed(): SlotError {
  return new SlotError('CLOSED', 'the camera was closed while it waited for memory');
}
