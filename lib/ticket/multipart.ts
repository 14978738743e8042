/** A form with one file, as browsers send it (RFC 7578). */
import { randomUUID } from 'node:crypto';

export interface FormFile {
  name: string;
  fileName: string;
  mediaType: string;
  bytes: Uint8Array;
}

export function multipart(
  fields: Readonly<Record<string, string>>,
  { name, fileName, mediaType, bytes }: FormFile,
): { contentType: string; body: Buffer } {
  const boundary = `jidoka-${randomUUID()}`;
  const parts = Object.entries(fields).map(
    ([field, value]) =>
      `--${boundary}\r\nContent-Disposition: form-data; name="${field}"\r\n\r\n${value}\r\n`,
  );
  const head =
    `--${boundary}\r\nContent-Disposition: form-data; name="${name}"; filename="${fileName}"\r\n` +
    `Content-Type: ${mediaType}\r\n\r\n`;
  return {
    contentType: `multipart/form-data; boundary=${boundary}`,
    body: Buffer.concat([Buffer.from(parts.join('') + head), bytes, Buffer.from(`\r\n--${boundary}--\r\n`)]),
  };
}
