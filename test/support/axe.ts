/** What axe-core holds against a part of a page. */
import axe from 'axe-core';
import type { Page } from 'playwright-core';

interface Violation {
  id: string;
  impact: string | null;
  help: string;
  nodes: { target: string[]; failureSummary?: string }[];
}

/** What Node-RED itself puts into every dialog: fields that catch password managers, and the frame of its typed input. */
const OF_THE_EDITOR = ['[id^=red-ui-trap]'];
const COUNTED = ['serious', 'critical'];

/** Serious and critical findings inside `selector`, one line for each element; WCAG 2.2 A and AA and what axe calls best practice. */
export async function barriersIn(page: Page, selector: string): Promise<string[]> {
  if (!(await page.evaluate<boolean>('window.axe !== undefined')))
    await page.addScriptTag({ content: axe.source });
  const violations = await page.evaluate<Violation[]>(
    `axe.run({ include: ${JSON.stringify(selector)}, exclude: ${JSON.stringify(OF_THE_EDITOR)} }, { resultTypes: ['violations'] })
      .then(({ violations }) => violations)`,
  );
  return violations
    .filter(({ impact }) => COUNTED.includes(impact ?? ''))
    .flatMap(({ id, help, nodes }) =>
      nodes.map(({ target, failureSummary = '' }) => {
        const detail = failureSummary.split('\n').slice(1, 2).join('').trim();
        return `${id} (${help}): ${target.join(' ')} ${detail}`;
      }),
    );
}
