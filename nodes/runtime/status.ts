/**
 * The badge under a node. Texts are keys of the node's own catalogue, so the editor shows them in
 * the reader's language; a text with figures is translated here. Bursts are thinned out: the newest
 * status always arrives, at most one every `intervalMs`.
 */
import type { Node } from './types.ts';

/** What a colour means, everywhere in the package. */
const LOOKS = {
  ready: { fill: 'green', shape: 'dot' },
  working: { fill: 'blue', shape: 'dot' },
  connecting: { fill: 'yellow', shape: 'ring' },
  degraded: { fill: 'yellow', shape: 'ring' },
  failed: { fill: 'red', shape: 'ring' },
  disabled: { fill: 'grey', shape: 'ring' },
} as const;

export type Look = keyof typeof LOOKS;

const MAX_LENGTH = 20;

export interface StatusOptions {
  translate: (key: string, parameters?: Record<string, string | number>) => string;
  intervalMs?: number;
}

export class Status {
  readonly #node: Pick<Node, 'status'>;
  readonly #type: string;
  readonly #translate: StatusOptions['translate'];
  readonly #intervalMs: number;
  #pending: Parameters<Node['status']>[0] | undefined;
  #timer: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(node: Pick<Node, 'status'>, type: string, { translate, intervalMs = 250 }: StatusOptions) {
    this.#node = node;
    this.#type = type;
    this.#translate = translate;
    this.#intervalMs = intervalMs;
  }

  /** Shows `status.<key>` of the node's catalogue. */
  show(look: Look, key: string, parameters?: Record<string, string | number>): void {
    const path = `${this.#type}.status.${key}`;
    const text = parameters === undefined ? path : this.#translate(path, parameters).slice(0, MAX_LENGTH);
    this.#send({ ...LOOKS[look], text });
  }

  /** Shows an error by its code, which is short, stable and searchable in the docs. */
  fail(code: string): void {
    this.#send({ ...LOOKS.failed, text: code.slice(0, MAX_LENGTH) });
  }

  /** The last word: by the next one, another node may live under this id. */
  clear(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#pending = undefined;
    this.#node.status({});
  }

  #send(status: Parameters<Node['status']>[0]): void {
    if (this.#closed) return;
    if (this.#timer !== undefined) {
      this.#pending = status;
      return;
    }
    this.#node.status(status);
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      const next = this.#pending;
      this.#pending = undefined;
      if (next !== undefined) this.#send(next);
    }, this.#intervalMs);
    this.#timer.unref();
  }
}
