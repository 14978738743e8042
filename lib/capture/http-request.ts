/**
 * Asks an HTTP camera for something and hands the answer over once its headers are there: signs in
 * where asked to, keeps connections where an agent is given, and says in plain words why not.
 */
import { request as httpRequest, Agent as HttpAgent, type IncomingMessage } from 'node:http';
import { request as httpsRequest, Agent as HttpsAgent } from 'node:https';
import { authorization, parseChallenge, type Challenge, type Credentials } from './http-auth.ts';
import { asCaptureError, CaptureError, SignInRefused } from './errors.ts';

const TCP_KEEP_ALIVE_MS = 5000;

export type CameraAgent = HttpAgent | HttpsAgent;

/** An agent that keeps its connections open between images. */
export function keepAliveAgent(url: URL): CameraAgent {
  const options = { keepAlive: true, keepAliveMsecs: TCP_KEEP_ALIVE_MS, maxSockets: 4, maxFreeSockets: 1 };
  return url.protocol === 'https:' ? new HttpsAgent(options) : new HttpAgent(options);
}

/**
 * The address of a camera as typed by a person.
 *
 * @throws CaptureError `CAMERA_REFUSED` for anything but http and https, and for a password in the address
 */
export function cameraUrl(text: string): URL {
  const url = URL.parse(text.trim());
  if (url === null || (url.protocol !== 'http:' && url.protocol !== 'https:')) {
    throw new CaptureError('CAMERA_REFUSED', 'the address must start with http:// or https://');
  }
  if (url.username !== '' || url.password !== '') {
    throw new CaptureError('CAMERA_REFUSED', 'user and password belong into their own fields', {
      hint: 'A password in the address would be stored in the flow file in clear.',
    });
  }
  return url;
}

/** The address without its query, which may hold a token; for messages. */
export function shownUrl(url: URL): string {
  return `${url.origin}${url.pathname}`;
}

export interface CameraClientOptions {
  url: URL;
  credentials?: Credentials | undefined;
  /** Own connection for each request where absent. */
  agent?: CameraAgent;
}

/** One camera's requests; remembers how it wants us to sign in, so that only the first is asked twice. */
export class CameraClient {
  readonly #options: CameraClientOptions;
  #challenge: Challenge | undefined;
  #count = 0;

  constructor(options: CameraClientOptions) {
    this.#options = options;
  }

  /**
   * A GET answered with status 200; the caller reads or destroys the answer.
   *
   * @throws CaptureError `CAMERA_LOST` when it cannot be reached, `CAMERA_REFUSED` when it says no; the signal's reason when aborted
   */
  async get(signal: AbortSignal): Promise<IncomingMessage> {
    const { credentials, url } = this.#options;
    let response = await this.#send(signal);
    if (response.statusCode === 401 && credentials !== undefined) {
      const challenge = parseChallenge(response.headers['www-authenticate'] ?? '');
      if (challenge !== undefined) {
        response.resume();
        this.#challenge = challenge;
        this.#count = 0;
        response = await this.#send(signal);
      }
    }
    const { statusCode = 0 } = response;
    if (statusCode === 200) return response;
    const { location } = response.headers;
    response.destroy();
    if (statusCode === 401 || statusCode === 403) {
      const message = `${shownUrl(url)} refuses the sign-in (status ${statusCode})`;
      const hint = 'Check user and password of the camera.';
      // Without a password nothing was guessed that a camera would lock out for.
      if (statusCode === 401 && credentials !== undefined) throw new SignInRefused(message, { hint });
      throw new CaptureError('CAMERA_REFUSED', message, { hint });
    }
    if (statusCode >= 300 && statusCode < 400) {
      throw new CaptureError('CAMERA_REFUSED', `${shownUrl(url)} points elsewhere (status ${statusCode})`, {
        hint: `Enter the address it points to${location === undefined ? '' : `: ${location.slice(0, 200)}`}`,
      });
    }
    if (statusCode >= 500) {
      throw new CaptureError('CAMERA_LOST', `${shownUrl(url)} has a fault of its own (status ${statusCode})`);
    }
    throw new CaptureError('CAMERA_REFUSED', `${shownUrl(url)} answers with status ${statusCode}`, {
      hint: 'Check the path of the address in the manual of the camera.',
    });
  }

  async #send(signal: AbortSignal): Promise<IncomingMessage> {
    try {
      return await this.#sendOnce(signal);
    } catch (error) {
      // A kept connection may be closed by the camera in the moment we use it; a GET may be repeated.
      if (error instanceof StaleConnection) return await this.#sendOnce(signal);
      throw error;
    }
  }

  #sendOnce(signal: AbortSignal): Promise<IncomingMessage> {
    const { url, credentials, agent } = this.#options;
    const headers: Record<string, string> = { accept: 'image/*, multipart/x-mixed-replace' };
    if (credentials !== undefined && this.#challenge !== undefined) {
      this.#count += 1;
      headers['authorization'] = authorization(this.#challenge, credentials, {
        method: 'GET',
        uri: `${url.pathname}${url.search}`,
        count: this.#count,
      });
    }
    return new Promise((resolve, reject) => {
      const send = url.protocol === 'https:' ? httpsRequest : httpRequest;
      const request = send(url, { agent: agent ?? false, headers, signal });
      request.on('socket', (socket) => {
        socket.setNoDelay(true);
        socket.setKeepAlive(true, TCP_KEEP_ALIVE_MS);
      });
      request.once('response', resolve);
      request.on('error', (error) => {
        if (signal.aborted) reject(signal.reason as Error);
        else if (request.reusedSocket && (error as NodeJS.ErrnoException).code === 'ECONNRESET') {
          reject(new StaleConnection());
        } else reject(asCaptureError(error, 'CAMERA_LOST', shownUrl(url)));
      });
      request.end();
    });
  }
}

class StaleConnection extends Error {}
