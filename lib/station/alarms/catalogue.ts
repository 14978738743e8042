/**
 * Every alarm there is: how urgent it is, how it behaves, and what it means to the person in front of the
 * machine. The one source of these texts: the admin routes send them, so that the side bar and the pages show
 * them, and `docs/reference/alarms.md` is made of them. The German ones are in `catalogue-de.ts`.
 */

/** Most urgent first (ISA-18.2 asks for three or four). */
export const PRIORITIES = ['critical', 'high', 'medium', 'low'] as const;
export type AlarmPriority = (typeof PRIORITIES)[number];

export interface AlarmText {
  title: string;
  cause: string;
  /** What happens when nobody does anything. */
  consequence: string;
  /** What to do. */
  action: string;
}

export interface AlarmDefinition extends AlarmText {
  priority: AlarmPriority;
  /** `event`: something that has happened and is over; a person only has to see it. */
  kind: 'state' | 'event';
  /** Stays until a person resets it, also when the cause is gone. */
  isLatching?: true;
  /** So long the cause has to stand before anybody is told, and to be gone before it counts as gone. */
  onDelayMs?: number;
  offDelayMs?: number;
  /** Alarms that say nothing new while this one stands: of the same source (or within it), or of the station. */
  explains?: Readonly<Record<string, 'source' | 'station'>>;
}

const SECOND = 1000;
/** What comes and goes faster than this is one alarm (ISA-18.2: 5 s suits flow and pressure, 60 s temperature). */
export const OFF_DELAY_MS = 5 * SECOND;

