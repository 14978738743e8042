/** What the journal keeps of one ticket until the MES has it: key, stream, event and evidence. */
import { createHash } from 'node:crypto';
import { bytesOf, type Frame, type FrameFormat } from '../frame/frame.ts';
import { isInspection, type Inspection } from '../inspection/inspection.ts';
import type { TicketEntry } from './endpoint.ts';
import { qualityEvent, type Severity } from './event.ts';
import { TicketError } from './ticket-error.ts';

const NO_CLASS = 'unclassified';

export interface TicketSource {
  /** The node that sends it. */
  node: string;
  inspection: Inspection;
  /** The image as the camera gave it; undefined for a ticket without evidence. */
  frame: Frame | undefined;
  line: string;
  station: string;
  /** Whatever a flow names it; anything but text is `unclassified`. */
  defectClass: unknown;
  severity: Severity;
  /** What has to stay in order: the tickets of a part, or all of the station. */
  order: 'part' | 'station';
}

/** @throws TicketError `PART_MISSING` */
export function requirePart(inspection: unknown): Inspection {
  if (isInspection(inspection)) return inspection;
  throw new TicketError('PART_MISSING', 'the message says nothing of a part', {
    hint: 'Wire this node behind a gate, or another node that fills msg.inspection.',
  });
}

/** Made of the part and the node alone: the same part sent again is the same ticket. */
function ticketKey(node: string, partId: string): string {
  return createHash('sha256').update(`${node}\n${partId}`).digest('hex').slice(0, 32);
}

function mediaTypeOf(format: FrameFormat, { width, height }: Frame): string {
  // Raw rows have no media type of their own; the parameters make them readable.
  if (format === 'rgb' || format === 'gray') {
    return `application/octet-stream; format=${format}; width=${width}; height=${height}`;
  }
  return `image/${format}`;
}

/** The evidence's bytes are shared with the frame: reading only. */
export function ticketEntry(source: TicketSource): TicketEntry {
  const { node, inspection, frame, line, station, defectClass, severity, order } = source;
  const partId = inspection.part.id;
  const key = ticketKey(node, partId);
  const evidence =
    frame === undefined ? null : { sha256: frame.sha256, mediaType: mediaTypeOf(frame.format, frame) };
  const event = qualityEvent({
    key,
    inspection,
    line,
    station,
    defectClass: typeof defectClass === 'string' && defectClass !== '' ? defectClass : NO_CLASS,
    severity,
    evidence,
  });
  return {
    key,
    stream: order === 'part' ? `part:${partId}` : 'station',
    partId,
    body: { node, event, inspection },
    ...(frame === undefined || evidence === null
      ? {}
      : { attachment: { bytes: bytesOf(frame), mediaType: evidence.mediaType } }),
  };
}
