/**
 * The one error of the house: every failure that reaches a person or a flow carries a stable
 * `code`, so that nobody has to match on wording. Domains extend it with their own codes.
 */
export class CodedError<Code extends string = string> extends Error {
  /** Stable identifier in UPPER_SNAKE_CASE; Node-RED copies own properties to `msg.error`. */
  readonly code: Code;
  /** What the person at the station can do about it. */
  readonly hint: string | undefined;

  constructor(code: Code, message: string, options: { hint?: string; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = new.target.name;
    this.code = code;
    this.hint = options.hint;
  }
}

/** Whatever was thrown, as an Error that has a `code`; a message can make anything be thrown, and never this. */
export function asCodedError(thrown: unknown, fallbackCode = 'UNEXPECTED'): Error & { code: string } {
  try {
    if (thrown instanceof Error) {
      const { code } = thrown as { code?: unknown };
      if (typeof code === 'string') return thrown as Error & { code: string };
      return new CodedError(fallbackCode, thrown.message, { cause: thrown });
    }
    return new CodedError(fallbackCode, String(thrown));
  } catch {
    return new CodedError(fallbackCode, 'what was thrown cannot be shown');
  }
}
