/**
 * How well signals are judged, beside the published tables: SKAB (multivariate anomalies), NAB (streams) and
 * C-MAPSS (remaining life). `--series DIR` takes a folder laid out like `shared/data/timeseries`, with any of
 * `skab/{valve1,valve2,other}/*.csv`, `nab/{data,labels,config}` and `cmapss/*_FD001.txt.gz`.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { shared } from '../../test/support/shared.ts';
import type { Figure, Section } from '../figures.ts';
import type { EvalChoice } from './choice.ts';
import { evaluateCmapss } from './cmapss.ts';
import { evaluateNab } from './nab.ts';
import { evaluateSkab } from './skab.ts';

export async function evaluateSignals({ series }: EvalChoice): Promise<Section> {
  const root = series ?? shared('data', 'timeseries');
  const figures: Figure[] = [];
  if (existsSync(join(root, 'skab'))) figures.push(...(await evaluateSkab(join(root, 'skab'))));
  if (existsSync(join(root, 'nab'))) figures.push(...(await evaluateNab(join(root, 'nab'))));
  if (existsSync(join(root, 'cmapss'))) figures.push(...evaluateCmapss(join(root, 'cmapss')));
  if (figures.length === 0) throw new Error(`${root} has no folder skab, nab or cmapss`);
  return { title: 'Signals', figures };
}
