/**
 * A Node-RED flow file as a graph: which node hands messages to which. Links and subflows are
 * followed; what is disabled does not run and is left out.
 */
import { CodedError } from '../errors.ts';

/** As the editor exports it; settings beside these are the node's own. */
export interface FlowNode {
  readonly id: string;
  readonly type: string;
  /** The tab or subflow it lies on; absent for configuration nodes. */
  readonly z?: string;
  readonly name?: string;
  readonly [setting: string]: unknown;
}

export class FlowError extends CodedError<'FLOW_INVALID'> {}

function strings(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((one): one is string => typeof one === 'string') : [];
}

/** The ids in a list such as `[{"id": "a", "port": 0}]`. */
function idsIn(value: unknown): string[] {
  return Array.isArray(value)
    ? value.flatMap((one: unknown) => {
        const id = (one as { id?: unknown } | null)?.id;
        return typeof id === 'string' ? [id] : [];
      })
    : [];
}

export class Flow {
  readonly nodes: readonly FlowNode[];
  readonly #byId: ReadonlyMap<string, FlowNode>;
  readonly #next = new Map<string, Set<string>>();
  /** Where the answers of a called link go on, by the link that is called. */
  readonly #calls = new Map<string, string[]>();

  /** @throws FlowError `FLOW_INVALID` for anything but a list of nodes */
  constructor(file: unknown) {
    const all = nodesOf(file);
    const off = new Set(all.filter(({ d, disabled }) => d === true || disabled === true).map(({ id }) => id));
    this.nodes = all.filter(({ id, z }) => !off.has(id) && (z === undefined || !off.has(z)));
    this.#byId = new Map(this.nodes.map((node) => [node.id, node]));
    for (const node of this.nodes) this.#connect(node);
    this.#connectReturns();
  }

  get(id: unknown): FlowNode | undefined {
    return typeof id === 'string' ? this.#byId.get(id) : undefined;
  }

  ofType(...types: readonly string[]): FlowNode[] {
    return this.nodes.filter(({ type }) => types.includes(type));
  }

  /** Where the messages of one output go. */
  wires(node: FlowNode, output: number): FlowNode[] {
    const outputs = Array.isArray(node['wires']) ? (node['wires'] as unknown[]) : [];
    return strings(outputs[output]).flatMap((id) => this.get(id) ?? []);
  }

  /** Every node a message of this one can come to, by any way that does not lead through a node that `stops` it. */
  reaches(from: FlowNode, stops: (node: FlowNode) => boolean): Set<FlowNode> {
    const reached = new Set<FlowNode>();
    const open = [from.id];
    for (let id = open.pop(); id !== undefined; id = open.pop()) {
      for (const next of this.#next.get(id) ?? []) {
        const node = this.get(next);
        if (node === undefined || reached.has(node) || stops(node)) continue;
        reached.add(node);
        open.push(next);
      }
    }
    return reached;
  }

  #connect(node: FlowNode): void {
    const { id, type } = node;
    const outputs = Array.isArray(node['wires']) ? (node['wires'] as unknown[]) : [];
    const called = type === 'link call' ? strings(node['links']) : [];
    const subflow = type.startsWith('subflow:') ? this.get(type.slice('subflow:'.length)) : undefined;
    if (type === 'link out') this.#join(id, strings(node['links']));
    for (const target of called) {
      this.#join(id, [target]);
      this.#calls.set(target, [...(this.#calls.get(target) ?? []), ...outputs.flatMap(strings)]);
    }
    // What goes through a subflow or a call comes out where the inside lets it, not past it.
    if (subflow === undefined && called.length === 0)
      for (const targets of outputs) this.#join(id, strings(targets));
    for (const input of asList(subflow?.['in'])) this.#join(id, idsIn((input as { wires?: unknown }).wires));
    asList(subflow?.['out']).forEach((output, index) => {
      for (const inner of idsIn((output as { wires?: unknown }).wires))
        this.#join(inner, strings(outputs[index]));
    });
  }

  /** A call ends in any `link out` that returns and that its message can come to. */
  #connectReturns(): void {
    for (const [target, next] of this.#calls) {
      const entry = this.get(target);
      if (entry === undefined) continue;
      for (const node of this.reaches(entry, () => false)) {
        if (node.type === 'link out' && node['mode'] === 'return') this.#join(node.id, next);
      }
    }
  }

  #join(from: string, to: readonly string[]): void {
    const known = this.#next.get(from) ?? new Set<string>();
    for (const id of to) known.add(id);
    this.#next.set(from, known);
  }
}

function asList(value: unknown): unknown[] {
  return Array.isArray(value)
    ? (value as unknown[]).filter((one) => typeof one === 'object' && one !== null)
    : [];
}

/** A list of nodes, or what the admin API answers: an object around one. */
function nodesOf(file: unknown): FlowNode[] {
  const list = Array.isArray(file) ? (file as unknown[]) : (file as { flows?: unknown } | null)?.flows;
  if (!Array.isArray(list)) {
    throw new FlowError('FLOW_INVALID', 'this is not a flow: it is no list of nodes', {
      hint: 'Export it in the editor (menu, Export) or give the flows.json of the user folder.',
    });
  }
  return (list as unknown[]).filter((node): node is FlowNode => {
    const { id, type } = (node ?? {}) as Partial<FlowNode>;
    return typeof id === 'string' && typeof type === 'string';
  });
}
