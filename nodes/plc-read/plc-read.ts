/** plc-read: what one or several tags of a PLC hold at the moment a message asks. */
import { asCodedError } from '../../lib/errors.ts';
import { tagSection, usableValue, type PlcSection } from '../../lib/plc/section.ts';
import { withDeadline } from '../../lib/plc/transport.ts';
import { endpointOf, type PlcEndpoint } from '../plc-endpoint/endpoint.ts';
import { ConfigError, type ConfigReader } from '../runtime/config.ts';
import { registerNode, type Handlers, type NodeContext } from '../runtime/register.ts';
import type { Message, NodeAPI, Outputs } from '../runtime/types.ts';

interface NamedTag {
  tag: string;
  name: string;
}

interface Config {
  endpointId: string;
  tags: NamedTag[];
  timeoutMs: number;
}

function normalise(config: ConfigReader): Config {
  const tags = config.list('tags').map((entry) => namedTag(entry));
  if (tags.length === 0) throw new ConfigError('tags', 'name at least one tag');
  if (new Set(tags.map(({ name }) => name)).size < tags.length) {
    throw new ConfigError('tags', 'two tags have the same name');
  }
  return {
    endpointId: config.text('endpoint'),
    tags,
    timeoutMs: config.number('timeoutMs', { fallback: 1000, min: 10, max: 10_000 }),
  };
}

function namedTag(entry: unknown): NamedTag {
  const { tag, name } = (entry ?? {}) as Partial<Record<keyof NamedTag, unknown>>;
  if (typeof tag !== 'string' || tag.trim() === '') throw new ConfigError('tags', 'a tag is missing');
  return { tag: tag.trim(), name: typeof name === 'string' && name.trim() !== '' ? name.trim() : tag.trim() };
}

class PlcReadHandler implements Handlers {
  readonly #context: NodeContext<Config>;
  readonly #endpoint: PlcEndpoint;
  readonly #leave: () => void;

  constructor(context: NodeContext<Config>) {
    this.#context = context;
    this.#endpoint = endpointOf(context.RED, context.config.endpointId);
    this.#leave = this.#endpoint.use(() => this.#show());
    this.#show();
  }

  async input(message: Message): Promise<Outputs> {
    const { tags, timeoutMs } = this.#context.config;
    const asked = tags.map(({ tag }) => tag);
    // The time is that of the whole answer, also where a protocol asks for one tag after the other.
    const read = this.#endpoint.readAll(asked, timeoutMs);
    const readings = await withDeadline(read, timeoutMs, `read ${asked.join(', ')}`);
    const sections = tags.flatMap((tag, index) => {
      const reading = readings[index];
      return reading === undefined ? [] : [tagSection(tag, reading)];
    });
    const values = sections.map((section) => [section.name, usableValue(section.tag, section)] as const);
    const [first] = values;
    const plc: PlcSection = { endpoint: this.#endpoint.engine.endpoint, tags: sections };
    // One value has one place, however its tag is called.
    const payload = tags.length === 1 ? { value: first?.[1] } : Object.fromEntries(values);
    return [Object.assign(message, { payload, plc })];
  }

  close(): void {
    this.#leave();
  }

  #show(): void {
    const { signal, status } = this.#context;
    if (signal.aborted) return;
    const link = this.#endpoint.link();
    if (link.state === 'failed') status.fail(asCodedError(link.error).code);
    else if (link.state === 'up') status.show('ready', 'ready');
    else status.show('connecting', 'offline');
  }
}

export default function register(RED: NodeAPI): void {
  registerNode<Config>(RED, {
    type: 'plc-read',
    normalise,
    start: (context) => new PlcReadHandler(context),
  });
}
