/**
 * What a dialog looks at a PLC through: the link of the deployed endpoint where it has the same settings, otherwise a
 * link of its own that ends with the dialog. Few at a time, and none that nobody uses. Nothing here writes.
 */
import { randomUUID } from 'node:crypto';
import { blockIn, type BlockMember } from '../../lib/plc/browse-block.ts';
import { MqttBrowser } from '../../lib/plc/browse-mqtt.ts';
import { search, type SearchState } from '../../lib/plc/browse-search.ts';
import type { BrowseEntry, BrowsePage, TagBrowser } from '../../lib/plc/browse.ts';
import { asCodedError, CodedError } from '../../lib/errors.ts';
import type { MqttPlcOptions } from '../../lib/plc/mqtt-sign-in.ts';
import { linkDown, type Transport } from '../../lib/plc/transport.ts';
import { systemClock, type Clock } from '../../lib/clock.ts';

/** A dialog asks every second or two; a page that is gone does not. */
export const IDLE_MS = 20_000;
/** Each may hold a session at a PLC, and small ones have three. */
export const MAX_SESSIONS = 4;
/** Entries whose facts are read at once. */
export const PAGE = 100;
/** Longer than that nobody waits before a dialog; the next request goes on waiting. */
const LINK_WAIT_MS = 8000;
const READ_TIMEOUT_MS = 3000;

export interface Looking {
  /** The deployed endpoint's, or one of its own; absent for MQTT, which listens by itself. */
  transport?: { link: Transport; isOwn: boolean };
  mqtt?: MqttPlcOptions;
}

class BrowseSessionError extends CodedError<'NOT_FOUND' | 'BROWSE_LIMIT' | 'NOT_BROWSABLE'> {}

export class BrowseSession {
  readonly id = randomUUID();
  readonly #looking: Looking;
  readonly #closed = new AbortController();
  #mqtt: Promise<MqttBrowser> | undefined;
  #made: TagBrowser | undefined;
  #search: { abort: AbortController; state: SearchState } | undefined;

  constructor(looking: Looking) {
    this.#looking = looking;
    if (looking.transport?.isOwn === true) looking.transport.link.open();
  }

  /** True where nobody else uses the link. */
  get isOwn(): boolean {
    return this.#looking.transport?.isOwn ?? true;
  }

