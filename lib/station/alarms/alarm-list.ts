/**
 * The alarms of a station. Promises: raising and clearing cost nothing and never fail, however often the same is
 * said; whoever acts does not wait for them. Each change is in the ledger; how they stand outlives a restart. What
 * chatters is one alarm, what another one explains is not shown beside it, and a flood is shown as one.
 */
import type { Clock } from '../../clock.ts';
import type { Journal } from '../../journal/types.ts';
import { AlarmRecord } from './alarm-record.ts';
import { alarmSummary, alarmView, byUrgency } from './alarm-view.ts';
import {
  afterRestart,
  keptAlarm,
  keyOf,
  newAlarm,
  readKeptAlarms,
  restoredAlarm,
  takeOn,
  type Alarm,
} from './alarm.ts';
import { definitionOf, OFF_DELAY_MS, shelveMinutes, type AlarmCode } from './catalogue.ts';
import { detailOf, RECORDED } from './entries.ts';
import { AlarmError } from './errors.ts';
import { explainerOf } from './explaining.ts';
import { FloodMeter } from './flood.ts';
import { isHidden, transition, type AlarmEvent, type AlarmState } from './states.ts';
import type { AlarmReport, AlarmSource, AlarmSummary, AlarmView } from './types.ts';

const MINUTE_MS = 60_000;
/** A sentence; what a device says may be long. */
const MAX_MESSAGE = 500;
const SYSTEM = { actor: 'system' };

interface By {
  actor: string;
  reason?: string;
}

export interface AlarmListOptions {
  /** The station itself, as the source of what comes from no node. */
  station: AlarmSource;
  clock: Clock;
  journal: () => Promise<Journal>;
}

export class AlarmList {
  readonly #station: AlarmSource;
  readonly #clock: Clock;
  readonly #record: AlarmRecord;
  readonly #flood = new FloodMeter();
  readonly #alarms = new Map<string, Alarm>();

  constructor({ station, clock, journal }: AlarmListOptions) {
    this.#station = station;
    this.#clock = clock;
    this.#record = new AlarmRecord({
      station: station.name,
      journal,
      snapshot: () => ({ version: 1, alarms: this.#kept() }),
    });
  }

