/** A device that speaks the protocol of docs/guide/plc-mqtt.md over a real client, and remembers what it did. */
import { connectAsync, type MqttClient } from 'mqtt';
import type { Socket } from 'node:net';
import type { TagType, TagValue } from '../../lib/plc/tag-type.ts';

export interface DeviceTag {
  value: TagValue;
  type: TagType;
  writable?: boolean;
}

export const TOPICS = {
  commandTopic: 'line/command/{tag}',
  stateTopic: 'line/state/{tag}',
  ackTopic: 'line/ack',
};

export class MqttDevice {
  readonly writes: { tag: string; value: TagValue }[] = [];
  /** Holds back its answers, as a device that hangs after it has acted. */
  mute = false;
  /** Milliseconds each command said it might still be begun in. */
  readonly ttlsMs: number[] = [];
  /** What it makes of a value it is given. */
  hold: (value: TagValue, tag: string) => TagValue = (value) => value;
  readonly #tags: Map<string, DeviceTag>;
  /** Ids it has carried out. */
  readonly #done = new Set<string>();
  #client: MqttClient | undefined;

  constructor(tags: Readonly<Record<string, DeviceTag>>) {
    this.#tags = new Map(Object.entries(tags));
  }

  /** A clean session, so that the broker keeps no command for it while it is away. */
  async connect(url: string, protocolVersion: 4 | 5 = 4, ca?: string): Promise<void> {
    const secured = ca === undefined ? {} : { ca };
    const client = await connectAsync(url, {
      reconnectPeriod: 0,
      clean: true,
      protocolVersion,
      ...secured,
    });
    (client.stream as Socket).setNoDelay(true);
    client.on('error', () => undefined);
    client.on('message', (_topic, payload) => this.#take(payload));
    this.#client = client;
    await client.subscribeAsync(TOPICS.commandTopic.replace('{tag}', '#'), { qos: 1 });
    for (const tag of this.#tags.keys()) await this.#publishState(tag);
  }

  leave(): void {
    this.#client?.end(true);
    this.#client = undefined;
  }

  value(tag: string): TagValue | undefined {
    return this.#tags.get(tag)?.value;
  }

  set(tag: string, value: TagValue): Promise<void> {
    const known = this.#tags.get(tag);
    if (known === undefined) throw new Error(`the device has no tag ${tag}`);
    known.value = value;
    return this.#publishState(tag);
  }

  /** What it publishes, for a broker in the same process that shall have it at once. */
  state(tag: string): string {
    return JSON.stringify({ ...this.#tags.get(tag), at: new Date().toISOString(), good: true });
  }

  async #publishState(tag: string): Promise<void> {
    const topic = TOPICS.stateTopic.replace('{tag}', tag);
    await this.#client?.publishAsync(topic, this.state(tag), { qos: 1, retain: true }).catch(() => undefined);
  }

  #take(payload: Buffer): void {
    const command = JSON.parse(payload.toString()) as {
      id: string;
      tag: string;
      value: TagValue;
      ttlMs: number;
      sentAt: string;
    };
    const { id, tag, value, ttlMs, sentAt } = command;
    this.ttlsMs.push(ttlMs);
    const known = this.#tags.get(tag);
    let result = 1;
    if (this.#done.has(id)) result = 5;
    else if (Date.now() - Date.parse(sentAt) > ttlMs) result = 4;
    else if (known?.writable === false || typeof known?.value !== typeof value) result = 2;
    if (result === 1 && known !== undefined) {
      this.#done.add(id);
      known.value = this.hold(value, tag);
      this.writes.push({ tag, value });
      void this.#publishState(tag);
    }
    if (this.mute) return;
    const ack = JSON.stringify({ id, result, applied: known?.value });
    this.#client?.publishAsync(TOPICS.ackTopic, ack, { qos: 1 }).catch(() => undefined);
  }
}
