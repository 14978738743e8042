/** What the dialog of tolerance-gate saved, as a typed value. */
import type { Fallback } from '../../lib/gate/judgement.ts';
import type { ChartOptions } from '../../lib/gate/rules/chart.ts';
import type { CombinedOptions } from '../../lib/gate/rules/combined.ts';
import type { ObjectLimit } from '../../lib/gate/rules/objects.ts';
import type { Settings, SettingsBounds } from '../../lib/gate/settings.ts';
import { ConfigError, ConfigReader } from '../runtime/config.ts';
import type { RawConfig } from '../runtime/types.ts';

const KINDS = ['budget', 'fixed', 'band', 'objects', 'combined', 'chart'] as const;
const COMBINED = ['any', 'all', 'fisher', 'bonferroni'] as const;
const HOUR_REVIEWS = 100_000;

/** How a part is judged, with what that takes. */
export type Rule =
  | { kind: 'budget'; reviewShare: number }
  | { kind: 'fixed'; reject: number; review: number }
  | { kind: 'band'; min: number | undefined; max: number | undefined; margin: number }
  | { kind: 'objects'; limits: ObjectLimit[] }
  | ({ kind: 'combined' } & CombinedOptions)
  | ({ kind: 'chart' } & ChartOptions);

export interface Config {
  name: string;
  stationId: string | undefined;
  /** Message property that holds the score or the measured value. */
  scoreProperty: string;
  rule: Rule;
  settings: Settings;
  bounds: SettingsBounds;
  toleranceShare: number;
  hysteresis: number;
  fallback: Fallback;
  /** Undefined where one part beyond its limits is enough. */
  confirm: { k: number; n: number } | undefined;
  /** 0 holds nothing. */
  holdMs: number;
}

export function normalise(config: ConfigReader): Config {
  const kind = config.choice('mode', KINDS, 'budget');
  const byCapacity =
    kind === 'budget' && config.choice('reviewBy', ['share', 'capacity'], 'share') === 'capacity';
  const settings: Settings = {
    alpha: config.number('alphaPercent', { fallback: 5, min: 0.01, max: 50 }) / 100,
    delta: (100 - config.number('confidencePercent', { fallback: 95, min: 50, max: 99.99 })) / 100,
    reviewsPerHour: byCapacity ? config.number('reviewsPerHour', { min: 0, max: HOUR_REVIEWS }) : null,
  };
  const n = config.optionalNumber('confirmN', { min: 1, max: 100, integer: true });
  const rule = ruleOf(kind, config, settings);
  return {
    name: config.text('name', 'tolerance-gate'),
    stationId: config.text('station', '') || undefined,
    scoreProperty: config.text('scoreProperty', 'inspection.anomaly.score'),
    rule,
    settings,
    bounds: boundsOf(config, rule, settings),
    toleranceShare: config.number('tolerancePercent', { fallback: 25, min: 0, max: 90 }) / 100,
    hysteresis: config.number('hysteresisPercent', { fallback: 0, min: 0, max: 50 }) / 100,
    fallback: config.choice('fallback', ['review', 'reject'], 'review'),
    confirm:
      n === undefined ? undefined : { k: config.number('confirmK', { min: 1, max: n, integer: true }), n },
    holdMs: config.number('holdSeconds', { fallback: 0, min: 0, max: 86_400 }) * 1000,
  };
}

function ruleOf(kind: (typeof KINDS)[number], config: ConfigReader, { alpha }: Settings): Rule {
  const reviewShare = config.number('reviewPercent', { fallback: 0, min: 0, max: 50 }) / 100;
  switch (kind) {
    case 'budget':
      return { kind, reviewShare };
    case 'fixed': {
      const reject = config.number('threshold');
      return { kind, reject, review: config.number('reviewThreshold', { fallback: reject, max: reject }) };
    }
    case 'band': {
      const [min, max] = [config.optionalNumber('bandMin'), config.optionalNumber('bandMax')];
      return { kind, min, max, margin: config.number('bandMargin', { fallback: 0, min: 0 }) };
    }
    case 'objects':
      return { kind, limits: rowsOf(config, 'objectLimits', objectLimit) };
    case 'combined': {
      const scores = rowsOf(config, 'scores', (row) => ({
        name: row.text('property'),
        limit: row.number('limit', { fallback: 1 }),
      }));
      return { kind, by: config.choice('combineBy', COMBINED, 'any'), scores, alpha, reviewShare };
    }
    case 'chart':
      return { kind, ...chartOf(config) };
  }
}

function objectLimit(row: ConfigReader): ObjectLimit {
  const minCount = row.number('minCount', { fallback: 0, min: 0, integer: true });
  return {
    label: row.text('label'),
    minScore: row.number('minScore', { fallback: 0.5, min: 0, max: 1 }),
    minCount,
    maxCount: row.optionalNumber('maxCount', { min: minCount, integer: true }) ?? Infinity,
    decision: row.choice('decision', ['review', 'reject'], 'reject'),
  };
}

function chartOf(config: ConfigReader): ChartOptions {
  const learns = config.choice('baseline', ['learn', 'given'], 'learn') === 'learn';
  return {
    chart: config.choice('chart', ['shewhart', 'ewma'], 'shewhart'),
    baseline: learns
      ? { learn: config.number('learnCount', { fallback: 25, min: 10, max: 1000, integer: true }) }
      : { centre: config.number('centre'), sigma: config.number('sigma', { min: Number.MIN_VALUE }) },
    lambda: config.number('lambda', { fallback: 0.2, min: 0.01, max: 1 }),
    width: config.number('width', { fallback: 3, min: 1, max: 6 }),
  };
}

/**
 * Where a field is empty, or the rule makes no use of it, its number may not be moved while the line runs;
 * what is deployed is always within.
 */
function boundsOf(
  config: ConfigReader,
  rule: Rule,
  { alpha, delta, reviewsPerHour }: Settings,
): SettingsBounds {
  const isBudget = rule.kind === 'budget';
  const usesAlpha =
    isBudget || (rule.kind === 'combined' && (rule.by === 'fisher' || rule.by === 'bonferroni'));
  const alphaMax = config.optionalNumber('alphaMaxPercent', { min: 0.01, max: 50 });
  const least = config.optionalNumber('confidenceMinPercent', { min: 50, max: 99.99 });
  const most = config.optionalNumber('reviewsMaxPerHour', { min: 0, max: HOUR_REVIEWS });
  const reviews = reviewsPerHour ?? 0;
  return {
    alpha: alphaMax === undefined || !usesAlpha ? [alpha, alpha] : [0.0001, Math.max(alpha, alphaMax / 100)],
    delta: least === undefined || !isBudget ? [delta, delta] : [0.0001, Math.max(delta, (100 - least) / 100)],
    reviewsPerHour: most === undefined ? [reviews, reviews] : [0, Math.max(reviews, most)],
  };
}

/** Each row of a list of the dialog, read like a configuration of its own. */
function rowsOf<Row>(config: ConfigReader, field: string, read: (row: ConfigReader) => Row): Row[] {
  return config.list(field).map((row, index) => {
    if (typeof row !== 'object' || row === null)
      throw new ConfigError(field, `row ${index + 1} is not a row`);
    try {
      return read(new ConfigReader(row as RawConfig));
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      throw new ConfigError(
        `${field}, row ${index + 1}, ${error.field}`,
        error.message.replace(/^[^:]*: /, ''),
      );
    }
  });
}
