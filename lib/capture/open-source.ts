/** Makes the camera a configuration asks for; the one place that knows all kinds. */
import { FileSource, type FileOptions } from './file.ts';
import { FolderSource, type FolderOptions } from './folder.ts';
import { HttpMjpegSource, type HttpMjpegOptions } from './http-mjpeg.ts';
import { HttpSnapshotSource, type HttpSnapshotOptions } from './http-snapshot.ts';
import { MqttSource, type MqttOptions } from './mqtt.ts';
import type { CameraSource } from './source.ts';

export type SourceOptions =
  | ({ kind: 'folder' } & FolderOptions)
  | ({ kind: 'file' } & FileOptions)
  | ({ kind: 'http-snapshot' } & HttpSnapshotOptions)
  | ({ kind: 'http-mjpeg' } & HttpMjpegOptions)
  | ({ kind: 'mqtt' } & MqttOptions);

/** @throws CaptureError `CAMERA_REFUSED` when an address is none */
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
    case 'mqtt':
      return new MqttSource(options);
  }
}
