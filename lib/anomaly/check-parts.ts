/** Looks at pictures before a model is taught from them, and keeps nothing. */
import type { Frame } from '../frame/frame.ts';
import type { Resolution } from './head.ts';
import type { Checked } from './teach-protocol.ts';
import { doJob, endSource, type JobOptions } from './teacher.ts';

export interface CheckOptions extends JobOptions {
  /** Absolute paths, or frames. */
  pictures?: readonly string[];
  frames?: AsyncIterable<Frame> | Iterable<Frame>;
  /** What the model will see; 224 unless told. */
  resolution?: Resolution;
}

async function* labelled(frames: AsyncIterable<Frame> | Iterable<Frame>): AsyncGenerator<{ frame: Frame }> {
  for await (const frame of frames) yield { frame };
}

/**
 * How many different parts there are, and what is to be said of them; `leftOut` marks what teaching would leave
 * out by itself. `part` of a finding is the id the part would get.
 *
 * @throws AnomalyError `TEACH_CANCELLED`, `TEACH_FAILED`, and whatever `frames` throws
 */
export async function checkParts(options: CheckOptions): Promise<Checked> {
  const { pictures, frames, resolution = 224 } = options;
  const source = frames === undefined ? undefined : labelled(frames);
  const settings = { width: resolution, height: resolution };
  try {
    const job = { kind: 'check', settings, ...(pictures === undefined ? {} : { pictures }) } as const;
    const { checked } = (await doJob(job, source, options)) as { checked: Checked };
    return checked;
  } finally {
    endSource(source);
  }
}
