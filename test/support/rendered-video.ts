/** Videos whose pictures carry their number, rendered through GStreamer. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { STAMP, writeStamp } from './stamp.ts';

const PYTHON = '/usr/bin/python3';
const RENDER = `
import sys, gi
gi.require_version('Gst', '1.0')
from gi.repository import Gst
Gst.init(None)
pipeline = Gst.parse_launch(sys.argv[1])
pipeline.get_by_name('file').set_property('location', sys.argv[2])
pipeline.set_state(Gst.State.PLAYING)
message = pipeline.get_bus().timed_pop_filtered(Gst.CLOCK_TIME_NONE, Gst.MessageType.ERROR | Gst.MessageType.EOS)
pipeline.set_state(Gst.State.NULL)
sys.exit(0 if message.type == Gst.MessageType.EOS else str(message.parse_error()))
`;

export interface VideoToRender {
  /** At least 448; odd ones show whether rows are padded. */
  width?: number;
  /** At least 32. */
  height?: number;
  fps?: number;
  frames: number;
  color?: boolean;
}

/** Writes pictures 0 to `frames - 1` as a Matroska file of JPEGs. */
export async function renderVideo(file: string, video: VideoToRender): Promise<void> {
  const { width = 451, height = 37, fps = 25, frames, color = true } = video;
  // GStreamer begins each row at a multiple of four bytes.
  const stride = Math.ceil(width / 4) * 4;
  const size = `width=${width} height=${height} framerate=${fps}/1`;
  const pipeline =
    `fdsrc fd=0 ! rawvideoparse format=gray8 ${size} ! videoconvert ! ` +
    `video/x-raw,format=${color ? 'Y444' : 'GRAY8'} ! jpegenc ! matroskamux ! filesink name=file`;
  const renderer = spawn(PYTHON, ['-c', RENDER, pipeline, file], { stdio: ['pipe', 'inherit', 'inherit'] });
  for (let number = 0; number < frames; number += 1) {
    const gray = Buffer.alloc(stride * height, 90);
    writeStamp(gray, stride, number);
    // something to tell the rows by: a slope below the stamp
    for (let y = STAMP.rows * STAMP.block; y < height; y += 1) {
      for (let x = 0; x < width; x += 1) gray[y * stride + x] = (x + 5 * y) % 200;
    }
    if (!renderer.stdin.write(gray)) await once(renderer.stdin, 'drain');
  }
  renderer.stdin.end();
  const [code] = (await once(renderer, 'exit')) as [number];
  if (code !== 0) throw new Error(`the video could not be rendered (exit code ${code})`);
}