export const CATALOGUE = {
  TRIPPED: {
    priority: 'critical',
    kind: 'state',
    offDelayMs: 0,
    title: 'Station tripped',
    cause: 'Something happened that must not happen: the message names it.',
    consequence: 'The station writes nothing to the PLC and cannot be armed.',
    action: 'Find and clear the cause, check the machine, then reset the station and arm it.',
  },
  LOCKED_OUT: {
    priority: 'critical',
    kind: 'state',
    offDelayMs: 0,
    explains: { TRIPPED: 'station' },
    title: 'Station locked out',
    cause: 'The station tripped three times within ten minutes: resetting it has not removed the cause.',
    consequence: 'It cannot be reset before the wait has ended.',
    action: 'Use the wait to find the cause in the ledger and at the machine; call maintenance.',
  },
  STATION_STOPPED: {
    priority: 'high',
    kind: 'state',
    offDelayMs: 0,
    explains: { STATION_DEGRADED: 'station', PROMISE_VOID: 'station' },
    title: 'Station has stopped itself',
    cause: 'The station no longer trusts its own judgement at all: the message names why.',
    consequence: 'Every part goes to the fallback decision; nothing is written to the PLC.',
    action: 'Inspect parts by hand. Clear the cause, reset the station, then arm it.',
  },
  STATION_DEGRADED: {
    priority: 'medium',
    kind: 'state',
    offDelayMs: 0,
    explains: { PROMISE_VOID: 'station' },
    title: 'Station works with less trust',
    cause: 'The station has stepped down its ladder: the message names why.',
    consequence: 'More parts go to review; promised rates do not hold.',
    action: 'Clear the cause, then reset the station.',
  },
  JOURNAL_UNAVAILABLE: {
    priority: 'critical',
    kind: 'state',
    isLatching: true,
    title: 'Journal cannot be opened',
    cause: 'The folder of the station cannot be written, is in use by another process, or the disk is full.',
    consequence: 'The station stays disarmed, and what happens meanwhile is not on record.',
    action: 'Make room or repair the disk, check the rights of the folder, then reset this alarm.',
  },
  CLOCK_STEPPED: {
    priority: 'medium',
    kind: 'event',
    title: 'Clock was moved',
    cause: 'The clock of this computer was moved by more than two seconds.',
    consequence: 'The station was disarmed; times on record before and after do not fit together.',
    action: 'Check the time server of the gateway, then arm the station.',
  },
  ALARM_FLOOD: {
    priority: 'high',
    kind: 'state',
    offDelayMs: 0,
    title: 'Too many alarms',
    cause: 'More than ten alarms came within ten minutes.',
    consequence: 'They are shown as one. Each of them is on record.',
    action: 'Look for a common cause (power, network, light) before going through them one by one.',
  },
  MODEL_MISSING: {
    priority: 'high',
    kind: 'state',
    title: 'No model to judge with',
    cause: 'No model has been taught or installed, or the one on disk cannot be used.',
    consequence: 'No part gets a score; each goes to the fallback decision.',
    action: 'Teach a model from good parts, or install one, in the node the alarm names.',
  },
  MODEL_CHANGED: {
    priority: 'medium',
    kind: 'event',
    title: 'Model was changed',
    cause: 'Another model was put into service.',
    consequence: 'The station was disarmed: it was armed for the model before.',
    action: 'Check who changed it and that it is the intended one, then arm the station.',
  },
  MODEL_STALE: {
    priority: 'medium',
    kind: 'state',
    title: 'New model was refused',
    cause: 'The model file has changed, and what it holds now cannot be used.',
    consequence: 'The model before goes on judging.',
    action: 'Put a good model into the file, or the former one back.',
  },
  DRIFT: {
    priority: 'high',
    kind: 'state',
    offDelayMs: 0,
    explains: { STATION_DEGRADED: 'station', PROMISE_VOID: 'station' },
    title: 'Parts no longer look as taught',
    cause: 'Light, lens, position, material or the process has changed since the model was taught.',
    consequence: 'The station is careful: more parts go to review, and promised rates do not hold.',
    action:
      'Compare a part with a taught one. Restore light, lens and position, or teach the new look; then reset the station.',
  },
  HOST_RESTARTED: {
    priority: 'medium',
    kind: 'event',
    title: 'Model process was started again',
    cause: 'The process that runs the model ended or hung.',
    consequence: 'The part in it got no score. Three times in ten minutes trip the station.',
    action: 'Check the memory of the gateway and the driver of its accelerator; see the log.',
  },
  CAMERA_LOST: {
    priority: 'high',
    kind: 'state',
    onDelayMs: 2 * SECOND,
    explains: { CAMERA_UNWELL: 'source' },
    title: 'Camera lost',
    cause: 'The camera does not answer: power, cable, network, or another program holds it.',
    consequence: 'Parts pass without a picture.',
    action: 'Check power and cable of the camera, and that nothing else uses it.',
  },
  CAMERA_UNWELL: {
    priority: 'medium',
    kind: 'state',
    offDelayMs: 0,
    explains: { STATION_DEGRADED: 'station', PROMISE_VOID: 'station' },
    title: 'Camera does not see well',
    cause: 'Pictures are blurred, too dark, too bright, frozen, moved or off-colour against the good ones.',
    consequence: 'Defects may not be seen; good parts may be rejected.',
    action: 'Clean the lens, check light, focus and position of the camera.',
  },
  GATE_ADVISES: {
    priority: 'low',
    kind: 'state',
    title: 'Gate only advises',
    cause: 'Too few good parts are known for the promised false-reject rate.',
    consequence: 'Parts go to review with an advice; nothing is rejected by itself.',
    action: 'Let more good parts pass, or teach with more of them.',
  },
  PROMISE_VOID: {
    priority: 'medium',
    kind: 'state',
    title: 'Promised false-reject rate does not hold',
    cause: 'What people found of the parts, or the doubts of the station, contradict the calibration.',
    consequence: 'More good parts may be rejected than promised, or defects may pass.',
    action: 'Label rejected parts in the review queue; teach again if the process has changed.',
  },
  PLC_LINK_DOWN: {
    priority: 'high',
    kind: 'state',
    onDelayMs: 2 * SECOND,
    explains: { COMMAND_UNKNOWN: 'source', HEARTBEAT_LOST: 'source' },
    title: 'PLC not reachable',
    cause: 'The connection to the PLC is lost or was refused.',
    consequence: 'Commands are refused; the PLC falls back to its own default.',
    action: 'Check network, PLC and its server; the connection comes back by itself.',
  },
  COMMAND_UNKNOWN: {
    priority: 'high',
    kind: 'event',
    title: 'Effect of a command is not known',
    cause: 'A command was sent, and neither an answer nor the value read back says what became of it.',
    consequence: 'The part may not have been sorted. Three in a row trip the station.',
    action: 'Check the part and the actuator by hand.',
  },
  HEARTBEAT_LOST: {
    priority: 'high',
    kind: 'state',
    title: 'PLC heartbeat lost',
    cause: 'The program of the PLC no longer answers the heartbeat, though it may be reachable.',
    consequence: 'The station was disarmed; the PLC falls back to its own default.',
    action: 'Check that the PLC runs and that its program calls the handshake block; then arm the station.',
  },
  JOURNAL_FAILING: {
    priority: 'critical',
    kind: 'state',
    isLatching: true,
    title: 'Journal cannot write',
    cause: 'The disk is full or reports errors.',
    consequence: 'The station was disarmed; what happens meanwhile is not on record.',
    action: 'Make room or replace the disk, then reset this alarm and arm the station.',
  },
  JOURNAL_PRESSURE: {
    priority: 'medium',
    kind: 'state',
    title: 'Tickets pile up',
    cause: 'More tickets wait than the MES takes.',
    consequence: 'When the bound is reached, the stated policy decides which tickets are given up.',
    action: 'Check the MES and the way to it.',
  },
  MES_UNREACHABLE: {
    priority: 'medium',
    kind: 'state',
    // A restart of an MES is no business of the line's.
    onDelayMs: 300 * SECOND,
    explains: { JOURNAL_PRESSURE: 'station' },
    title: 'MES not reachable',
    cause: 'The MES has not taken tickets for some time.',
    consequence: 'Tickets wait in the journal and go out in order when it answers.',
    action: 'Check network, address and sign-in of the MES.',
  },
  TICKET_STRANDED: {
    priority: 'medium',
    kind: 'state',
    title: 'Tickets without an MES',
    cause: 'The MES they were meant for was deleted from the flow, or made anew by an import.',
    consequence: 'Nobody delivers them.',
    action: 'Hand them over to the MES that took its place, or set them aside, in the ticket node.',
  },
  TICKET_DEAD: {
    priority: 'medium',
    kind: 'state',
    title: 'Ticket was refused for good',
    cause: 'The MES has refused a ticket, or it was tried too often.',
    consequence: 'The MES does not know of that event.',
    action: 'Look at the dead letter in the ticket node, correct the cause, and put it back into the queue.',
  },
} as const satisfies Record<string, AlarmDefinition>;

export type AlarmCode = keyof typeof CATALOGUE;

export function definitionOf(code: AlarmCode): AlarmDefinition {
  return CATALOGUE[code];
}

export function isAlarmCode(code: unknown): code is AlarmCode {
  return typeof code === 'string' && Object.hasOwn(CATALOGUE, code);
}

/** The longest an alarm may be put aside for: the more urgent, the shorter. */
const SHELVE_MINUTES: Readonly<Record<AlarmPriority, number>> = {
  critical: 15,
  high: 60,
  medium: 8 * 60,
  low: 8 * 60,
};

export function shelveMinutes(code: AlarmCode): number {
  return SHELVE_MINUTES[CATALOGUE[code].priority];
}
