/**
 * The bare decoder or client of each source, in a straight line without Node-RED, watchdogs, checks
 * or shared memory: what the frames would cost at least.
 */
import { spawn } from 'node:child_process';
import { watch } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { get } from 'node:http';
import { join, parse } from 'node:path';
import mqtt from 'mqtt';
import { madeAtMs } from '../test/support/rtsp-server.ts';
import { Collector, wallMs, type CaptureOrder } from './capture-orders.ts';
import { cpuSeconds } from './process-tree.ts';

type CameraSettings = CaptureOrder['camera'];
type Found = (latencyMs: number | undefined) => void;

const END_OF_JPEG = Buffer.from([0xff, 0xd9]);

/** gst-launch to stdout, raw RGB. */
function rtsp({ url, width, height }: CameraSettings, found: Found): void {
  const length = Number(width) * Number(height) * 3;
  const decoder = spawn(
    'gst-launch-1.0',
    [
      '-q',
      'rtspsrc',
      `location=${String(url)}`,
      'latency=0',
      'protocols=tcp',
      '!',
      'rtph264depay',
      '!',
    ].concat(
      ['avdec_h264', 'max-threads=1', '!', 'videoconvert', '!', 'video/x-raw,format=RGB', '!'],
      ['fdsink', 'fd=1', 'sync=false'],
    ),
    // it complains about the closed pipe when it is ended
    { stdio: ['ignore', 'pipe', 'ignore'] },
  );
  process.on('exit', () => decoder.kill('SIGKILL'));
  const frame = Buffer.alloc(length);
  let filled = 0;
  decoder.stdout.on('data', (chunk: Buffer) => {
    for (let from = 0; from < chunk.length;) {
      const copied = chunk.copy(frame, filled, from);
      from += copied;
      filled += copied;
      if (filled < length) continue;
      filled = 0;
      const now = wallMs();
      const made = madeAtMs(frame, Number(width), 3);
      found(made === undefined ? undefined : now - made);
    }
  });
}

/** Aravis' own loop; the pixels stay in its process. */
function gige({ width, height }: CameraSettings, found: Found): void {
  const script = `
import sys, time, gi
gi.require_version("Aravis", "0.8")
from gi.repository import Aravis
camera = Aravis.Camera.new(None)
camera.gv_set_stream_options(Aravis.GvStreamOption.PACKET_SOCKET_DISABLED)
camera.set_region(0, 0, ${Number(width)}, ${Number(height)})
camera.gv_set_packet_size(8000)
stream = camera.create_stream(None, None)
for _ in range(10):
    stream.push_buffer(Aravis.Buffer.new_allocate(camera.get_payload()))
camera.start_acquisition()
while True:
    buffer = stream.pop_buffer()
    data = buffer.get_data()
    print(time.time() * 1000 - buffer.get_system_timestamp() / 1e6, flush=True)
    stream.push_buffer(buffer)
`;
  const decoder = spawn('/usr/bin/python3', ['-c', script], { stdio: ['ignore', 'pipe', 'ignore'] });
  process.on('exit', () => decoder.kill('SIGKILL'));
  decoder.stdout.on('data', (chunk: Buffer) => {
    for (const line of chunk.toString().trim().split('\n')) found(Number(line));
  });
}

function snapshot({ url, intervalMs }: CameraSettings, found: Found): void {
  setInterval(() => {
    get(String(url), (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('end', () => {
        Buffer.concat(chunks);
        found(wallMs() - Number(response.headers['x-part-id']));
      });
    });
  }, Number(intervalMs));
}

function stream({ url }: CameraSettings, found: Found): void {
  get(String(url), (response) => {
    let part = Buffer.alloc(0);
    response.on('data', (chunk: Buffer) => {
      part = Buffer.concat([part, chunk]);
      for (let end = part.indexOf(END_OF_JPEG); end !== -1; end = part.indexOf(END_OF_JPEG)) {
        const made = /X-Part-Id: (\S+)/.exec(part.toString('latin1', 0, 300))?.[1];
        part = part.subarray(end + END_OF_JPEG.length);
        found(wallMs() - Number(made));
      }
    });
  });
}

function broker({ url, topic }: CameraSettings, found: Found): void {
  const client = mqtt.connect(String(url));
  client.subscribe(String(topic).replace('{partId}', '+'));
  client.on('message', (name) => found(wallMs() - Number(name.split('/').at(-1))));
}

function folder({ folder: path }: CameraSettings, found: Found): void {
  watch(String(path), (_event, name) => {
    if (name === null || !name.endsWith('.jpg')) return;
    void readFile(join(String(path), name)).then(
      () => found(wallMs() - Number(parse(name).name)),
      () => undefined,
    );
  });
}

const FLOORS: Record<string, (camera: CameraSettings, found: Found) => void> = {
  rtsp,
  gige,
  'http-snapshot': snapshot,
  'http-mjpeg': stream,
  mqtt: broker,
  folder,
};

process.on('message', ({ camera, frames }: CaptureOrder) => {
  const collector = new Collector(frames, () => cpuSeconds(process.pid));
  FLOORS[String(camera['source'])]?.(camera, (latencyMs) => collector.add(latencyMs));
});
