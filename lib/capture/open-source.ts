/** Makes the camera a configuration asks for; the one place that knows all kinds. */
import { FileSource, type FileOptions } from './file.ts';
import { FolderSource, type FolderOptions } from './folder.ts';
import { gigeSource, type GigeOptions } from './gige.ts';
import { HttpMjpegSource, type HttpMjpegOptions } from './http-mjpeg.ts';
import { HttpSnapshotSource, type HttpSnapshotOptions } from './http-snapshot.ts';
import { MqttSource, type MqttOptions } from './mqtt.ts';
import { rtspSource, type RtspOptions } from './rtsp.ts';
import type { CameraSource } from './source.ts';
import { usbSource, type UsbOptions } from './usb.ts';
import { videoSource, type VideoOptions } from './video.ts';

export type SourceOptions =
  | ({ kind: 'folder' } & FolderOptions)
  | ({ kind: 'file' } & FileOptions)
  | ({ kind: 'http-snapshot' } & HttpSnapshotOptions)
  | ({ kind: 'http-mjpeg' } & HttpMjpegOptions)
  | ({ kind: 'rtsp' } & RtspOptions)
  | ({ kind: 'gige' } & GigeOptions)
  | ({ kind: 'usb' } & UsbOptions)
  | ({ kind: 'video' } & VideoOptions)
  | ({ kind: 'mqtt' } & MqttOptions);

/** @throws CaptureError `CAMERA_REFUSED` when an address, a device or a path is none */
export function openSource(options: SourceOptions): CameraSource {
  switch (options.kind) {
    case 'folder':
      return new FolderSource(options);
    case 'file':
      return new FileSource(options);
    case 'http-snapshot':
      return new HttpSnapshotSource(options);
    case 'http-mjpeg':
      return new HttpMjpegSource(options);
    case 'rtsp':
      return rtspSource(options);
    case 'gige':
      return gigeSource(options);
    case 'usb':
      return usbSource(options);
    case 'video':
      return videoSource(options);
    case 'mqtt':
      return new MqttSource(options);
  }
}
