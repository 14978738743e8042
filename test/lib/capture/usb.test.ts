import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { DiscoveredCamera } from '../../../lib/capture/discovery.ts';
import { listUsbCameras, usbSource } from '../../../lib/capture/usb.ts';
import { never, codeOfRejection, Watcher } from '../../support/captured.ts';
import { requireGStreamer } from '../../support/gstreamer.ts';
import { repositoryRoot } from '../../support/shared.ts';

const PYTHON = '/usr/bin/python3';

/** Two entries of the kernel for one camera, in place of what is plugged in. */
const STAND_INS = `
class StandIn:
    def __init__(self, caps):
        self.get_caps = lambda: Gst.Caps.from_string(caps)
        self.get_display_name = lambda: "Maker Cam"
        self.get_properties = lambda: Gst.Structure.from_string("p, device.path=(string)/dev/video0")[0]

def stand_in(caps):
    class Monitor:
        new = staticmethod(lambda: Monitor())
        add_filter = lambda self, *rest: None
        start = stop = lambda self: None
        get_devices = lambda self: [StandIn(caps), StandIn(caps)]
    usb.Gst = type("Gst", (), {"DeviceMonitor": Monitor})
    link = "/dev/v4l/by-id/usb-Maker_Cam-video-index0"
    usb.glob.glob = lambda pattern: [link]
    usb.os.path.realpath = lambda path: "/dev/video0" if path == link else path
`;

/** What an expression gives beside the source of USB cameras, in Python. */
function evaluate(expression: string, setUp = ''): unknown {
  const folder = join(repositoryRoot, 'lib', 'capture', 'media');
  const program =
    `import json, sys; sys.path.insert(0, sys.argv[1]); import usb; from gstreamer import Gst\n` +
    `${setUp}\nprint(json.dumps(${expression}))`;
  return JSON.parse(execFileSync(PYTHON, ['-IB', '-c', program, folder], { encoding: 'utf8' }));
}

describe('a USB camera', function () {
  this.timeout(30_000);

  before(function () {
    requireGStreamer(this);
  });

  it('says when it is not plugged in', async () => {
    const source = usbSource({ device: '/dev/video-nowhere', mode: '', timeoutMs: 10_000 });
    const watcher = new Watcher();
    await source.start(watcher);
    const error = await watcher.outages(1);
    assert.equal(error.code, 'CAMERA_LOST');
    assert.match(error.message, /no camera at \/dev\/video-nowhere/);
    assert.equal(await codeOfRejection(source.grab(never)), 'CAMERA_LOST');
    await source.close();
  });

  it('is listed only where the kernel has one', async () => {
    const devices = (await readdir('/dev')).map((name) => join('/dev', name));
    const cameras = await listUsbCameras();
    const strangers = cameras.filter(({ address = '' }) => !devices.includes(address));
    assert.deepEqual(strangers, []);
    if (!devices.some((device) => device.startsWith('/dev/video'))) assert.deepEqual(cameras, []);
  });

  it('is listed once, by the name that stays, with modes it can be opened with', () => {
    const caps =
      'video/x-raw, format=(string)BGRx, width=(int)640, height=(int)480, framerate=(fraction)30000/1001;' +
      'image/jpeg, width=(int)1280, height=(int)720, framerate=(fraction)30/1';
    const cameras = evaluate('usb.list_usb()', `${STAND_INS}\nstand_in("${caps}")`) as DiscoveredCamera[];
    assert.deepEqual(cameras, [
      {
        id: '/dev/v4l/by-id/usb-Maker_Cam-video-index0',
        name: 'Maker Cam',
        address: '/dev/video0',
        modes: ['BGRx 640x480 29.97', 'MJPG 1280x720 30'],
      },
    ]);
    for (const { id, modes } of cameras) {
      for (const mode of modes) usbSource({ device: id, mode, timeoutMs: 1 });
    }
  });

  it('offers each size and rate of its formats as a mode', () => {
    const caps =
      'video/x-raw, format=(string)YUY2, width=(int)640, height=(int)480, framerate=(fraction){ 30/1, 15/2 };' +
      'image/jpeg, width=(int)1920, height=(int)1080, framerate=(fraction)30000/1001;' +
      'video/x-h264, width=(int)1920, height=(int)1080, framerate=(fraction)30/1';
    assert.deepEqual(evaluate(`usb.modes_of(Gst.Caps.from_string('${caps}'))`), [
      'YUYV 640x480 30',
      'YUYV 640x480 7.5',
      'MJPG 1920x1080 29.97',
    ]);
  });

  it('is set to the mode that was chosen', () => {
    const caps = (mode: string): unknown => evaluate(`usb.mode_caps('${mode}').to_string()`);
    assert.equal(
      caps('MJPG 1280x720 30'),
      'image/jpeg, width=(int)1280, height=(int)720, framerate=(fraction)30/1',
    );
    assert.equal(
      caps('YUYV 640x480 29.97'),
      'video/x-raw, format=(string)YUY2, width=(int)640, height=(int)480, framerate=(fraction)30000/1001',
    );
    assert.equal(caps('GREY 640x480'), 'video/x-raw, format=(string)GRAY8, width=(int)640, height=(int)480');
  });

  it('takes devices and modes only, and nothing a pipeline could be made of', () => {
    const open = (device: string, mode: string) => () => usbSource({ device, mode, timeoutMs: 1 });
    for (const device of [
      '',
      'video0',
      '/etc/passwd',
      '/dev/../etc/passwd',
      '/dev/video0 ! filesink',
      '/dev/',
    ]) {
      assert.throws(open(device, ''), { code: 'CAMERA_REFUSED' }, device);
    }
    for (const mode of [
      'MJPG',
      'MJPG 1280',
      'mjpg 1280x720',
      'MJPG 0x720',
      'MJPG 1280x720 30000/1001',
      'MJPG 1280x720 30,a=b',
      'X;Y 1x1',
    ]) {
      assert.throws(open('/dev/video0', mode), { code: 'CAMERA_REFUSED' }, mode);
    }
    assert.doesNotThrow(open('/dev/v4l/by-id/usb-046d_HD_Pro_C920-video-index0', 'MJPG 1280x720 30'));
  });
});
