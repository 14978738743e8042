/** Looks through a flow for what would go wrong unseen. */
import type { Finding } from './finding.ts';
import { Flow } from './flow.ts';
import { RULES } from './rules.ts';

/**
 * Errors first, in the order of the rules.
 * @throws FlowError `FLOW_INVALID` for anything but a list of nodes
 */
export function checkFlow(file: unknown): Finding[] {
  const flow = new Flow(file);
  const findings = RULES.flatMap((rule) => rule(flow));
  return [
    ...findings.filter(({ level }) => level === 'error'),
    ...findings.filter(({ level }) => level === 'warning'),
  ];
}
