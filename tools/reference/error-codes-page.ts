// The page docs/reference/error-codes.md: a heading a code, so that each can be linked to.
import type { ErrorCode } from './error-codes.ts';

/** Angle brackets and stars of a message are text. */
function plain(text: string): string {
  return text
    .replace(/\s+/g, ' ')
    .trim()
    .replaceAll('<', '&lt;')
    .replace(/([*_])/g, '\\$1');
}

function section({ code, rooms, meaning, messages, hints }: ErrorCode): string[] {
  const happened = meaning === undefined ? messages.map((text) => `“${plain(text)}”`) : [plain(meaning)];
  return [
    `### ${code}`,
    '',
    `${happened.join(' · ')} _(${rooms.join(', ')})_`,
    '',
    ...hints.map((hint) => `- ${plain(hint)}`),
    '',
  ];
}

export function errorCodesPage(codes: readonly ErrorCode[]): string {
  const unsaid = codes.filter(({ meaning, messages }) => meaning === undefined && messages.length === 0);
  if (unsaid.length > 0) {
    throw new Error(
      `say what these mean where they are declared: ${unsaid.map(({ code }) => code).join(', ')}`,
    );
  }
  return [
    '# Error codes',
    '',
    'What reaches a Catch node (`msg.error.code`), the log, a dialog or an admin route (`{code, message, hint}`) has one of',
    'these codes. They are stable: match on them and not on the wording. In brackets where it comes from; `…` stands for a',
    'value; below each what to do. This page is written by `npm run reference` from the sources.',
    '',
    ...codes.flatMap(section),
  ].join('\n');
}
