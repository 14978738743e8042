/** Asks a process of its own which cameras of a kind there are. */
import type { DiscoveredCamera } from '../discovery.ts';
import { CaptureError } from '../errors.ts';
import { MediaChild } from './media-child.ts';
import { findPython, type MediaKind } from './python.ts';

/** GigE cameras answer a broadcast within a second; drivers of webcams take longer. */
const LIST_MS = 10_000;

function text(value: unknown): string {
  return typeof value === 'string' ? value.slice(0, 300) : '';
}

/** What a camera says of itself is not to be trusted: only text, and not too much of it. */
function cameraOf(entry: unknown): DiscoveredCamera {
  const { id, name, address, serial, modes } = entry as Record<string, unknown>;
  return {
    id: text(id),
    name: text(name),
    ...(typeof address === 'string' ? { address: text(address) } : {}),
    ...(typeof serial === 'string' ? { serial: text(serial) } : {}),
    ...(Array.isArray(modes) ? { modes: modes.slice(0, 500).map(text) } : {}),
  };
}

/** @throws CaptureError `LIBRARY_MISSING`, `CAMERA_LOST` when the list cannot be made */
export async function listCameras(kind: MediaKind, python?: string): Promise<DiscoveredCamera[]> {
  let cameras: unknown[] | undefined;
  const child = new MediaChild({
    kind,
    python: await findPython(kind, python),
    first: { list: kind },
    message: (message) => (cameras = message.cameras),
  });
  const timer = setTimeout(
    () => child.kill(new CaptureError('CAMERA_LOST', `no list of cameras within ${LIST_MS} ms`)),
    LIST_MS,
  );
  const reason = await child.ended;
  clearTimeout(timer);
  if (cameras === undefined) throw reason;
  return cameras.filter((entry) => typeof entry === 'object' && entry !== null).map(cameraOf);
}
