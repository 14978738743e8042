/** The topics a station listens to: an MQTT filter in which one level may be `{partId}`. */
import { CaptureError } from './errors.ts';

const PART_ID = '{partId}';
/** A topic is a string of two-byte length (MQTT 3.1.1, 1.5.3). */
const MAX_BYTES = 65_535;

export interface TopicFilter {
  /** As the broker is asked for it; the level of the part id is a `+`. */
  filter: string;
  /** What stands at the level of the part id; undefined when the filter has none. */
  partIdOf(topic: string): string | undefined;
}

/**
 * A topic filter as typed by a person (MQTT 3.1.1, 4.7).
 *
 * @throws CaptureError `CAMERA_REFUSED` when it is none
 */
export function topicFilter(text: string): TopicFilter {
  const topic = text.trim();
  const levels = topic.split('/');
  if (topic === '' || topic.includes('\0') || Buffer.byteLength(topic) > MAX_BYTES) {
    throw refused('a topic has 1 to 65535 bytes');
  }
  if (topic.startsWith('$share/')) {
    throw refused('a shared subscription would give the station only some of its images');
  }
  if (levels.some((level, index) => level.includes('#') && (level !== '#' || index < levels.length - 1))) {
    throw refused('# must be the last level of the topic and stand alone');
  }
  if (levels.some((level) => level.includes('+') && level !== '+')) {
    throw refused('+ must stand alone in its level of the topic');
  }
  const at = levels.indexOf(PART_ID);
  if (levels.filter((level) => level.includes(PART_ID)).length > (at === -1 ? 0 : 1)) {
    throw refused(`${PART_ID} must stand alone in one level of the topic`);
  }
  return {
    filter: levels.map((level) => (level === PART_ID ? '+' : level)).join('/'),
    partIdOf: (received) => (at === -1 ? undefined : received.split('/')[at]),
  };
}

function refused(message: string): CaptureError {
  return new CaptureError('CAMERA_REFUSED', message, {
    hint: `For example: cameras/press-4/${PART_ID}/image`,
  });
}
