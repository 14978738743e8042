/** What in the log of a Node-RED is a fault of the flow that runs in it. */
import { LOG_LEVEL, type LogLine } from '../support/node-red.ts';

/** Cameras, PLCs and MES of the examples are not there; saying so is no fault. So is a model nobody has put into its folder. */
const NOT_THERE =
  /ECONNREFUSED|CAMERA_LOST|CAMERA_TIMEOUT|CAPTURE_TIMEOUT|PLC_LINK_LOST|FOLDER_UNREADABLE|FILE_UNREADABLE|MODEL_NOT_FOUND|connect to |cannot be read|not found/i;

/** Nodes of other packages that stand in our examples: of what they warn about themselves is nothing ours. */
const OF_OTHERS = /^OpcUa-/;

/** Errors, and warnings of our nodes and of Node-RED itself, that are not of that kind. */
export function faultsIn(logs: readonly LogLine[]): string[] {
  return logs
    .filter(({ level, type = '' }) => level <= (OF_OTHERS.test(type) ? LOG_LEVEL.error : LOG_LEVEL.warn))
    .filter(({ text }) => !NOT_THERE.test(text))
    .map(({ type = '', text }) => `${type} ${text}`.trim());
}
