/** The alarms that follow from where a station stands: tripped, locked out, stepped down. */
import type { Mode } from '../../inspection/inspection.ts';
import type { ArmingView, Cause } from '../types.ts';
import type { AlarmList } from './alarm-list.ts';
import { isAlarmCode, type AlarmCode } from './catalogue.ts';

export interface Stand {
  arming: Pick<ArmingView, 'state' | 'reason'>;
  mode: Mode;
  concerns: Cause[];
}

export class StationAlarms {
  readonly #list: AlarmList;
  #concerns: readonly AlarmCode[] = [];

  constructor(list: AlarmList) {
    this.#list = list;
  }

  /** Called with every change. */
  follow({ arming, mode, concerns }: Stand): void {
    const { state, reason } = arming;
    const why = `${mode}: ${concerns.map(({ message }) => message).join('; ')}`;
    const found: { code: AlarmCode; isSo: boolean; message: string }[] = [
      { code: 'LOCKED_OUT', isSo: state === 'LOCKED_OUT', message: reason },
      { code: 'TRIPPED', isSo: state === 'TRIPPED' || state === 'LOCKED_OUT', message: reason },
      { code: 'STATION_STOPPED', isSo: mode === 'STOPPED', message: why },
      { code: 'STATION_DEGRADED', isSo: mode !== 'NORMAL', message: why },
    ];
    // What explains another comes before it and goes after it: otherwise the other would be seen for a moment.
    for (const { code, message, isSo } of found) if (isSo) this.#list.raise({ code, message });
    for (const { code, isSo } of found.toReversed()) if (!isSo) this.#list.clear(code);
    const codes = concerns.map(({ code }) => code).filter(isAlarmCode);
    // Whoever resets the station says that the causes are gone.
    for (const code of this.#concerns) if (!codes.includes(code)) this.#list.clear(code);
    this.#concerns = codes;
  }

  /** What the station was concerned about before a restart it still is. */
  restore({ concerns }: Pick<Stand, 'concerns'>): void {
    for (const { code } of concerns) if (isAlarmCode(code)) this.#list.confirm(code);
  }
}
