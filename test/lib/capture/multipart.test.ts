import assert from 'node:assert/strict';
import fc from 'fast-check';
import { boundaryOf, MultipartParser, type StreamPart } from '../../../lib/capture/multipart.ts';
import { testImage } from '../../support/camera-server.ts';

interface Dialect {
  contentType: string;
  delimiter: string;
  contentLength: boolean;
  lineBreak: string;
}

const DIALECTS: Record<string, Dialect> = {
  'lengths and a bare boundary': {
    contentType: 'multipart/x-mixed-replace; boundary=frame',
    delimiter: '--frame',
    contentLength: true,
    lineBreak: '\r\n',
  },
  'no lengths and a quoted boundary': {
    contentType: 'multipart/x-mixed-replace;boundary="my frame"',
    delimiter: '--my frame',
    contentLength: false,
    lineBreak: '\r\n',
  },
  'dashes declared as part of the boundary': {
    contentType: 'Multipart/X-Mixed-Replace; charset=x; Boundary=--myboundary',
    delimiter: '--myboundary',
    contentLength: false,
    lineBreak: '\r\n',
  },
  'more dashes sent than declared, and bare line feeds': {
    contentType: 'multipart/x-mixed-replace; boundary=--ab',
    delimiter: '----ab',
    contentLength: false,
    lineBreak: '\n',
  },
};

function streamOf(bodies: readonly Buffer[], { delimiter, contentLength, lineBreak }: Dialect): Buffer {
  const parts = bodies.map((body, index) => {
    const head = [delimiter, `X-Part-Id: part ${index}`];
    if (contentLength) head.push(`Content-Length: ${body.length}`);
    return Buffer.concat([
      Buffer.from(head.join(lineBreak) + lineBreak + lineBreak),
      body,
      Buffer.from(lineBreak),
    ]);
  });
  return Buffer.concat([
    Buffer.from(`preamble${lineBreak}`),
    ...parts,
    Buffer.from(`${delimiter}--${lineBreak}`),
  ]);
}

function parse(stream: Buffer, cuts: readonly number[], contentType: string): StreamPart[] {
  const parser = new MultipartParser(boundaryOf(contentType) ?? '');
  const offsets = [0, ...[...cuts].sort((a, b) => a - b), stream.length];
  return offsets.slice(1).flatMap((end, index) => parser.push(stream.subarray(offsets[index], end)));
}

describe('multipart stream', () => {
  for (const [name, dialect] of Object.entries(DIALECTS)) {
    it(`gives the same images however it is cut into chunks: ${name}`, async () => {
      const images = [await testImage(1), await testImage(2, 90, 40), await testImage(3)];
      const stream = streamOf(images, dialect);
      fc.assert(
        fc.property(fc.array(fc.integer({ min: 0, max: stream.length }), { maxLength: 30 }), (cuts) => {
          const parts = parse(stream, cuts, dialect.contentType);
          assert.deepEqual(
            parts.map(({ body }) => body),
            images,
          );
          assert.deepEqual(
            parts.map(({ headers }) => headers.get('x-part-id')),
            ['part 0', 'part 1', 'part 2'],
          );
        }),
      );
      const everyByte = Array.from({ length: stream.length }, (_, index) => index);
      assert.deepEqual(
        parse(stream, everyByte, dialect.contentType).map(({ body }) => body),
        images,
      );
    });
  }

  it('keeps any bytes between boundaries as they are, even ones that look like the boundary', () => {
    const dialect = DIALECTS['lengths and a bare boundary'];
    assert.ok(dialect);
    const anything = fc.oneof(
      fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
      fc.constantFrom('\r\n--frame\r\n', '--frame--', '\r\n\r\n', '').map((text) => Buffer.from(text)),
    );
    fc.assert(
      fc.property(fc.array(anything, { maxLength: 6 }), fc.array(fc.nat(1500)), (bodies, cuts) => {
        const stream = streamOf(bodies, dialect);
        const within = cuts.filter((cut) => cut <= stream.length);
        assert.deepEqual(
          parse(stream, within, dialect.contentType).map(({ body }) => body),
          bodies,
        );
      }),
    );
  });

  it('hands a JPEG without Content-Length over at its end marker, not at the next boundary', async () => {
    const image = await testImage();
    const parser = new MultipartParser('frame');
    const parts = parser.push(Buffer.concat([Buffer.from('--frame\r\n\r\n'), image]));
    assert.deepEqual(
      parts.map(({ body }) => body),
      [image],
    );
  });

  it('gives a part that breaks off before the next boundary as it came', async () => {
    const image = await testImage();
    const half = image.subarray(0, image.length - 10);
    const parser = new MultipartParser('frame');
    const parts = parser.push(
      Buffer.concat([Buffer.from('--frame\r\n\r\n'), half, Buffer.from('\r\n--frame\r\n')]),
    );
    assert.deepEqual(
      parts.map(({ body }) => body),
      [half],
    );
  });

  it('refuses garbage, endless headers and endless parts instead of collecting them', () => {
    const limits = { maxPartBytes: 100_000 };
    const feed = (start: string, filler: string): void => {
      const parser = new MultipartParser('frame', limits);
      parser.push(Buffer.from(start));
      for (let sent = 0; sent < 400_000; sent += 10_000) parser.push(Buffer.from(filler.repeat(1000)));
    };
    assert.throws(() => feed('', '0123456789'), { code: 'IMAGE_INVALID', message: /no part boundary/ });
    assert.throws(() => feed('--frame\r\n', 'x-a: b\r\nx '), { code: 'IMAGE_INVALID', message: /headers/ });
    assert.throws(() => feed('--frame\r\n\r\n', '0123456789'), { code: 'IMAGE_INVALID', message: /larger/ });
    assert.throws(() => feed('--frame\r\nContent-Length: 999999999\r\n\r\n', ''), { message: /larger/ });
  });

  it('knows a multipart stream by its content type', () => {
    assert.equal(boundaryOf('image/jpeg'), undefined);
    assert.equal(boundaryOf(undefined), undefined);
    assert.equal(boundaryOf('multipart/x-mixed-replace'), undefined);
    assert.equal(boundaryOf('multipart/x-mixed-replace; boundary="--a b"'), 'a b');
  });
});
