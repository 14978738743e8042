/**
 * Reads what the editor saved into a typed value, once, in the constructor. Saved configurations
 * carry a `version`; older ones are brought up step by step before they are read.
 */
import { CodedError } from '../../lib/errors.ts';
import type { RawConfig } from './types.ts';

export class ConfigError extends CodedError</** A field of the node is missing or cannot be what it is. */ 'CONFIG_INVALID'> {
  /** The property of the configuration that is wrong. */
  readonly field: string;

  constructor(field: string, message: string) {
    super('CONFIG_INVALID', `${field}: ${message}`, { hint: 'Open the node, correct the field and deploy.' });
    this.field = field;
  }
}

/** Brings a configuration from the version of its index + 1 to the next. */
export type Migration = (raw: RawConfig) => RawConfig;

export function migrate(raw: RawConfig, migrations: readonly Migration[] = []): RawConfig {
  const current = migrations.length + 1;
  const saved = raw['version'] === undefined || raw['version'] === '' ? 1 : Number(raw['version']);
  if (!Number.isInteger(saved) || saved < 1) throw new ConfigError('version', 'is not a version number');
  if (saved > current) {
    throw new ConfigError(
      'version',
      `was saved by a newer version of the package (${saved}); update the package`,
    );
  }
  return migrations.slice(saved - 1).reduce((config, migration) => migration(config), raw);
}

interface NumberOptions {
  fallback?: number;
  min?: number;
  max?: number;
  integer?: boolean;
}

/** Typed access to a raw configuration; every method throws {@link ConfigError} naming the field. */
export class ConfigReader {
  readonly #raw: RawConfig;

  constructor(raw: RawConfig) {
    this.#raw = raw;
  }

  #value(field: string): unknown {
    const value = this.#raw[field];
    return value === '' || value === null ? undefined : value;
  }

  /** Text; required unless a fallback is given. */
  text(field: string, fallback?: string): string {
    const value = this.#value(field) ?? fallback;
    if (value === undefined) throw new ConfigError(field, 'is missing');
    if (typeof value !== 'string') throw new ConfigError(field, 'is not text');
    return value;
  }

  /** A number within bounds; required unless a fallback is given. */
  number(
    field: string,
    { fallback, min = -Infinity, max = Infinity, integer = false }: NumberOptions = {},
  ): number {
    const value = this.#value(field) ?? fallback;
    if (value === undefined) throw new ConfigError(field, 'is missing');
    // Number() takes blanks, an empty list and true for numbers.
    const isNumber = typeof value === 'number' || (typeof value === 'string' && value.trim() !== '');
    const number = isNumber ? Number(value) : NaN;
    if (!Number.isFinite(number)) throw new ConfigError(field, 'is not a number');
    if (number < min || number > max) throw new ConfigError(field, `must be between ${min} and ${max}`);
    if (integer && !Number.isInteger(number)) throw new ConfigError(field, 'must be a whole number');
    return number;
  }

  /** A number, or undefined when the field was left empty. */
  optionalNumber(field: string, bounds: Omit<NumberOptions, 'fallback'> = {}): number | undefined {
    return this.#value(field) === undefined ? undefined : this.number(field, bounds);
  }

  /** A list, of what is for the caller to check; empty when the field was left empty. */
  list(field: string): unknown[] {
    const value = this.#value(field) ?? [];
    if (!Array.isArray(value)) throw new ConfigError(field, 'is not a list');
    return value;
  }

  boolean(field: string, fallback: boolean): boolean {
    const value = this.#value(field);
    if (value === undefined) return fallback;
    if (typeof value === 'boolean') return value;
    if (value === 'true' || value === 'false') return value === 'true';
    throw new ConfigError(field, 'is not true or false');
  }

  choice<Choice extends string>(field: string, choices: readonly Choice[], fallback: Choice): Choice {
    const value = this.text(field, fallback);
    const choice = choices.find((candidate) => candidate === value);
    if (choice === undefined) throw new ConfigError(field, `must be one of ${choices.join(', ')}`);
    return choice;
  }
}
