/**
 * Commands that keep coming while a link fails, and the judgement of what became of them: what the engine said
 * of each, held against what the PLC itself has seen. Every command has a value of its own, so that an effect can
 * be told from every other.
 */
import { randomUUID } from 'node:crypto';
import { CommandEngine, type Authority, type Command, type Outcome } from '../../lib/plc/command.ts';
import type { Transport } from '../../lib/plc/transport.ts';
import type { StationControl } from '../../lib/station/station.ts';
import { command, person } from './commands.ts';
import { pause } from './ordeal.ts';

/** A write at the moment the PLC applied it; monotonic milliseconds. */
export interface Effect {
  value: number;
  at: number;
}

interface Issued {
  value: number;
  startedAt: number;
  endedAt: number;
  outcome: Outcome;
}

export interface Judgement {
  commands: number;
  /** Commands without an outcome. */
  open: number;
  /** How many ended how. */
  outcomes: Record<Outcome['outcome'], number>;
  /** Values the PLC has seen more than once. */
  doubles: number;
  /** Effects later than a command may leave and its request may take. */
  stale: number;
  /** Confirmed without an effect. */
  falseConfirmed: number;
  /** Refused, and yet with an effect. */
  falseRefused: number;
}

const FAULT_COMMAND = { deadlineMs: 600, timeoutMs: 600, settleMs: 300 } as const;

/** A person who arms the station again whatever it does, so that the load goes on; returns the way to leave. */
export async function keepArmed(station: StationControl): Promise<() => void> {
  const left = new AbortController();
  let isAtIt = false;
  const rearm = async (): Promise<void> => {
    if (isAtIt) return;
    isAtIt = true;
    while (!left.signal.aborted && station.arming().state !== 'ARMED') {
      try {
        if (station.arming().state === 'TRIPPED') await station.reset(person);
        await station.arm(person);
      } catch {
        // Something disarmed it meanwhile, which refuses an arming under way and is no change to hear of.
        await pause(5);
      }
    }
    isAtIt = false;
  };
  const stop = station.onChange(() => void rearm());
  await rearm();
  return () => {
    left.abort();
    stop();
  };
}

/** The station, except that a trip only disarms: after three of them it would lock out whoever resets it. */
export function withoutLockout(station: StationControl): Authority {
  return {
    autonomy: station.autonomy,
    mode: station.mode,
    alarms: station.alarms,
    journal: () => station.journal(),
    arming: () => station.arming(),
    trip: ({ code, message }) => void station.disarm({ actor: 'system', reason: `${code}: ${message}` }),
    disarm: (by) => station.disarm(by),
    standDown: (cause) => station.standDown(cause),
    settled: (id, finding) => station.settled(id, finding),
    override: (seen) => station.override(seen),
    requestApproval: (request, signal) => station.requestApproval(request, signal),
  };
}