  /** The cause stands, or has just happened (`kind: 'event'`). Saying it again while it stands changes nothing. */
  raise({ code, message, source = this.#station }: AlarmReport): void {
    const { kind, onDelayMs = 0 } = definitionOf(code);
    const alarm = this.#alarms.get(keyOf(code, source.id)) ?? this.#made(code, source);
    alarm.message = message.slice(0, MAX_MESSAGE);
    alarm.source = source;
    if (kind === 'event') this.#happen(alarm);
    else if (alarm.standing.condition === 'active') alarm.due = null;
    else if (alarm.isDoubtful) this.#apply(alarm, 'confirm', SYSTEM);
    else if (onDelayMs === 0) this.#apply(alarm, 'raise', SYSTEM);
    else if (alarm.due?.event !== 'raise') alarm.due = { event: 'raise', at: this.#clock.now() + onDelayMs };
  }

  /** The cause is gone: of this source, or of whatever source raised it. */
  clear(code: AlarmCode, source?: Pick<AlarmSource, 'id'>): void {
    const key = source === undefined ? undefined : keyOf(code, source.id);
    for (const alarm of [...this.#alarms.values()]) {
      if (key === undefined ? alarm.code === code : alarm.key === key) this.#clear(alarm);
    }
  }

  /** Whoever knows says that what was so before a restart is still so, wherever it was raised. */
  confirm(code: AlarmCode): void {
    for (const alarm of [...this.#alarms.values()]) {
      if (alarm.code === code && alarm.isDoubtful) this.#apply(alarm, 'confirm', SYSTEM);
    }
  }

  /** A person has seen it. Throws `NOT_FOUND`, or `ALARM_STATE` while it is hidden. */
  acknowledge(key: string, by: By): AlarmView {
    const alarm = this.#get(key);
    if (isHidden(alarm.standing.state)) throw hiddenAlready(alarm);
    this.#apply(alarm, 'acknowledge', by);
    return this.#view(alarm);
  }

  /** A person says that the cause of a latched alarm is gone. Throws `NOT_FOUND`, or `ALARM_STATE` where it stands. */
  reset(key: string, by: By): AlarmView {
    const alarm = this.#get(key);
    if (alarm.standing.condition !== 'held' || isHidden(alarm.standing.state)) {
      throw new AlarmError('ALARM_STATE', `${key} is ${alarm.standing.state}: there is nothing to reset`, {
        hint: 'Clear the cause first.',
      });
    }
    this.#apply(alarm, 'reset', by);
    return this.#view(alarm);
  }

  /**
   * Puts it aside for so many minutes, 1 or more. It goes on in the background, and comes back when the time is
   * over. Rejects with `NOT_FOUND`, `ALARM_STATE`, `SHELVE_TOO_LONG` or `ALARM_UNRECORDED`; nothing changed then.
   */
  async shelve(key: string, { minutes, ...by }: Required<By> & { minutes: number }): Promise<AlarmView> {
    const most = shelveMinutes(this.#get(key).code);
    if (!(minutes >= 1 && minutes <= most)) {
      throw new AlarmError('SHELVE_TOO_LONG', `this alarm can be shelved for 1 to ${most} minutes`);
    }
    return this.#hide(key, 'shelve', 'alarm.shelved', by, minutes);
  }

  /** Shows it again before its time. Throws `NOT_FOUND`, or `ALARM_STATE` where it is not shelved. */
  unshelve(key: string, by: By): AlarmView {
    return this.#showAgain(key, 'shelved', 'unshelve', by);
  }

  /** For maintenance, until it is put back. Rejects as `shelve`. */
  removeFromService(key: string, by: Required<By>): Promise<AlarmView> {
    return this.#hide(key, 'remove-from-service', 'alarm.out-of-service', by, null);
  }

  /** Throws `NOT_FOUND`, or `ALARM_STATE` where it is in service. */
  returnToService(key: string, by: By): AlarmView {
    return this.#showAgain(key, 'out-of-service', 'return-to-service', by);
  }

  /** Everything that is not normal: the most urgent first, hidden ones last. */
  views(): AlarmView[] {
    return [...this.#alarms.values()]
      .filter(({ standing }) => standing.state !== 'normal')
      .map((alarm) => this.#view(alarm))
      .sort(byUrgency);
  }

  summary(): AlarmSummary {
    return alarmSummary(this.views(), this.#flood.lastHour(this.#clock.now()));
  }

  /** Takes what was kept over a restart, below what has happened since. Who raised it may be gone: that is doubt. */
  restore(kept: unknown): void {
    const [now, wallNow] = [this.#clock.now(), this.#clock.wallNow()];
    for (const one of readKeptAlarms(kept)) {
      this.#alarms.set(one.key, afterRestart(restoredAlarm(one, now, wallNow), this.#alarms.get(one.key)));
    }
    this.#explain();
  }

  /** Once a second: what time alone changes. */
  tick(): void {
    const now = this.#clock.now();
    for (const alarm of [...this.#alarms.values()]) {
      const { due, hidden, unrecorded } = alarm;
      if (unrecorded > 0) this.#note('alarm.raised', alarm, SYSTEM);
      if (due !== null && due.at <= now) {
        alarm.due = null;
        this.#apply(alarm, due.event, SYSTEM);
      }
      if (hidden?.until !== undefined && hidden.until !== null && hidden.until <= now) {
        this.#apply(alarm, 'unshelve', { ...SYSTEM, reason: 'the time was over' });
      }
    }
    this.#watchFlood();
    this.#record.flush();
  }

  /** Writes what is not written yet. */
  close(): Promise<void> {
    return this.#record.close();
  }

  /** What the next start takes. */
  get recordKey(): string {
    return this.#record.key;
  }

  #made(code: AlarmCode, source: AlarmSource): Alarm {
    const alarm = newAlarm(code, source, this.#clock.wallNow());
    this.#alarms.set(alarm.key, alarm);
    return alarm;
  }

  /** What is over as soon as it has happened. Many at once are one record a second. */
  #happen(alarm: Alarm): void {
    const { state } = alarm.standing;
    if (state === 'returned' || isHidden(state)) {
      alarm.count += 1;
      alarm.unrecorded += 1;
      alarm.changedAt = this.#clock.wallNow();
      return;
    }
    this.#apply(alarm, 'raise', SYSTEM);
    this.#apply(alarm, 'clear', SYSTEM);
  }

  #clear(alarm: Alarm): void {
    if (alarm.due?.event === 'raise') alarm.due = null;
    if (alarm.standing.state === 'normal') {
      this.#alarms.delete(alarm.key);
      return;
    }
    const { condition } = alarm.standing;
    if (alarm.due !== null || (condition !== 'active' && !alarm.isDoubtful)) return;
    const { offDelayMs = OFF_DELAY_MS } = definitionOf(alarm.code);
    if (offDelayMs === 0 || alarm.isDoubtful) this.#apply(alarm, 'clear', SYSTEM);
    else alarm.due = { event: 'clear', at: this.#clock.now() + offDelayMs };
  }

  async #hide(
    key: string,
    event: AlarmEvent,
    type: string,
    by: Required<By>,
    minutes: number | null,
  ): Promise<AlarmView> {
    const assertCan = (): Alarm => {
      const alarm = this.#get(key);
      if (transition(alarm.standing, event, false) === alarm.standing) throw hiddenAlready(alarm);
      return alarm;
    };
    const before = assertCan();
    await this.#record.audit({ type, ...by, detail: { ...detailOf(before), minutes } });
    const alarm = assertCan();
    const at = this.#clock.wallNow();
    const until = minutes === null ? null : this.#clock.now() + minutes * MINUTE_MS;
    this.#apply(alarm, event, by);
    alarm.hidden = { ...by, at, until };
    this.#record.keep();
    return this.#view(alarm);
  }

  #showAgain(key: string, from: AlarmState, event: AlarmEvent, by: By): AlarmView {
    const alarm = this.#get(key);
    if (alarm.standing.state !== from) {
      throw new AlarmError('ALARM_STATE', `${key} is ${alarm.standing.state}, not ${from}`);
    }
    this.#apply(alarm, event, by);
    return this.#view(alarm);
  }

  /** Everything that changes an alarm goes through here. */
  #apply(alarm: Alarm, event: AlarmEvent, by: By): void {
    const { isLatching = false, kind } = definitionOf(alarm.code);
    const before = alarm.standing;
    const next = transition(before, event, isLatching);
    if (next === before) return;
    takeOn(alarm, next, { event, actor: by.actor, at: this.#clock.wallNow() });
    // That an event is over is no news.
    const type = kind === 'event' && event === 'clear' ? undefined : RECORDED[event];
    const isNew = event === 'raise' && next.state === 'unacknowledged';
    const explainer = isNew ? this.#explainer(alarm) : undefined;
    if (explainer === undefined) {
      if (type !== undefined) this.#note(type, alarm, by);
      this.#tell(alarm, before.state);
    } else this.#suppress(alarm, explainer);
    if (alarm.standing.state === 'normal') this.#alarms.delete(alarm.key);
    this.#record.keep();
    this.#explain();
  }

  /** Somebody has to look: it counts towards a flood. */
  #tell(alarm: Alarm, before: AlarmState): void {
    const { standing, code } = alarm;
    if (standing.state !== 'unacknowledged' || before === 'unacknowledged' || code === 'ALARM_FLOOD') return;
    alarm.toldAt = this.#clock.now();
    this.#flood.add(alarm.toldAt);
    this.#watchFlood();
  }

  #watchFlood(): void {
    const since = this.#flood.since(this.#clock.now());
    const isRaised = this.#alarms.has(keyOf('ALARM_FLOOD', this.#station.id));
    if (since === null && isRaised) this.clear('ALARM_FLOOD');
    else if (since !== null && !isRaised) {
      this.raise({ code: 'ALARM_FLOOD', message: 'more than ten alarms came within ten minutes' });
    }
  }

  /** Hides what another alarm explains, and shows it again when that is gone. */
  #explain(): void {
    for (const alarm of [...this.#alarms.values()]) {
      const { state, condition } = alarm.standing;
      const explainer = this.#explainer(alarm);
      if (state === 'suppressed' && (explainer === undefined || condition === 'gone')) {
        this.#apply(alarm, 'unsuppress', SYSTEM);
        return;
      }
      if (explainer !== undefined && !isHidden(state) && condition === 'active') {
        this.#suppress(alarm, explainer);
        this.#record.keep();
        this.#explain();
        return;
      }
    }
  }

  #suppress(alarm: Alarm, explainer: Alarm): void {
    const next = transition(alarm.standing, 'suppress', false);
    if (next === alarm.standing) return;
    alarm.standing = next;
    const { title } = definitionOf(explainer.code);
    const reason = `${title}: ${explainer.message}`;
    alarm.hidden = { actor: explainer.key, reason, at: this.#clock.wallNow(), until: null };
    this.#note('alarm.suppressed', alarm, { ...SYSTEM, reason });
  }

  #explainer(alarm: Alarm): Alarm | undefined {
    return explainerOf(alarm, this.#alarms.values());
  }

  #note(type: string, alarm: Alarm, by: By): void {
    this.#record.note({ type, ...by, detail: { ...detailOf(alarm), state: alarm.standing.state } });
    alarm.unrecorded = 0;
  }

  #get(key: string): Alarm {
    const alarm = this.#alarms.get(key);
    if (alarm === undefined || alarm.standing.state === 'normal') {
      throw new AlarmError('NOT_FOUND', `there is no alarm ${key} (any more)`);
    }
    return alarm;
  }

  #kept(): unknown[] {
    const [now, wallNow] = [this.#clock.now(), this.#clock.wallNow()];
    return [...this.#alarms.values()]
      .filter(({ standing }) => standing.state !== 'normal')
      .map((alarm) => keptAlarm(alarm, now, wallNow));
  }

  #view(alarm: Alarm): AlarmView {
    const now = this.#clock.now();
    return alarmView(alarm, now, this.#flood.since(now));
  }
}

function hiddenAlready({ key, standing }: Alarm): AlarmError {
  return new AlarmError('ALARM_STATE', `${key} is ${standing.state} already`, {
    hint: 'Show it again first.',
  });
}
