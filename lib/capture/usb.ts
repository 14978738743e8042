/** A camera at a USB port or otherwise known to the kernel (V4L2, Linux), and the list of them. */
import { CaptureError } from './errors.ts';
import type { DiscoveredCamera } from './discovery.ts';
import { MediaSource } from './media-source.ts';
import { listCameras } from './media/list-cameras.ts';

const DEVICE = /^\/dev\/[\w/.:+-]{1,200}$/;
/** Formats in capitals, but for the byte without meaning of BGRx and its like. */
export const USB_MODE =
  /^(?:x?[A-Z][A-Z0-9_]{2,11}x? [1-9]\d{0,4}x[1-9]\d{0,4}(?: \d{1,4}(?:\.\d{1,3})?)?)?$/;

export interface UsbOptions {
  /** `/dev/video0`, or a name below `/dev/v4l/by-id/` that stays when cameras are plugged elsewhere. */
  device: string;
  /** `MJPG 1280x720 30`: pixel format, size, frames per second; the camera's choice where empty. */
  mode: string;
  maxFps?: number | undefined;
  timeoutMs: number;
  python?: string | undefined;
}

/** @throws CaptureError `CAMERA_REFUSED` when it is no path of a device */
export function checkUsbDevice(device: string): void {
  if (!DEVICE.test(device) || device.includes('..')) {
    throw new CaptureError('CAMERA_REFUSED', 'the device must be a path such as /dev/video0');
  }
}

/** @throws CaptureError `CAMERA_REFUSED` when it is neither empty nor a mode */
export function checkUsbMode(mode: string): void {
  if (!USB_MODE.test(mode)) {
    throw new CaptureError('CAMERA_REFUSED', 'the mode must be empty or look like MJPG 1280x720 30');
  }
}

/** @throws CaptureError `CAMERA_REFUSED` when it is no device or mode */
export function usbSource({ device, mode, maxFps, timeoutMs, python }: UsbOptions): MediaSource {
  checkUsbDevice(device);
  checkUsbMode(mode);
  return new MediaSource({
    kind: 'usb',
    name: device,
    open: { device, mode, maxFps },
    timeoutMs,
    ...(python === undefined ? {} : { python }),
  });
}

/** @throws CaptureError `LIBRARY_MISSING`, `CAMERA_LOST` when the list cannot be made */
export async function listUsbCameras(python?: string): Promise<DiscoveredCamera[]> {
  return await listCameras('usb', python);
}
