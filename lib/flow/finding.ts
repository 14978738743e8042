/** What was found in a flow. */
import type { FlowNode } from './flow.ts';

/** `error`: what the flow promises does not hold. `warning`: it can go wrong unseen. */
export type Level = 'error' | 'warning';

export interface Finding {
  rule: string;
  level: Level;
  nodeId: string;
  /** Name or type of the node, as people see it. */
  node: string;
  message: string;
  /** What to do about it. */
  hint: string;
}

/** A node as people see it in the editor. */
export function titleOf({ name, type }: FlowNode): string {
  return name === undefined || name === '' ? type : `${name} (${type})`;
}
