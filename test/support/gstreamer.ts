/** Whether this machine has GStreamer and what our tests need of it. */
import { spawnSync } from 'node:child_process';
import type { Context } from 'mocha';

const PYTHON = '/usr/bin/python3';
const ELEMENTS = ['rtspsrc', 'avdec_h264', 'avdec_h265', 'jpegdec', 'x264enc', 'x265enc', 'matroskamux'];
const PROBE = `
import gi
gi.require_version('GstRtspServer', '1.0')
from gi.repository import Gst, GstRtspServer
Gst.init(None)
missing = [name for name in ${JSON.stringify(ELEMENTS)} if Gst.ElementFactory.find(name) is None]
raise SystemExit(1 if missing else 0)
`;

let has: boolean | undefined;

/** Skips with a reason where it is absent; in CI nothing may be skipped, so there it fails. */
export function requireGStreamer(context: Context): void {
  has ??= spawnSync(PYTHON, ['-c', PROBE]).status === 0;
  if (has) return;
  const reason =
    'needs apt-get install python3-gi gir1.2-gst-rtsp-server-1.0 gstreamer1.0-plugins-{good,bad,ugly} gstreamer1.0-libav';
  if (process.env['CI'] === 'true') throw new Error(reason);
  console.log(`      skipped: ${reason}`);
  context.skip();
}
