/**
 * The parts a node has scored lately, so that a person who finds one misjudged can teach with it: the
 * newest in memory, suspicious ones also on disk, where they outlive a restart. Bounded in both places; the
 * oldest goes first, but never from disk what somebody still needs. Nothing here is awaited by a part on its way.
 */
import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { keepable } from '../../lib/anomaly/explanation.ts';
import type { HeatMap } from '../../lib/anomaly/heatmap.ts';
import { Frame, type FrameFormat } from '../../lib/frame/frame.ts';
import type { AnomalySection } from '../../lib/inspection/inspection.ts';

/** What is known of a part that was scored. */
export interface PartFacts {
  partId: string;
  /** ISO 8601 in UTC. */
  at: string;
  section: AnomalySection;
  suspicious: boolean;
}

export interface RecentPart extends PartFacts {
  frame: Frame;
  /** Only while the part is in memory. */
  heat?: HeatMap;
}

interface StoredFacts extends PartFacts {
  width: number;
  height: number;
  format: FrameFormat;
  source: string;
  file: string;
}

export interface RecentLimits {
  memoryParts: number;
  memoryBytes: number;
  diskParts: number;
  diskBytes: number;
}

export interface RecentOptions extends Partial<RecentLimits> {
  /** True for a part whose picture must not be given up. */
  isNeeded?: (partId: string) => boolean;
}

const LIMITS: RecentLimits = {
  memoryParts: 200,
  memoryBytes: 64 * 1024 * 1024,
  diskParts: 300,
  diskBytes: 256 * 1024 * 1024,
};
/** Pictures waiting to be written; more come only when the disk is slower than the line's suspicions. */
const MAX_WAITING = 4;
/** Raw pixels are copied for memory no more often: a copy of 1080p is 6 MB. */
const RAW_INTERVAL_MS = 1000;

export class RecentParts {
  readonly #folder: string;
  readonly #limits: RecentLimits;
  readonly #report: (error: unknown) => void;
  readonly #isNeeded: (partId: string) => boolean;
  readonly #memory = new Map<string, RecentPart>();
  readonly #disk = new Map<string, { facts: StoredFacts; bytes: number }>();
  #memoryBytes = 0;
  #diskBytes = 0;
  #waiting = 0;
  #writing: Promise<unknown> = Promise.resolve();
  #rawAt = -Infinity;

  /** `folder` is this model's own; `report` hears of a disk that cannot be written. */
  constructor(folder: string, report: (error: unknown) => void, options: RecentOptions = {}) {
    const { isNeeded = () => false, ...limits } = options;
    this.#folder = folder;
    this.#report = report;
    this.#isNeeded = isNeeded;
    this.#limits = { ...LIMITS, ...limits };
  }

