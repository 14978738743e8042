import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { listUsbCameras, usbSource } from '../../../lib/capture/usb.ts';
import { never, codeOfRejection, Watcher } from '../../support/captured.ts';
import { requireGStreamer } from '../../support/gstreamer.ts';
import { repositoryRoot } from '../../support/shared.ts';

const PYTHON = '/usr/bin/python3';

/** What an expression gives beside the source of USB cameras, in Python. */
function evaluate(expression: string): unknown {
  const folder = join(repositoryRoot, 'lib', 'capture', 'media');
  const program =
    `import json, sys; sys.path.insert(0, sys.argv[1]); import usb; from gstreamer import Gst; ` +
    `print(json.dumps(${expression}))`;
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

  it('is listed with its modes where there is one', async () => {
    for (const camera of await listUsbCameras()) {
      assert.match(camera.id, /^\/dev\//);
      assert.doesNotThrow(() =>
        usbSource({ device: camera.id, mode: camera.modes?.[0] ?? '', timeoutMs: 1 }),
      );
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
      'MJPG 1280x720 30,a=b',
      'X;Y 1x1',
    ]) {
      assert.throws(open('/dev/video0', mode), { code: 'CAMERA_REFUSED' }, mode);
    }
    assert.doesNotThrow(open('/dev/v4l/by-id/usb-046d_HD_Pro_C920-video-index0', 'MJPG 1280x720 30'));
  });
});