export class CommandLoad {
  readonly engine: CommandEngine;
  readonly #authority: Authority;
  readonly #tag: string;
  readonly #everyMs: number;
  readonly #issued: Issued[] = [];
  readonly #underWay = new Set<Promise<unknown>>();
  readonly #waiting = new Set<(issued: Issued) => void>();
  #sent = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: { transport: Transport; station: StationControl; tag: string; everyMs?: number }) {
    this.engine = new CommandEngine({ endpoint: `plc-${randomUUID()}`, transport: options.transport });
    this.#authority = withoutLockout(options.station);
    this.#tag = options.tag;
    this.#everyMs = options.everyMs ?? 100;
  }

  start(): void {
    this.#timer = setInterval(() => this.#issue(), this.#everyMs);
  }

  /** Milliseconds until a command that was issued after now is confirmed; Infinity when none is within the limit. */
  confirmed(limitMs: number): Promise<number> {
    const from = performance.now();
    return new Promise((resolve) => {
      const look = ({ startedAt, endedAt, outcome }: Issued): void => {
        if (outcome.outcome !== 'confirmed' || startedAt < from) return;
        finish();
        resolve(endedAt - from);
      };
      const finish = (): void => {
        clearTimeout(timer);
        this.#waiting.delete(look);
      };
      const timer = setTimeout(() => {
        finish();
        resolve(Infinity);
      }, limitMs);
      this.#waiting.add(look);
    });
  }

  /** Ends the load and resolves when every command has its outcome. */
  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await Promise.all(this.#underWay);
    await this.engine.close();
  }

  /** @param slackMs what the event loop may have added to the time of an effect */
  judge(effects: readonly Effect[], slackMs: number): Judgement {
    const seen = new Map<number, number[]>();
    for (const { value, at } of effects) seen.set(value, [...(seen.get(value) ?? []), at]);
    const outcomes = { confirmed: 0, refused: 0, clamped: 0, unknown: 0 };
    for (const { outcome } of this.#issued) outcomes[outcome.outcome] += 1;
    const longestMs = FAULT_COMMAND.deadlineMs + FAULT_COMMAND.timeoutMs + slackMs;
    const withOutcome = (wanted: Outcome['outcome']): Issued[] =>
      this.#issued.filter(({ outcome }) => outcome.outcome === wanted);
    return {
      commands: this.#sent,
      open: this.#sent - this.#issued.length,
      outcomes,
      doubles: [...seen.values()].filter((times) => times.length > 1).length,
      stale: this.#issued.filter(({ value, startedAt }) =>
        (seen.get(value) ?? []).some((at) => at > startedAt + longestMs),
      ).length,
      falseConfirmed: withOutcome('confirmed').filter(({ value }) => !seen.has(value)).length,
      falseRefused: withOutcome('refused').filter(({ value }) => seen.has(value)).length,
    };
  }

  #issue(): void {
    this.#sent += 1;
    const value = this.#sent;
    const startedAt = performance.now();
    const changes: Partial<Command> = {
      ...FAULT_COMMAND,
      id: randomUUID(),
      startedAt,
      maxPerMinute: 100_000,
    };
    const ended = this.engine
      .execute(command(this.#tag, value, changes), this.#authority)
      .then((outcome) => {
        const issued = { value, startedAt, endedAt: performance.now(), outcome };
        this.#issued.push(issued);
        for (const look of [...this.#waiting]) look(issued);
      })
      .finally(() => this.#underWay.delete(ended));
    this.#underWay.add(ended);
  }
}

/**
 * The guard off: a transport that is always "up" and keeps a write for the time when there is a link, as
 * node-opcua 2.186 does with a write of a session that is being reconnected.
 */
export function holdingWrites(inner: Transport): Transport {
  const linked = (): Promise<void> =>
    new Promise((resolve) => {
      const stop = inner.onLink(() => {
        if (inner.linkUp()) done();
      });
      const done = (): void => {
        stop();
        resolve();
      };
      if (inner.linkUp()) done();
    });
  const descriptions = new Map<string, Awaited<ReturnType<Transport['describe']>>>();
  return {
    open: () => inner.open(),
    close: () => inner.close(),
    linkUp: () => true,
    link: () => inner.link(),
    onLink: (listener) => inner.onLink(listener),
    describe: async (tag) => {
      const known = descriptions.get(tag) ?? (await inner.describe(tag));
      descriptions.set(tag, known);
      return known;
    },
    read: (tag, timeoutMs) => inner.read(tag, timeoutMs),
    readAll: (tags, timeoutMs) => inner.readAll(tags, timeoutMs),
    write: async (tag, value, dataType, timeoutMs) => {
      for (;;) {
        await linked();
        try {
          return await inner.write(tag, value, dataType, timeoutMs);
        } catch {
          // Held, and sent when the link is back.
        }
      }
    },
    writeAll: (writes, timeoutMs) => inner.writeAll(writes, timeoutMs),
  };
}