  /** Finds what was kept before; a description that cannot be read is left out. */
  async open(): Promise<void> {
    const names = await readdir(this.#folder).catch(() => []);
    const found: { facts: StoredFacts; bytes: number }[] = [];
    for (const name of names.filter((each) => each.endsWith('.json'))) {
      const stored = await this.#described(name).catch(() => undefined);
      if (stored !== undefined) found.push(stored);
    }
    found.sort((one, other) => one.facts.at.localeCompare(other.facts.at));
    for (const stored of found) this.#remember(stored.facts, stored.bytes);
  }

  /** Keeps a part that was just scored, on disk where it matters. Returns at once. */
  take(part: RecentPart, matters = part.suspicious): void {
    const isRaw = part.frame.format === 'rgb' || part.frame.format === 'gray';
    if (!isRaw) this.#hold(part);
    else this.#copyRaw(part, matters);
    if (matters && this.#waiting < MAX_WAITING) void this.#enqueue(part);
  }

  /** By the id of the part: its newest inspection. */
  async find(partId: string): Promise<RecentPart | undefined> {
    const held = this.#memory.get(partId);
    if (held !== undefined) return held;
    const stored = this.#disk.get(partId)?.facts;
    if (stored === undefined) return undefined;
    const bytes = await readFile(join(this.#folder, stored.file)).catch(() => undefined);
    if (bytes === undefined) return undefined;
    const { width, height, format, source, at } = stored;
    const frame = new Frame(bytes, { width, height, format, source, capturedAt: new Date(at) });
    const { partId: id, section, suspicious } = stored;
    return { partId: id, at, section, suspicious, frame };
  }

  has(partId: string): boolean {
    return this.#memory.has(partId) || this.#disk.has(partId);
  }

  /** Newest first. */
  list(count: number): PartFacts[] {
    const all = new Map<string, PartFacts>();
    for (const { facts } of this.#disk.values()) all.set(facts.partId, facts);
    for (const part of this.#memory.values()) all.set(part.partId, part);
    return [...all.values()]
      .sort((one, other) => other.at.localeCompare(one.at))
      .slice(0, count)
      .map(({ partId, at, section, suspicious }) => ({ partId, at, section, suspicious }));
  }

  /** Writes a part to disk that a person has said something about. */
  async keep(partId: string): Promise<void> {
    const held = this.#memory.get(partId);
    if (held !== undefined && !this.#disk.has(partId)) await this.#enqueue(held);
  }

  /** Waits for what is being written. */
  async close(): Promise<void> {
    await this.#writing;
    this.#memory.clear();
  }

  #hold(part: RecentPart): void {
    this.#forget(part.partId);
    this.#memory.set(part.partId, part);
    this.#memoryBytes += sizeOf(part);
    for (const [partId] of this.#memory) {
      if (this.#memory.size <= this.#limits.memoryParts && this.#memoryBytes <= this.#limits.memoryBytes)
        break;
      this.#forget(partId);
    }
  }

  #forget(partId: string): void {
    const held = this.#memory.get(partId);
    if (held === undefined) return;
    this.#memory.delete(partId);
    this.#memoryBytes -= sizeOf(held);
  }

  /** A frame in shared memory would hold up the camera's slots: what is kept of it is a copy. */
  #copyRaw(part: RecentPart, matters: boolean): void {
    const now = performance.now();
    if (!matters && now - this.#rawAt < RAW_INTERVAL_MS) return;
    this.#rawAt = now;
    const { width, height, format, source, capturedAt, id } = part.frame;
    part.frame.read().then(
      (bytes) => {
        const frame = new Frame(bytes, { width, height, format, source, capturedAt, id });
        this.#hold({ ...part, frame });
      },
      (error: unknown) => this.#report(error),
    );
  }

  #enqueue(part: RecentPart): Promise<void> {
    this.#waiting += 1;
    const written = this.#writing.then(() => this.#write(part)).catch(this.#report);
    this.#writing = written.finally(() => (this.#waiting -= 1));
    return written;
  }

  async #write(part: RecentPart): Promise<void> {
    const { frame, partId, at, section, suspicious } = part;
    const { bytes, format } = await keepable(frame);
    const name = createHash('sha256').update(partId).digest('hex').slice(0, 32);
    const file = `${name}.${format}`;
    const { width, height, source } = frame;
    const stored: StoredFacts = {
      ...{ partId, at, section, suspicious },
      ...{ width, height, source, format, file },
    };
    await mkdir(this.#folder, { recursive: true });
    await writeFile(join(this.#folder, file), bytes);
    const description = join(this.#folder, `${name}.json`);
    await writeFile(`${description}.new`, JSON.stringify(stored));
    await rename(`${description}.new`, description);
    this.#remember(stored, bytes.length);
    await this.#prune();
  }

  #remember(facts: StoredFacts, bytes: number): void {
    this.#diskBytes += bytes - (this.#disk.get(facts.partId)?.bytes ?? 0);
    this.#disk.delete(facts.partId);
    this.#disk.set(facts.partId, { facts, bytes });
  }

  async #prune(): Promise<void> {
    const { diskParts, diskBytes } = this.#limits;
    for (const [partId, { facts, bytes }] of this.#disk) {
      if (this.#disk.size <= diskParts && this.#diskBytes <= diskBytes) return;
      if (this.#isNeeded(partId)) continue;
      this.#disk.delete(partId);
      this.#diskBytes -= bytes;
      const description = facts.file.replace(/\.\w+$/, '.json');
      for (const file of [facts.file, description]) await rm(join(this.#folder, file), { force: true });
    }
  }

  async #described(name: string): Promise<{ facts: StoredFacts; bytes: number } | undefined> {
    const facts = JSON.parse(await readFile(join(this.#folder, name), 'utf8')) as StoredFacts;
    // The name of a file comes from a file: it must lead nowhere else.
    if (!/^[0-9a-f]{32}\.[a-z]{3,4}$/.test(facts.file) || typeof facts.partId !== 'string') return undefined;
    const { size } = await stat(join(this.#folder, facts.file));
    return { facts, bytes: size };
  }
}

function sizeOf({ frame, heat }: RecentPart): number {
  return frame.byteLength + 4 * (heat?.map.length ?? 0);
}
