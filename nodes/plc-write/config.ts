/** What a plc-write was configured with, read once and checked. */
import type { Command, HandshakeTags } from '../../lib/plc/command.ts';
import { TAG_TYPES } from '../../lib/plc/tag-type.ts';
import { ConfigError, type ConfigReader, type Migration } from '../runtime/config.ts';

type Value = { value: boolean | number | string } | { property: string };

/** What is the same for every command of this node. */
export type Manner = Pick<
  Command,
  | 'tag'
  | 'handshake'
  | 'limits'
  | 'maxPerMinute'
  | 'dataType'
  | 'settleMs'
  | 'tolerance'
  | 'timeoutMs'
  | 'approvalMs'
>;

/** What the tag is given when nobody decides about it any more. */
export interface FallbackConfig {
  policy: 'release' | 'hold' | 'value';
  holdMs: number;
  /** Of the policy `value`. */
  value: boolean | number | string | undefined;
  /** Longest wait for a part while the station is armed; 0 waits for ever. */
  inputTimeoutMs: number;
}

export interface Config {
  name: string;
  stationId: string;
  endpointId: string;
  value: Value;
  releaseValue: Value | undefined;
  manner: Manner;
  fallback: FallbackConfig;
}

/** One command a second was not the rule before there was a second version: who had ten of them keeps them. */
export const migrations: readonly Migration[] = [
  (raw) => ({
    ...raw,
    version: 2,
    maxPerMinute: raw['maxPerMinute'] === '' ? '600' : (raw['maxPerMinute'] ?? '600'),
  }),
];

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
      handshake: handshakeOf(config),
      dataType: dataType === 'auto' ? undefined : dataType,
      limits: {
        min: config.optionalNumber('min'),
        max: config.optionalNumber('max'),
        maxStep: config.optionalNumber('maxStep', { min: 0 }),
        maxSlewPerMinute: config.optionalNumber('maxSlewPerMinute', { min: 0 }),
        maxCumulative: config.optionalNumber('maxCumulative', { min: 0 }),
      },
      maxPerMinute: config.number('maxPerMinute', { fallback: 60, min: 1, max: 60_000 }),
      settleMs: config.number('settleMs', { fallback: 300, min: 0, max: 60_000 }),
      tolerance: config.number('tolerance', { fallback: 0, min: 0 }),
      timeoutMs: config.number('timeoutMs', { fallback: 1000, min: 10, max: 60_000 }),
      approvalMs: config.number('approvalSeconds', { fallback: 60, min: 1, max: 900 }) * 1000,
    },
    fallback: fallbackOf(config),
  };
}

/** All tags that have to be there. */
export function tagsOf({ tag, handshake }: Manner): string[] {
  const block: (string | undefined)[] = Object.values<string | undefined>({ ...handshake });
  return [tag, ...block.filter((name) => name !== undefined)];
}

function handshakeOf(config: ConfigReader): HandshakeTags | undefined {
  if (config.choice('profile', ['plain', 'handshake'], 'plain') === 'plain') return undefined;
  const optional = (field: string): string | undefined => config.text(field, '') || undefined;
  return {
    commandId: config.text('commandIdTag'),
    ttl: optional('ttlTag'),
    reference: optional('referenceTag'),
    ackId: config.text('ackIdTag'),
    ackResult: config.text('ackResultTag'),
    applied: optional('appliedTag'),
  };
}

function fallbackOf(config: ConfigReader): FallbackConfig {
  const policy = config.choice('fallback', ['release', 'hold', 'value'], 'release');
  const type = config.choice('fallbackValueType', ['bool', 'num', 'str'], 'bool');
  const value = policy === 'value' ? valueOf(config, 'fallbackValue', type) : undefined;
  return {
    policy,
    holdMs: config.number('fallbackHoldSeconds', { fallback: 0, min: 0, max: 3600 }) * 1000,
    value: value !== undefined && 'value' in value ? value.value : undefined,
    inputTimeoutMs: config.number('inputTimeoutSeconds', { fallback: 0, min: 0, max: 86_400 }) * 1000,
  };
}

function valueOf(config: ConfigReader, field: string, type: 'bool' | 'num' | 'str' | 'msg'): Value {
  if (type === 'msg') return { property: config.text(field) };
  if (type === 'num') return { value: config.number(field) };
  if (type === 'str') return { value: config.text(field, '') };
  if (config.text(field) === '') throw new ConfigError(field, 'is missing');
  return { value: config.boolean(field, false) };
}
