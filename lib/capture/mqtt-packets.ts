/**
 * Watches the packets of an MQTT connection go by without taking them apart (MQTT 3.1.1, 2.2): the
 * library collects a packet of up to 256 MB in memory before anybody is asked, and a packet that
 * trickles in is no sign of life.
 */
import { CaptureError } from './errors.ts';

/** The first thing a broker says (3.2), and the only packet of that first byte. */
const CONNACK = 0x20;
/** What else a broker sends to who subscribes with QoS 1: PUBACK, SUBACK, UNSUBACK, PINGRESP; and PUBLISH. */
const ANSWERS: ReadonlySet<number> = new Set([CONNACK, 0x40, 0x90, 0xb0, 0xd0]);
const PUBLISH_QOS_0_OR_1 = { mask: 0xf4, value: 0x30 };
const LENGTH_MASK = 0x7f;
const CONTINUES = 0x80;
const MAX_LENGTH_BYTES = 4;

export class PacketWatch {
  readonly #maxBytes: number;
  #lengthBytes = 0;
  #length = 0;
  /** What is still missing of the packet under way; undefined between two packets. */
  #missing: number | undefined;
  #begun = false;
  #greeted = false;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** True while a packet has begun and is not complete. */
  get underWay(): boolean {
    return this.#begun;
  }

  /**
   * @returns how many packets this chunk completed
   * @throws CaptureError `IMAGE_INVALID` when a packet announces more than allowed, `CAMERA_LOST` when it is none
   */
  push(chunk: Buffer): number {
    let completed = 0;
    let offset = 0;
    while (offset < chunk.length) {
      if (!this.#begun) {
        const byte = chunk.readUInt8(offset);
        if (this.#greeted ? !isFirstByte(byte) : byte !== CONNACK) throw notMqtt();
        this.#greeted = true;
        this.#begun = true;
        offset += 1;
        continue;
      }
      if (this.#missing === undefined) {
        this.#readLength(chunk.readUInt8(offset));
        offset += 1;
      }
      if (this.#missing === undefined) continue;
      const taken: number = Math.min(this.#missing, chunk.length - offset);
      offset += taken;
      this.#missing -= taken;
      if (this.#missing === 0) {
        completed += 1;
        this.#begun = false;
        this.#missing = undefined;
      }
    }
    return completed;
  }

  #readLength(byte: number): void {
    this.#length += (byte & LENGTH_MASK) * 2 ** (7 * this.#lengthBytes);
    this.#lengthBytes += 1;
    if ((byte & CONTINUES) !== 0) {
      if (this.#lengthBytes === MAX_LENGTH_BYTES) {
        throw notMqtt();
      }
      return;
    }
    if (this.#length > this.#maxBytes) {
      throw new CaptureError('IMAGE_INVALID', `a message announces ${this.#length} bytes`, {
        hint: `At most ${this.#maxBytes} are taken. Let the camera send an encoded image.`,
      });
    }
    this.#missing = this.#length;
    this.#length = 0;
    this.#lengthBytes = 0;
  }
}

function isFirstByte(byte: number): boolean {
  return ANSWERS.has(byte) || (byte & PUBLISH_QOS_0_OR_1.mask) === PUBLISH_QOS_0_OR_1.value;
}

function notMqtt(): CaptureError {
  return new CaptureError('CAMERA_LOST', 'what answers there does not speak MQTT', {
    hint: 'Check host and port of the broker, and whether it wants mqtts://.',
  });
}
