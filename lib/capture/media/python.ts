/**
 * The Python that can talk to GStreamer, and what to install where there is none. The system's own
 * comes first: the bindings are a system package, which a Python of conda or pyenv cannot see.
 */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { CaptureError } from '../errors.ts';

export type MediaKind = 'rtsp' | 'usb' | 'video' | 'gige';

const CANDIDATES = ['/usr/bin/python3', 'python3'];
const PROBE = "import gi; gi.require_version('Gst', '1.0'); from gi.repository import Gst";
/** GStreamer's first start on a machine looks into every plug-in, which takes seconds. */
const PROBE_TIMEOUT_MS = 30_000;

/** Packages of Debian 12 that own the bindings and the elements each source uses. */
const BASE = ['python3-gi', 'gir1.2-gstreamer-1.0', 'gstreamer1.0-plugins-base'];
const PACKAGES: Record<MediaKind, readonly string[]> = {
  rtsp: [...BASE, 'gstreamer1.0-plugins-good', 'gstreamer1.0-libav'],
  usb: [...BASE, 'gstreamer1.0-plugins-good'],
  video: [...BASE, 'gstreamer1.0-plugins-good', 'gstreamer1.0-libav'],
  gige: [...BASE, 'gir1.2-aravis-0.8', 'gstreamer1.0-plugins-bad'],
};

export function installHint(kind: MediaKind): string {
  return `On Debian and Ubuntu: apt-get install --no-install-recommends ${PACKAGES[kind].join(' ')}`;
}

const ENVIRONMENT = ['PATH', 'HOME', 'XDG_CACHE_HOME'] as const;

/**
 * Everything else of our environment (tokens, proxies, GST_PLUGIN_PATH) is none of a camera's
 * business. HOME and XDG_CACHE_HOME say where GStreamer keeps the list of its plug-ins.
 */
export function mediaEnvironment(): NodeJS.ProcessEnv {
  // messages in English, whatever the machine speaks: ours quote them
  const environment: NodeJS.ProcessEnv = { LC_ALL: 'C.UTF-8' };
  for (const name of ENVIRONMENT) {
    if (process.env[name] !== undefined) environment[name] = process.env[name];
  }
  return environment;
}

const found = new Map<string, Promise<string>>();

async function probe(candidates: readonly string[]): Promise<string> {
  for (const python of candidates) {
    try {
      await promisify(execFile)(python, ['-IB', '-c', PROBE], {
        env: mediaEnvironment(),
        timeout: PROBE_TIMEOUT_MS,
      });
      return python;
    } catch {
      // absent, or without the bindings
    }
  }
  throw new Error(`no Python with GStreamer's bindings (tried ${candidates.join(', ')})`);
}

/**
 * The interpreter for cameras of this kind; looked for once, and again after it was not found.
 *
 * @param configured path or name of the one to take
 * @throws CaptureError `LIBRARY_MISSING`, with the packages to install as hint
 */
export async function findPython(kind: MediaKind, configured?: string): Promise<string> {
  const key = configured ?? '';
  let search = found.get(key);
  if (search === undefined) {
    search = probe(configured === undefined ? CANDIDATES : [configured]);
    found.set(key, search);
    search.catch(() => found.delete(key));
  }
  try {
    return await search;
  } catch (error) {
    throw new CaptureError('LIBRARY_MISSING', (error as Error).message, { hint: installHint(kind) });
  }
}
