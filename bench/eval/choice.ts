/** What can be chosen on the command line of `npm run eval`. */
export interface EvalChoice {
  /** A folder of the user's own: each evaluation that takes files says what it expects there. */
  images?: string;
  series?: string;
  /** Parts that pass the drawn line. */
  parts?: number;
  seed: number;
}
