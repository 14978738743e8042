import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Express, RequestHandler } from 'express';
import { CodedError } from '../../../lib/errors.ts';
import { adminRoute, type AdminRequest } from '../../../nodes/runtime/admin.ts';
import type { NodeAPI } from '../../../nodes/runtime/types.ts';

// The express that Node-RED brings, with the body parsers its admin API uses.
const express = createRequire(createRequire(import.meta.url).resolve('node-red'))('express') as {
  (): Express;
  json(): RequestHandler;
  urlencoded(options: object): RequestHandler;
};

interface User {
  username: string;
  anonymous?: boolean;
}

interface Reason {
  reason: string;
}

const summary = 'Does what this test asks for';
const schema = {
  type: 'object',
  properties: { reason: { type: 'string', minLength: 3 } },
  required: ['reason'],
  additionalProperties: false,
};

describe('an admin route', () => {
  let server: Server;
  let url: string;
  let user: User | undefined;
  let settings: Record<string, unknown>;
  let permissions: string[];
  let handled: AdminRequest<Reason>[];

  beforeEach(async () => {
    user = undefined;
    settings = {};
    permissions = [];
    handled = [];
    const application = express();
    application.use(express.json());
    application.use(express.urlencoded({ extended: true }));
    application.use((request, _response, next) => {
      Object.assign(request, { user });
      next();
    });
    const RED = {
      httpAdmin: application,
      settings,
      auth: {
        needsPermission:
          (permission: string): RequestHandler =>
          (_request, _response, next) => {
            permissions.push(permission);
            next();
          },
      },
    } as unknown as NodeAPI;
    adminRoute<Reason>(RED, {
      summary,
      method: 'post',
      path: '/jidoka/stations/:id/arm',
      permission: 'plc.arm',
      requiresPerson: true,
      schema,
      handle: (request) => {
        handled.push(request);
        return { armed: request.params['id'], actor: request.actor };
      },
    });
    for (const [path, thrown] of Object.entries({
      missing: new CodedError('NOT_FOUND', 'there is no such station'),
      tripped: new CodedError('ARM_REFUSED', 'the station has tripped', { hint: 'Reset it first.' }),
      broken: new Error('boom'),
    })) {
      adminRoute(RED, {
        summary,
        method: 'get',
        path: `/jidoka/${path}`,
        permission: 'jidoka.read',
        handle: () => Promise.reject(thrown),
      });
    }
    adminRoute(RED, {
      summary,
      method: 'get',
      path: '/jidoka/picture',
      permission: 'jidoka.read',
      handle: ({ response, query }) => {
        response.type('image/png').send(Buffer.from(JSON.stringify(query)));
      },
    });
    adminRoute<Buffer>(RED, {
      summary,
      method: 'post',
      path: '/jidoka/upload',
      permission: 'flows.write',
      file: { maxBytes: 100_000 },
      handle: ({ body }) => ({ bytes: body.length, first: body[0] }),
    });
    server = createServer(application);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });

  afterEach(() => new Promise((resolve) => server.close(resolve)));

  async function arm(
    body: unknown,
    init: RequestInit = {},
  ): Promise<{ status: number; answer: Record<string, unknown> }> {
    const response = await fetch(`${url}/jidoka/stations/press-4/arm`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
      ...init,
    });
    return { status: response.status, answer: (await response.json()) as Record<string, unknown> };
  }

  it('answers with what its handler returns, for the person signed in', async () => {
    user = { username: 'ann' };
    const { status, answer } = await arm({ reason: 'start of shift' });
    assert.equal(status, 200);
    assert.deepEqual(answer, { armed: 'press-4', actor: 'ann' });
    assert.deepEqual(handled[0]?.body, { reason: 'start of shift' });
  });

  it('asks Node-RED for its permission', async () => {
    user = { username: 'ann' };
    await arm({ reason: 'start of shift' });
    assert.deepEqual(permissions, ['plc.arm']);
  });

  it('refuses to act for nobody, and for the anonymous user of a read-only sign-in', async () => {
    for (const nobody of [undefined, { username: 'anonymous', anonymous: true }]) {
      user = nobody;
      const { status, answer } = await arm({ reason: 'start of shift' });
      assert.equal(status, 403);
      assert.equal(answer['code'], 'SIGN_IN_REQUIRED');
      assert.match(String(answer['hint']), /adminAuth/);
    }
    assert.deepEqual(handled, []);
  });

  it('acts for nobody only where the owner of settings.js has said so in so many words', async () => {
    settings['jidokaAllowAnonymousArming'] = 'yes';
    assert.equal((await arm({ reason: 'start of shift' })).status, 403);
    settings['jidokaAllowAnonymousArming'] = true;
    const { status, answer } = await arm({ reason: 'start of shift' });
    assert.equal(status, 200);
    assert.equal(answer['actor'], 'anonymous');
  });

  it('never takes the actor from the body', async () => {
    user = { username: 'ann' };
    const { status, answer } = await arm({ reason: 'start of shift', actor: 'bob' });
    assert.equal(status, 400);
    assert.equal(answer['code'], 'BAD_REQUEST');
    assert.deepEqual(handled, []);
  });

  it('says what is wrong with a body', async () => {
    user = { username: 'ann' };
    for (const body of [{}, { reason: 'x' }, { reason: 7 }, []]) {
      const { status, answer } = await arm(body);
      assert.equal(status, 400);
      assert.match(String(answer['message']), /body/);
    }
  });

  it('refuses more than 64 KiB, whether the length was announced or not', async () => {
    user = { username: 'ann' };
    const body = JSON.stringify({ reason: 'x'.repeat(70_000) });
    assert.equal((await arm(undefined, { body })).status, 413);
    const stream = new Blob([body]).stream();
    const chunked = await arm(undefined, { body: stream, duplex: 'half' } as RequestInit);
    assert.equal(chunked.status, 413);
    assert.equal(chunked.answer['code'], 'TOO_LARGE');
    assert.deepEqual(handled, []);
  });

  it('takes JSON only: a form on another page must not be able to act', async () => {
    settings['jidokaAllowAnonymousArming'] = true;
    const { status, answer } = await arm(undefined, {
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      body: 'reason=start+of+shift',
    });
    assert.equal(status, 415);
    assert.equal(answer['code'], 'NOT_JSON');
    assert.deepEqual(handled, []);
  });

  async function upload(init: RequestInit): Promise<{ status: number; answer: Record<string, unknown> }> {
    const response = await fetch(`${url}/jidoka/upload`, { method: 'POST', ...init });
    return { status: response.status, answer: (await response.json()) as Record<string, unknown> };
  }

  it('hands a file on as its bytes, larger than a form may be', async () => {
    const body = new Uint8Array(90_000).fill(7);
    for (const type of ['image/jpeg', 'application/octet-stream']) {
      const { status, answer } = await upload({ headers: { 'content-type': type }, body });
      assert.equal(status, 200);
      assert.deepEqual(answer, { bytes: 90_000, first: 7 });
    }
  });

  it('refuses a file that is too large, whether the length was announced or not', async () => {
    const headers = { 'content-type': 'image/png' };
    const body = new Uint8Array(100_001);
    assert.equal((await upload({ headers, body })).answer['code'], 'TOO_LARGE');
    const stream = new Blob([body]).stream();
    const chunked = await upload({ headers, body: stream, duplex: 'half' } as RequestInit);
    assert.deepEqual([chunked.status, chunked.answer['code']], [413, 'TOO_LARGE']);
  });

  it('takes no file that a form on another page could send', async () => {
    for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data']) {
      const { status, answer } = await upload({ headers: { 'content-type': type }, body: 'x=1' });
      assert.deepEqual([status, answer['code']], [415, 'NOT_A_FILE']);
    }
  });

  for (const [path, status, code] of [
    ['missing', 404, 'NOT_FOUND'],
    ['tripped', 409, 'ARM_REFUSED'],
    ['broken', 500, 'UNEXPECTED'],
  ] as const) {
    it(`answers ${status} with the code when the handler fails with ${code}`, async () => {
      const response = await fetch(`${url}/jidoka/${path}`);
      assert.equal(response.status, status);
      const answer = (await response.json()) as Record<string, unknown>;
      assert.equal(answer['code'], code);
      if (code === 'ARM_REFUSED') assert.equal(answer['hint'], 'Reset it first.');
      assert.equal('stack' in answer, false);
    });
  }

  it('lets the handler answer by itself, with a picture for instance', async () => {
    const response = await fetch(`${url}/jidoka/picture?size=2`);
    assert.match(response.headers.get('content-type') ?? '', /image\/png/);
    assert.equal(await response.text(), '{"size":"2"}');
  });

  it('lets anybody read, with the permission to', async () => {
    await fetch(`${url}/jidoka/picture`);
    assert.deepEqual(permissions, ['jidoka.read']);
  });
});
