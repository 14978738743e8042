/**
 * What is ended before flows stop: for a deploy, whose nodes may want what is held, and when Node-RED ends. Node-RED
 * warns of a leak at the eleventh listener of an event, whoever they belong to, so the package has one for all.
 */
import type { NodeAPI } from './types.ts';

const works = new WeakMap<NodeAPI['events'], Map<string, () => Promise<void>>>();

/** Takes the place of what was registered under this name before: a type may be loaded anew. */
export function beforeFlowsStop({ events }: NodeAPI, name: string, work: () => Promise<void>): void {
  let byName = works.get(events);
  if (byName === undefined) {
    byName = new Map();
    works.set(events, byName);
    const all = byName;
    events.on('flows:stopping', () => {
      for (const each of all.values()) void each();
    });
  }
  byName.set(name, work);
}
