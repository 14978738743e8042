/** The judge of a rule, and where it finds on a message what it judges. */
import type { Filter, Judge } from '../../lib/gate/judgement.ts';
import { LimitJudge } from '../../lib/gate/limits.ts';
import { BandJudge } from '../../lib/gate/rules/band.ts';
import { ChartJudge } from '../../lib/gate/rules/chart.ts';
import { CombinedJudge } from '../../lib/gate/rules/combined.ts';
import { Hold, KOfN } from '../../lib/gate/rules/filters.ts';
import { ObjectJudge } from '../../lib/gate/rules/objects.ts';
import type { Inspection } from '../../lib/inspection/inspection.ts';
import type { Config } from './config.ts';

interface Judging {
  judge: Judge;
  /** The same judge where it has limits on a score, … */
  limits?: LimitJudge;
  /** … or combines several. */
  combined?: CombinedJudge;
}

export function judgeOf(config: Config): Judging {
  const { rule } = config;
  switch (rule.kind) {
    case 'budget':
    case 'fixed': {
      const limits = new LimitJudge(config);
      if (rule.kind === 'fixed') limits.setLimits({ ...rule, calibration: 'fixed' });
      return { judge: limits, limits };
    }
    case 'band':
      return { judge: new BandJudge(rule) };
    case 'objects':
      return { judge: new ObjectJudge(rule.limits) };
    case 'combined':
      return withCombined(new CombinedJudge(rule));
    case 'chart':
      return { judge: new ChartJudge(rule) };
  }
}

function withCombined(combined: CombinedJudge): Judging {
  return { judge: combined, combined };
}

export function filtersOf({ confirm, holdMs }: Config): Filter[] {
  return [
    ...(confirm === undefined ? [] : [new KOfN(confirm)]),
    ...(holdMs === 0 ? [] : [new Hold({ holdMs })]),
  ];
}

/** What the rule judges; `read` gives the value of a property of the message. */
export function valueOf(
  { rule, scoreProperty }: Config,
  inspection: Inspection,
  read: (property: string) => unknown,
): unknown {
  if (rule.kind === 'objects') return objectsIn(inspection);
  if (rule.kind === 'combined') return rule.scores.map(({ name }) => read(name));
  return read(scoreProperty);
}

/** Of every detector that has seen the part; undefined when none has. */
function objectsIn({ inference = [] }: Inspection): unknown {
  const lists = inference.flatMap(({ objects }) => (objects === undefined ? [] : [objects]));
  return lists.length === 0 ? undefined : lists.flat();
}
