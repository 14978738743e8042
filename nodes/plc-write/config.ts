/** What a plc-write was configured with, read once and checked. */
import type { Command } from '../../lib/plc/command.ts';
import { TAG_TYPES } from '../../lib/plc/tag-type.ts';
import { ConfigError, type ConfigReader } from '../runtime/config.ts';

type Value = { value: boolean | number | string } | { property: string };

/** What is the same for every command of this node. */
type Manner = Pick<
  Command,
  'tag' | 'limits' | 'maxPerMinute' | 'dataType' | 'settleMs' | 'tolerance' | 'timeoutMs' | 'approvalMs'
>;

export interface Config {
  name: string;
  stationId: string;
  endpointId: string;
  value: Value;
  releaseValue: Value | undefined;
  manner: Manner;
}

export function normalise(config: ConfigReader): Config {
  const tag = config.text('tag');
  const dataType = config.choice('dataType', ['auto', ...TAG_TYPES], 'auto');
  const valueType = config.choice('valueType', ['bool', 'num', 'str', 'msg'], 'bool');
  return {
    name: config.text('name', tag),
    stationId: config.text('station'),
    endpointId: config.text('endpoint'),
    value: valueOf(config, 'value', valueType),
    releaseValue:
      config.text('releaseValue', '') === ''
        ? undefined
        : valueOf(config, 'releaseValue', config.choice('releaseValueType', ['bool', 'num', 'str'], 'bool')),
    manner: {
      tag,
      dataType: dataType === 'auto' ? undefined : dataType,
      limits: {
        min: config.optionalNumber('min'),
        max: config.optionalNumber('max'),
        maxStep: config.optionalNumber('maxStep', { min: 0 }),
      },
      maxPerMinute: config.number('maxPerMinute', { fallback: 600, min: 1, max: 60_000 }),
      settleMs: config.number('settleMs', { fallback: 300, min: 0, max: 60_000 }),
      tolerance: config.number('tolerance', { fallback: 0, min: 0 }),
      timeoutMs: config.number('timeoutMs', { fallback: 1000, min: 10, max: 60_000 }),
      approvalMs: config.number('approvalSeconds', { fallback: 60, min: 1, max: 900 }) * 1000,
    },
  };
}

function valueOf(config: ConfigReader, field: string, type: 'bool' | 'num' | 'str' | 'msg'): Value {
  if (type === 'msg') return { property: config.text(field) };
  if (type === 'num') return { value: config.number(field) };
  if (type === 'str') return { value: config.text(field, '') };
  if (config.text(field) === '') throw new ConfigError(field, 'is missing');
  return { value: config.boolean(field, false) };
}
