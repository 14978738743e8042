/** What a node can learn to judge: one interface for pictures and for signals. */
import type { Inspection } from '../../lib/inspection/inspection.ts';
import type { StationControl } from '../../lib/station/station.ts';
import type { NodeContext } from '../runtime/register.ts';
import type { Message, Outputs } from '../runtime/types.ts';

export interface Subject {
  /** Puts what was taught before into service, or begins to teach as configured. */
  start(): Promise<void>;
  /** Begins to teach anew; the message is for whoever asked for it. */
  teach(): Promise<Message>;
  /** Throws a coded error where the message holds nothing to score; asked before a part is opened for it. */
  check(message: Message): void;
  /** The outputs for one part; throws a coded error when it cannot be scored. */
  score(message: Message, inspection: Inspection, signal: AbortSignal): Promise<Outputs>;
  close(): Promise<void>;
}

/** What a subject gets of its node; its part of the configuration it has read already. */
export type SubjectContext = Omit<NodeContext<unknown>, 'config' | 'credentials'>;

/** Made of the configuration, so that a wrong field is found before anything is started. */
export type SubjectMaker = (context: SubjectContext, station: StationControl) => Subject;
