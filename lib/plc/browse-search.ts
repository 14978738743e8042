/**
 * A search by name through what a PLC offers, level by level, so that what lies near the top is found first.
 * Bounded in nodes, depth, time and finds; it ends early when it is called off.
 */
import type { BrowseEntry, TagBrowser } from './browse.ts';

/** What a server of a large machine has is more; the person is told that the search did not see all of it. */
const LIMITS = { nodes: 20_000, depth: 12, milliseconds: 60_000, found: 200 };
/** Nodes looked into at once. */
const NODES_AT_ONCE = 20;
/** Thousands of nodes about the server itself, in which nobody looks for a tag of the machine. */
const SKIPPED = new Set(['ns=0;i=2253']);

export interface SearchState {
  /** Nodes seen so far. */
  seen: number;
  found: BrowseEntry[];
  isDone: boolean;
  /** Why it ended before it had seen everything. */
  cutBy?: 'nodes' | 'depth' | 'time' | 'found' | 'cancel';
  error?: { code: string; message: string; hint?: string };
}

interface Place {
  id: string | undefined;
  path: string[];
}

/**
 * Runs until it is done; `state` shows at any time how far it is. Names match that hold every word, in any case.
 * Rejects as `TagBrowser.steps` does.
 */
export async function search(
  browser: TagBrowser,
  {
    words,
    signal,
    state,
    limits = LIMITS,
  }: {
    words: string;
    signal: AbortSignal;
    state: SearchState;
    limits?: typeof LIMITS;
  },
): Promise<void> {
  const wanted = words.toLowerCase().split(/\s+/).filter(Boolean);
  const startedAt = performance.now();
  const known = new Set<string>(SKIPPED);
  let level: Place[] = [{ id: undefined, path: [] }];
  for (let depth = 0; level.length > 0; depth += 1) {
    if (depth >= limits.depth) {
      end(state, 'depth');
      return;
    }
    const next: Place[] = [];
    for (let at = 0; at < level.length; at += NODES_AT_ONCE) {
      if (signal.aborted) {
        end(state, 'cancel');
        return;
      }
      if (performance.now() - startedAt > limits.milliseconds) {
        end(state, 'time');
        return;
      }
      const places = level.slice(at, at + NODES_AT_ONCE);
      const found = await browser.steps(
        places.map(({ id }) => id),
        signal,
      );
      const hits: Place[] = [];
      for (const [index, steps] of found.entries()) {
        for (const { id, name, hasChildren } of steps) {
          if (known.has(id)) continue;
          known.add(id);
          state.seen += 1;
          const path = places[index]?.path ?? [];
          const text = name.toLowerCase();
          if (wanted.every((word) => text.includes(word))) hits.push({ id, path });
          if (hasChildren) next.push({ id, path: [...path, name] });
        }
      }
      const room = limits.found - state.found.length;
      state.found.push(...(await described(browser, hits.slice(0, room), signal)));
      if (hits.length > room) {
        end(state, 'found');
        return;
      }
      if (state.seen >= limits.nodes) {
        end(state, 'nodes');
        return;
      }
    }
    level = next;
  }
  end(state);
}

async function described(
  browser: TagBrowser,
  hits: readonly Place[],
  signal: AbortSignal,
): Promise<BrowseEntry[]> {
  const ids = hits.flatMap(({ id }) => (id === undefined ? [] : [id]));
  if (ids.length === 0) return [];
  const entries = await browser.entries(ids, signal);
  return entries.map((entry, index) => ({ ...entry, path: hits[index]?.path ?? [] }));
}

function end(state: SearchState, cutBy?: SearchState['cutBy']): void {
  state.isDone = true;
  if (cutBy !== undefined) state.cutBy = cutBy;
}
