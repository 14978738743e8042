/**
 * What a person who has to name a tag can see of a PLC: its tree, the facts of one tag, a search. Nothing here
 * writes. Every text of the PLC is text of anybody.
 */
import type { Range, TagType, TagValue } from './tag-type.ts';
import type { Reading } from './transport.ts';

/** Why something cannot be a tag. `type`: none that is written; `name`: it cannot be written as text; `state`: no value of a known shape. */
type Obstacle = 'array' | 'type' | 'name' | 'state' | 'unreadable';

export interface BrowseEntry {
  /** What a field for tags takes where `tagType` is there; for everything, what `children` takes. */
  id: string;
  name: string;
  kind: 'folder' | 'object' | 'variable';
  hasChildren: boolean;
  /** As the PLC calls it: `Double`, or the name of an enumeration. */
  dataType?: string;
  /** As what it is read and written; absent where it cannot be a tag. */
  tagType?: TagType;
  obstacle?: Obstacle;
  access?: { read: boolean; write: boolean };
  /** What the PLC itself states: its engineering range, or the values of an enumeration. */
  range?: Range;
  /** Of measure, as the PLC writes it. */
  unit?: string;
  /** What the values of an enumeration mean. */
  choices?: { value: TagValue; name: string }[];
  reading?: Reading;
  /** Names of what it lies in, from the top. */
  path?: string[];
}

export interface BrowsePage {
  entries: BrowseEntry[];
  /** All there are, or as many as were looked at. */
  total: number;
  /** There are more than were looked at. */
  isCut: boolean;
}

export interface PageRequest {
  from: number;
  /** Entries of the page; their facts are read, so this bounds what the PLC is asked. */
  limit: number;
  signal: AbortSignal;
}

/** What a search walks over. */
export interface Step {
  id: string;
  name: string;
  hasChildren: boolean;
}

export interface TagBrowser {
  /** What lies in a node; without one, at the top. Rejects as `Transport.read` does, and with `PLC_TAG_UNUSABLE`. */
  children(node: string | undefined, request: PageRequest): Promise<BrowsePage>;
  /** What lies in several nodes, by name only, for a search. */
  steps(nodes: readonly (string | undefined)[], signal: AbortSignal): Promise<Step[][]>;
  /** The facts of these tags, now, in the order asked for. */
  entries(tags: readonly string[], signal: AbortSignal): Promise<BrowseEntry[]>;
}

/** Cuts a list into pieces of at most `size`. */
export function piecesOf<Item>(items: readonly Item[], size: number): Item[][] {
  const pieces: Item[][] = [];
  for (let from = 0; from < items.length; from += size) pieces.push(items.slice(from, from + size));
  return pieces;
}
