import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { alarmText } from '../../../../lib/station/alarms/alarm-text.ts';
import {
  CATALOGUE,
  definitionOf,
  isAlarmCode,
  PRIORITIES,
  type AlarmCode,
} from '../../../../lib/station/alarms/catalogue.ts';
import { repositoryRoot } from '../../../support/shared.ts';

const codes = Object.keys(CATALOGUE) as AlarmCode[];

describe('the catalogue of alarms', () => {
  it('says in both languages what each is, why, what follows and what to do', () => {
    for (const code of codes) {
      const [english, german] = [alarmText(code, 'en-US'), alarmText(code, 'de-DE,de;q=0.9,en;q=0.8')];
      for (const text of [english, german].flatMap((all) => Object.values<string>({ ...all }))) {
        assert.ok(text.length > 3 && text === text.trim(), `${code}: “${text}”`);
      }
      for (const part of ['title', 'cause', 'consequence', 'action'] as const) {
        assert.notEqual(english[part], german[part], `${code}.${part}`);
      }
    }
    const titles = codes.flatMap((code) => [alarmText(code, 'en').title, alarmText(code, 'de').title]);
    assert.equal(new Set(titles).size, titles.length, 'no two are called the same');
  });

  it('speaks English to whoever prefers something else, also where German comes later', () => {
    for (const language of ['', 'fr', 'en,de', 'den']) {
      assert.equal(alarmText('DRIFT', language).title, CATALOGUE.DRIFT.title, language);
    }
  });

  it('has few that are critical', () => {
    const critical = codes.filter((code) => definitionOf(code).priority === PRIORITIES[0]);
    assert.ok(critical.length <= codes.length / 4, critical.join(', '));
  });

  it('explains only what there is, and nothing by what it explains itself', () => {
    const explainedBy = (code: AlarmCode): AlarmCode[] =>
      Object.keys(definitionOf(code).explains ?? {}).filter(isAlarmCode);
    for (const code of codes) {
      assert.equal(explainedBy(code).length, Object.keys(definitionOf(code).explains ?? {}).length, code);
      const reached = new Set<AlarmCode>();
      const waiting = explainedBy(code);
      for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
        if (reached.has(next)) continue;
        reached.add(next);
        waiting.push(...explainedBy(next));
      }
      assert.ok(!reached.has(code), `${code} explains itself`);
    }
  });

  // That nothing else is raised the compiler sees to.
  it('has no entry that nothing raises', () => {
    const sources = globSync('{lib,nodes}/**/*.ts', { cwd: repositoryRoot })
      .filter((file) => !file.startsWith(join('lib', 'station', 'alarms', 'catalogue')))
      .map((file) => readFileSync(join(repositoryRoot, file), 'utf8'));
    const raised = new Set(
      sources
        .filter((text) => text.includes('alarms'))
        .flatMap((text) => [...text.matchAll(/'([A-Z_]+)'/g)].map(([, code]) => code)),
    );
    assert.deepEqual(
      codes.filter((code) => !raised.has(code)),
      [],
    );
  });
});
