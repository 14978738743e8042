/** The defined output of one plc-write, for the time in which nobody decides about its tag. */
import { Fallback, type FallbackPolicy } from '../../lib/plc/fallback.ts';
import type { StationControl } from '../../lib/station/station.ts';
import type { NodeContext } from '../runtime/register.ts';
import type { PlcEndpoint } from '../plc-endpoint/endpoint.ts';
import type { Commands } from './commands.ts';
import type { Config, FallbackConfig } from './config.ts';

/** Starts it; the station's heartbeat then carries whether the PLC shall go on taking our word for the tag. */
export function startFallback(
  { config, signal }: Pick<NodeContext<Config>, 'config' | 'signal'>,
  station: StationControl,
  endpoint: PlcEndpoint,
  commands: Commands,
  onChange: () => void,
): { fallback: Fallback; stop: () => void } {
  const { policy, holdMs, value, inputTimeoutMs } = config.fallback;
  const fallback = new Fallback({
    policy: policyOf(policy, holdMs, value),
    inputTimeoutMs,
    station,
    write: async (due) => (await commands.fallback(due)).outcome === 'confirmed',
    onChange: () => {
      endpoint.outputChanged();
      onChange();
    },
  });
  const takeBack = endpoint.answerFor(station, () => fallback.phase);
  commands.tell(fallback);
  fallback.start();
  // At once: the station may be closed, and disarmed by it, while a command of this node is still under way.
  signal.addEventListener('abort', () => fallback.halt(), { once: true });
  const stop = (): void => {
    fallback.stop();
    takeBack();
  };
  return { fallback, stop };
}

function policyOf(
  policy: FallbackConfig['policy'],
  holdMs: number,
  value: FallbackConfig['value'],
): FallbackPolicy {
  if (policy === 'hold') return { kind: 'hold', holdMs };
  return policy === 'value' && value !== undefined ? { kind: 'value', value } : { kind: 'release' };
}
