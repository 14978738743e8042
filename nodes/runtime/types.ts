/** The few shapes of Node-RED that our nodes use, in one place. */
import type { Node, NodeAPI, NodeDef } from 'node-red';
import type { Frame } from '../../lib/frame/frame.ts';
import type { Inspection } from '../../lib/inspection/inspection.ts';

export type { Node, NodeAPI, NodeDef };

/** A message as it travels between our nodes; everything else on it passes through untouched. */
export interface Message {
  _msgid?: string;
  topic?: string;
  payload?: unknown;
  frame?: Frame;
  inspection?: Inspection;
  [property: string]: unknown;
}

/** For each output its message, several of them in their order, or null where it stays silent. */
export type Outputs = readonly (Message | readonly Message[] | null)[];

/** What the editor saved: untyped, possibly from an older version. */
export type RawConfig = NodeDef & Readonly<Record<string, unknown>>;
