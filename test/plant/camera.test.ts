import assert from 'node:assert/strict';
import { Camera } from '../../plant/camera.ts';

interface StreamPart {
  headers: Map<string, string>;
  body: Buffer;
}

/** Reads a multipart stream until `count` parts are complete or it ends. */
async function readParts(response: Response, count: number): Promise<StreamPart[]> {
  const boundary = /boundary=(\S+)/.exec(response.headers.get('content-type') ?? '')?.[1];
  assert.ok(boundary !== undefined && response.body !== null);
  const parts: StreamPart[] = [];
  let rest = Buffer.alloc(0);
  for await (const chunk of response.body as AsyncIterable<Uint8Array>) {
    rest = Buffer.concat([rest, chunk]);
    for (;;) {
      const end = rest.indexOf('\r\n\r\n');
      if (end < 0) break;
      const [first, ...lines] = rest.toString('latin1', 0, end).split('\r\n');
      assert.equal(first, `--${boundary}`);
      const headers = new Map(
        lines.map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 2)]),
      );
      const length = Number(headers.get('Content-Length'));
      if (rest.length < end + 4 + length + 2) break;
      parts.push({ headers, body: rest.subarray(end + 4, end + 4 + length) });
      rest = rest.subarray(end + 4 + length + 2);
    }
    if (parts.length >= count) break;
  }
  return parts;
}

const picture = (text: string): Buffer => Buffer.from(`\xff\xd8\xff${text}\xff\xd9`, 'latin1');

describe('the HTTP camera', () => {
  let camera: Camera;
  beforeEach(async () => {
    camera = new Camera();
    await camera.open();
  });
  afterEach(() => camera.close());

  const shoot = (id: string): Promise<void> => camera.trigger(id, Promise.resolve(picture(id)));

  it('answers 503 before the first part and then shows the part under it', async () => {
    assert.equal((await fetch(camera.snapshotUrl)).status, 503);
    await shoot('P-1');
    await shoot('P-2');
    const response = await fetch(camera.snapshotUrl);
    assert.equal(response.headers.get('x-part-id'), 'P-2');
    assert.equal(response.headers.get('content-type'), 'image/jpeg');
    assert.deepEqual(Buffer.from(await response.arrayBuffer()), picture('P-2'));
  });

  it('makes a snapshot wait for the exposure that was triggered before it', async () => {
    await shoot('P-1');
    let finish: (jpeg: Buffer) => void = () => undefined;
    const exposure = new Promise<Buffer>((resolve) => (finish = resolve));
    void camera.trigger('P-2', exposure);
    const answer = fetch(camera.snapshotUrl);
    finish(picture('P-2'));
    assert.equal((await answer).headers.get('x-part-id'), 'P-2');
  });

  it('streams each part exactly once, in order, to every viewer', async () => {
    await shoot('P-0');
    const viewers = await Promise.all([fetch(camera.streamUrl), fetch(camera.streamUrl)]);
    const ids = Array.from({ length: 30 }, (_, index) => `P-${index + 1}`);
    for (const id of ids) void shoot(id);
    for (const viewer of viewers) {
      const parts = await readParts(viewer, 30);
      assert.deepEqual(parts.map(({ headers }) => headers.get('X-Part-Id')), ids); // prettier-ignore
      assert.deepEqual(parts.map(({ body }) => body.toString('latin1')), ids.map((id) => picture(id).toString('latin1'))); // prettier-ignore
      for (const { headers } of parts) {
        assert.equal(headers.get('Content-Type'), 'image/jpeg');
        assert.ok(!Number.isNaN(Date.parse(headers.get('X-Timestamp') ?? '')));
      }
    }
  });

  it('keeps the picture before when one could not be made', async () => {
    await shoot('P-1');
    await camera.trigger('P-2', Promise.reject(new Error('no picture')));
    assert.equal((await fetch(camera.snapshotUrl)).headers.get('x-part-id'), 'P-1');
  });

  it('shows the same bytes for new parts while it is frozen', async () => {
    await shoot('P-1');
    camera.faults.freeze = true;
    await shoot('P-2');
    await shoot('P-3');
    const frozen = await fetch(camera.snapshotUrl);
    assert.equal(frozen.headers.get('x-part-id'), 'P-3');
    assert.deepEqual(Buffer.from(await frozen.arrayBuffer()), picture('P-1'));
    camera.faults.freeze = false;
    await shoot('P-4');
    assert.deepEqual(Buffer.from(await (await fetch(camera.snapshotUrl)).arrayBuffer()), picture('P-4'));
  });

  it('breaks streams and refuses connections when it is killed, and comes back at the same address', async () => {
    const viewer = await fetch(camera.streamUrl);
    const { snapshotUrl } = camera;
    const watching = readParts(viewer, 1);
    await camera.kill();
    await assert.rejects(watching);
    await assert.rejects(fetch(snapshotUrl));
    await camera.revive();
    await shoot('P-1');
    assert.equal(camera.snapshotUrl, snapshotUrl);
    assert.equal((await fetch(snapshotUrl)).status, 200);
  });

  it('gives half a picture in a whole answer, or half an answer', async () => {
    await shoot('P-1');
    camera.faults.truncate = true;
    const half = Buffer.from(await (await fetch(camera.snapshotUrl)).arrayBuffer());
    assert.deepEqual(half, picture('P-1').subarray(0, half.length));
    assert.equal(half.length, picture('P-1').length >> 1);
    camera.faults.truncate = false;
    camera.faults.cut = true;
    await assert.rejects(fetch(camera.snapshotUrl).then((response) => response.arrayBuffer()));
  });

  it('asks for credentials when it has some', async () => {
    const guarded = new Camera({ credentials: { user: 'viewer', password: 'p:w' } });
    await guarded.open();
    try {
      await guarded.trigger('P-1', Promise.resolve(picture('P-1')));
      const without = await fetch(guarded.snapshotUrl);
      assert.equal(without.status, 401);
      assert.match(without.headers.get('www-authenticate') ?? '', /^Basic/);
      const signIn = (text: string) => ({ headers: { Authorization: `Basic ${btoa(text)}` } });
      assert.equal((await fetch(guarded.snapshotUrl, signIn('viewer:wrong'))).status, 401);
      assert.equal((await fetch(guarded.snapshotUrl, signIn('viewer:p:w'))).status, 200);
    } finally {
      await guarded.close();
    }
  });

  it('knows two addresses and one method', async () => {
    assert.equal((await fetch(`${camera.url}/admin`)).status, 404);
    assert.equal((await fetch(camera.snapshotUrl, { method: 'POST' })).status, 405);
  });

  it('says plainly that its port is taken', async () => {
    const second = new Camera({ port: Number(new URL(camera.url).port) });
    await assert.rejects(second.open(), { code: 'PLANT_PORT_BUSY', message: /camera/ });
  });
});
