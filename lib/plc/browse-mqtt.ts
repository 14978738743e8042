/**
 * The tags whose states are published at a broker while somebody listens, as a tree of the levels of their topics.
 * A client of its own, so that the one that carries commands hears nothing more than before.
 */
import type { MqttClient } from 'mqtt';
import { systemClock } from '../clock.ts';
import { asCodedError } from '../errors.ts';
import type { BrowseEntry, BrowsePage, PageRequest, Step, TagBrowser } from './browse.ts';
import { stateOf } from './mqtt-protocol.ts';
import { clientOptions, explained, loadLibrary, type MqttPlcOptions } from './mqtt-sign-in.ts';
import { MqttStates } from './mqtt-states.ts';
import { PlcError } from './plc-error.ts';

/** Topics that are remembered; a broker may carry those of a whole plant. */
const MAX_TOPICS = 2000;
const PLACE = '{tag}';

export class MqttBrowser implements TagBrowser {
  readonly #options: MqttPlcOptions;
  readonly #states: MqttStates;
  /** Tags heard of, and whether what was published was a state. */
  readonly #heard = new Map<string, boolean>();
  #client: MqttClient | undefined;
  #failure: Error | undefined;
  #isCut = false;

  constructor(options: MqttPlcOptions) {
    this.#options = options;
    this.#states = new MqttStates({ staleMs: options.staleMs, clock: options.clock ?? systemClock });
  }

  /** Begins to listen. Rejects with `PLC_LINK_LOST`, `PLC_SIGN_IN`, `PLC_CERTIFICATE` or `PLC_LIBRARY_MISSING`. */
  async listen(): Promise<void> {
    // The name of a client belongs to the one that carries commands, which another of the same name would throw out.
    const options = { ...this.#options };
    delete options.clientId;
    try {
      const { connectAsync } = await loadLibrary();
      const client = await connectAsync({ ...(await clientOptions(options)), manualConnect: false });
      this.#client = client;
      this.#states.begin();
      const fail = (error: unknown): void => {
        this.#failure ??= explained(error, options);
      };
      client.on('error', fail);
      client.on('close', () => fail(new PlcError('PLC_LINK_LOST', `${options.url} closed the link`)));
      client.on('message', (topic, payload, { retain }) => this.#take(topic, payload, retain));
      await client.subscribeAsync(filterOf(options.stateTopic), { qos: 0 });
    } catch (error) {
      this.close();
      throw explained(asCodedError(error), options);
    }
  }

  close(): void {
    this.#states.end();
    this.#client?.removeAllListeners('close');
    this.#client?.end(true);
  }

  children(node: string | undefined, { from, limit }: PageRequest): Promise<BrowsePage> {
    return this.#answer(() => {
      const names = this.#namesIn(node);
      const shown = names.slice(from, from + limit);
      return {
        entries: shown.map((name) => this.#entry(below(node, name))),
        total: names.length,
        isCut: this.#isCut,
      };
    });
  }

  steps(nodes: readonly (string | undefined)[]): Promise<Step[][]> {
    return this.#answer(() =>
      nodes.map((node) =>
        this.#namesIn(node).map((name) => {
          const id = below(node, name);
          return { id, name, hasChildren: this.#namesIn(id).length > 0 };
        }),
      ),
    );
  }

  entries(tags: readonly string[]): Promise<BrowseEntry[]> {
    return this.#answer(() =>
      tags.map((tag) => ({ ...this.#entry(tag), path: tag.split('/').slice(0, -1) })),
    );
  }

  #answer<Answer>(answer: () => Answer): Promise<Answer> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    return Promise.resolve().then(answer);
  }

  #take(topic: string, payload: Buffer, retained: boolean): void {
    const tag = tagOf(this.#options.stateTopic, topic);
    if (tag === undefined) return;
    if (!this.#heard.has(tag) && this.#heard.size >= MAX_TOPICS) {
      this.#isCut = true;
      return;
    }
    const state = stateOf(payload);
    this.#heard.set(tag, state !== undefined);
    if (state !== undefined) this.#states.take(topic, state, retained);
  }

  /** The next level below a tag, in alphabetical order, because topics come in no order at all. */
  #namesIn(node: string | undefined): string[] {
    const prefix = node === undefined ? '' : `${node}/`;
    const names = [...this.#heard.keys()]
      .filter((tag) => tag.startsWith(prefix))
      .map((tag) => tag.slice(prefix.length).split('/')[0] ?? '');
    return [...new Set(names)].sort((one, other) => one.localeCompare(other));
  }

  #entry(id: string): BrowseEntry {
    const name = id.slice(id.lastIndexOf('/') + 1);
    const hasChildren = this.#namesIn(id).length > 0;
    const isState = this.#heard.get(id);
    if (isState === undefined && hasChildren) return { id, name, kind: 'folder', hasChildren };
    const topic = this.#options.stateTopic.replace(PLACE, () => id);
    const state = this.#states.get(topic);
    const base = { id, name, kind: 'variable', hasChildren } as const;
    if (state === undefined) return { ...base, obstacle: 'state' };
    const { type, writable, range } = state;
    return {
      ...base,
      dataType: type,
      tagType: type,
      access: { read: true, write: writable },
      ...(range === undefined ? {} : { range }),
      reading: this.#states.reading(topic),
    };
  }
}

function below(node: string | undefined, name: string): string {
  return node === undefined ? name : `${node}/${name}`;
}

/** All topics a template may stand for: a tag may have several levels, so everything from its first one on. */
export function filterOf(template: string): string {
  const before = template.slice(0, template.indexOf(PLACE));
  return `${before.slice(0, before.lastIndexOf('/') + 1)}#`;
}

/** The tag in a topic, or undefined where the topic is none of the template. */
export function tagOf(template: string, topic: string): string | undefined {
  const [before = '', after = ''] = template.split(PLACE);
  const isOne =
    topic.length > before.length + after.length && topic.startsWith(before) && topic.endsWith(after);
  return isOne ? topic.slice(before.length, topic.length - after.length) : undefined;
}
