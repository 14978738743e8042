/**
 * Commands that wait for a person's yes, in stations that act only after it (`confirm`). A command
 * is approved once, by one person, within its time; nothing is approved in advance.
 */
import { StationError } from './errors.ts';

export interface ApprovalRequest {
  commandId: string;
  partId: string;
  endpoint: string;
  tag: string;
  value: unknown;
}

export interface Approval {
  actor: string;
  reason: string;
}

export class Approvals {
  readonly #waiting = new Map<string, { request: ApprovalRequest; settle: (approval?: Approval) => void }>();
  readonly #onChange: () => void;

  constructor(onChange: () => void) {
    this.#onChange = onChange;
  }

  /** Resolves to who said yes, or to undefined when nobody did before `signal` was aborted. */
  request(request: ApprovalRequest, signal: AbortSignal): Promise<Approval | undefined> {
    if (signal.aborted) return Promise.resolve(undefined);
    return new Promise((resolve) => {
      const abandon = (): void => settle();
      const settle = (approval?: Approval): void => {
        signal.removeEventListener('abort', abandon);
        this.#waiting.delete(request.commandId);
        this.#onChange();
        resolve(approval);
      };
      signal.addEventListener('abort', abandon);
      this.#waiting.set(request.commandId, { request, settle });
      this.#onChange();
    });
  }

  get(commandId: string): ApprovalRequest {
    return this.#entry(commandId).request;
  }

  /** Throws `NOT_FOUND` when the command is not waiting (any more). */
  approve(commandId: string, approval: Approval): void {
    this.#entry(commandId).settle(approval);
  }

  waiting(): ApprovalRequest[] {
    return [...this.#waiting.values()].map(({ request }) => request);
  }

  /** Nobody's yes is valid any more: the station was disarmed, tripped or closed. */
  withdrawAll(): void {
    for (const { settle } of [...this.#waiting.values()]) settle();
  }

  #entry(commandId: string): { request: ApprovalRequest; settle: (approval?: Approval) => void } {
    const entry = this.#waiting.get(commandId);
    if (entry === undefined)
      throw new StationError('NOT_FOUND', `command ${commandId} is not waiting for approval`);
    return entry;
  }
}
