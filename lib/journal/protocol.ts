/** What the journal and its worker say to each other. */
import type { JournalErrorCode } from './journal-error.ts';
import type { Store } from './store.ts';
import type { PressureLevel, Retention, StreamBound } from './types.ts';

export type StoreMethod = Exclude<
  keyof Store,
  | 'forget'
  | 'saveDelays'
  | 'countCommit'
  | 'holds'
  | 'expireTelemetry'
  | 'bounds'
  | 'sealedHead'
  | 'recordSegment'
>;

export interface Request {
  id: number;
  method: StoreMethod;
  parameters: unknown[];
}

export interface Failure {
  code: JournalErrorCode;
  message: string;
  hint: string | undefined;
}

export interface Reply {
  id: number;
  result?: unknown;
  error?: Failure;
}

/**
 * `ready`; `low`: the disk was full and the ballast is spent; `full`: nothing can be recorded until
 * there is room; `unavailable`: the disk or the file fails.
 */
export type JournalState = 'ready' | 'low' | 'full' | 'unavailable';

export interface WorkerOptions {
  folder: string;
  ballastBytes: number;
  maxWaiting: number;
  retention: Retention;
  bounds: StreamBound[];
}

export type ToWorker = Request | 'close';

export type FromWorker =
  | { type: 'opened' }
  | { type: 'refused'; error: Failure }
  | { type: 'replies'; replies: Reply[] }
  | { type: 'state'; state: JournalState; pressure: PressureLevel }
  | { type: 'closed' };
