/** What a code means, in the language of who looks. */
import { CATALOGUE_DE } from './catalogue-de.ts';
import { definitionOf, type AlarmCode, type AlarmText } from './catalogue.ts';

/** `language`: as browsers name it, `de-AT` or a list in order of preference; English for what there is no other for. */
export function alarmText(code: AlarmCode, language: string): AlarmText {
  const isGerman = /^\s*de\b/i.test(language);
  const { title, cause, consequence, action } = isGerman ? CATALOGUE_DE[code] : definitionOf(code);
  return { title, cause, consequence, action };
}