  async children(node: string | undefined, from: number): Promise<BrowsePage> {
    const browser = await this.#browser();
    return browser.children(node, { from, limit: PAGE, signal: this.#closed.signal });
  }

  /** The facts of a tag as they are now. Rejects as `Transport.describe` and `read` do. */
  async entry(tag: string): Promise<BrowseEntry> {
    const link = await this.#up();
    if (link !== undefined && link.browser === undefined) return described(link, tag);
    const [entry] = await (await this.#browser()).entries([tag], this.#closed.signal);
    if (entry === undefined) throw new BrowseSessionError('NOT_FOUND', `${tag}: no answer`);
    return entry;
  }

  async block(node: string): Promise<Partial<Record<BlockMember, BrowseEntry>>> {
    return blockIn(await this.#browser(), node, this.#closed.signal);
  }

  /** Calls off the search before. */
  async startSearch(words: string): Promise<void> {
    const browser = await this.#browser();
    this.cancelSearch();
    const state: SearchState = { seen: 0, found: [], isDone: false };
    const abort = new AbortController();
    this.#search = { abort, state };
    const signal = AbortSignal.any([abort.signal, this.#closed.signal]);
    search(browser, { words, signal, state }).catch((thrown: unknown) => {
      const { code, message, hint } = asCodedError(thrown) as {
        code: string;
        message: string;
        hint?: string;
      };
      state.isDone = true;
      if (signal.aborted) state.cutBy = 'cancel';
      else state.error = { code, message, ...(hint === undefined ? {} : { hint }) };
    });
  }

  /** @throws CodedError `NOT_FOUND` before the first search */
  get search(): SearchState {
    if (this.#search === undefined) throw new BrowseSessionError('NOT_FOUND', 'nothing is searched');
    return this.#search.state;
  }

  cancelSearch(): void {
    this.#search?.abort.abort();
  }

  async close(): Promise<void> {
    this.#closed.abort(new CodedError('CLOSED', 'the dialog was closed'));
    const { transport } = this.#looking;
    if (transport?.isOwn === true) await transport.link.close();
    (await this.#mqtt?.catch(() => undefined))?.close();
  }

  async #browser(): Promise<TagBrowser> {
    if (this.#looking.mqtt !== undefined) {
      this.#mqtt ??= listening(this.#looking.mqtt);
      // After a failure the next request tries again.
      this.#mqtt.catch(() => (this.#mqtt = undefined));
      return this.#mqtt;
    }
    const link = await this.#up();
    this.#made ??= link?.browser?.();
    if (this.#made !== undefined) return this.#made;
    throw new BrowseSessionError('NOT_BROWSABLE', 'this protocol tells nothing about what there is', {
      hint: 'Write the tag as the program of the PLC has it.',
    });
  }

  /** Waits for the link; throws what it is down for. */
  async #up(): Promise<Transport | undefined> {
    const link = this.#looking.transport?.link;
    if (link === undefined || link.linkUp()) return link;
    await linkTold(link, this.#closed.signal);
    if (link.linkUp()) return link;
    const state = link.link();
    throw ('error' in state ? state.error : undefined) ?? linkDown('the PLC');
  }
}

/** Resolves when the link is up, says what it is down for, or says nothing for long. */
async function linkTold(link: Transport, signal: AbortSignal): Promise<void> {
  const present = link.link();
  if ('error' in present) return;
  await new Promise<void>((resolve) => {
    const finish = (): void => {
      leave();
      clearTimeout(timer);
      signal.removeEventListener('abort', finish);
      resolve();
    };
    const leave = link.onLink((now) => {
      if (now.state === 'up' || 'error' in now) finish();
    });
    const timer = setTimeout(finish, LINK_WAIT_MS);
    signal.addEventListener('abort', finish);
  });
}

async function listening(options: MqttPlcOptions): Promise<MqttBrowser> {
  const browser = new MqttBrowser(options);
  await browser.listen();
  return browser;
}

async function described(link: Transport, tag: string): Promise<BrowseEntry> {
  const { dataType, range, writable } = await link.describe(tag);
  const reading = await link.read(tag, READ_TIMEOUT_MS);
  return {
    id: tag,
    name: tag,
    kind: 'variable',
    hasChildren: false,
    dataType,
    tagType: dataType,
    access: { read: true, write: writable },
    ...(range === undefined ? {} : { range }),
    reading,
  };
}

/** The sessions of this Node-RED. */
export class BrowseSessions {
  readonly #clock: Clock;
  readonly #open = new Map<string, { session: BrowseSession; dialog: string; leave: () => void }>();

  constructor(clock: Clock = systemClock) {
    this.#clock = clock;
  }

  get count(): number {
    return this.#open.size;
  }

  /** Replaces the session this dialog has. @throws CodedError `BROWSE_LIMIT` */
  async start(dialog: string, looking: () => Looking): Promise<BrowseSession> {
    for (const [id, entry] of this.#open) if (entry.dialog === dialog) await this.close(id);
    if (this.#open.size >= MAX_SESSIONS) {
      throw new BrowseSessionError('BROWSE_LIMIT', `${MAX_SESSIONS} dialogs look at PLCs already`, {
        hint: 'Close a dialog elsewhere, or wait twenty seconds if its page is gone.',
      });
    }
    const session = new BrowseSession(looking());
    this.#open.set(session.id, { session, dialog, leave: () => undefined });
    this.#watch(session.id);
    return session;
  }

  /** Runs a request of the dialog; the session does not end while it is under way. */
  async use<Result>(
    id: string,
    request: (session: BrowseSession) => Result | Promise<Result>,
  ): Promise<Result> {
    const entry = this.#open.get(id);
    if (entry === undefined) throw new BrowseSessionError('NOT_FOUND', 'this session has ended');
    entry.leave();
    try {
      return await request(entry.session);
    } finally {
      this.#watch(id);
    }
  }

  async close(id: string): Promise<void> {
    const entry = this.#open.get(id);
    this.#open.delete(id);
    entry?.leave();
    await entry?.session.close();
  }

  async closeAll(): Promise<void> {
    await Promise.all([...this.#open.keys()].map((id) => this.close(id)));
  }

  #watch(id: string): void {
    const entry = this.#open.get(id);
    if (entry === undefined) return;
    entry.leave();
    entry.leave = this.#clock.after(IDLE_MS, () => void this.close(id).catch(() => undefined));
  }
}
