/*
 * How a page of the dashboard speaks with its station: through Node-RED's admin routes, as the person signed in.
 * The sign-in lasts as long as the browser tab and is shared by all pages. Whatever fails is thrown as a
 * DeskError with a code to act on and a message to show.
 *
 * A page loads this module with a dynamic import, because a ui-template cannot import any other way:
 *   const { openDesk } = await import(`${adminRoot}resources/@jidoka/node-red/dashboard/desk.js`);
 *   const { desk, parts } = await openDesk({ adminRoot, station });
 */

/** What an admin route answers takes no longer than this; an inspection goes on meanwhile. */
const TIMEOUT_MS = 15_000;
/** Answers of a proxy whose Node-RED is gone. */
const GATEWAY_ERRORS = [502, 503, 504];

export class DeskError extends Error {
  constructor(code, message, hint) {
    super(message);
    this.name = 'DeskError';
    this.code = code;
    this.hint = hint;
  }
}

/** Node-RED's root for admin routes, with a slash at both ends; the setting may lack them. */
export function rootOf(httpAdminRoot) {
  return `/${httpAdminRoot ?? ''}/`.replace(/\/{2,}/g, '/');
}

export class Desk {
  #adminRoot;
  #key;
  #listeners = new Set();
  #asker = null;

  /**
   * `unknown` before the first answer; then `ready`, `signed-out` (somebody has to sign in to see anything),
   * `not-permitted` (this person may not), `offline` (Node-RED does not answer), or `missing` (no such station).
   */
  state = 'unknown';
  /** When an answer came last, in milliseconds since 1970; null before the first one. */
  answeredAt = null;

  /** `station`: its id or its name. */
  constructor({ adminRoot, station }) {
    this.#adminRoot = rootOf(adminRoot);
    this.#key = `jidoka-desk:${this.#adminRoot}`;
    this.station = station;
  }

  /** Vue then leaves it as it is: private fields do not pass through its proxies. */
  get [Symbol.toStringTag]() {
    return 'Desk';
  }

  /** Who is signed in; null for nobody. */
  get user() {
    return this.#session()?.user ?? null;
  }

  /** Where this station's routes begin, below `jidoka/`. */
  get stationPath() {
    return `stations/${encodeURIComponent(this.station)}`;
  }

  /** Hears of every change of state and sign-in; returns the way to stop listening. */
  onChange(listener) {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #session() {
    try {
      return JSON.parse(sessionStorage.getItem(this.#key));
    } catch {
      return null;
    }
  }

  #tell(state) {
    this.state = state;
    for (const listener of this.#listeners) listener(this);
  }

  /** @throws DeskError `SIGN_IN_REFUSED`, `SIGN_IN_ELSEWHERE`, `OFFLINE` */
  async signIn(user, password) {
    const response = await this.#fetch('auth/token', {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({
        client_id: 'node-red-admin',
        grant_type: 'password',
        scope: '',
        username: user,
        password,
      }),
    });
    if (response.status === 404) {
      throw new DeskError(
        'SIGN_IN_ELSEWHERE',
        'This Node-RED takes no user and password here.',
        'Set up adminAuth of the type “credentials” in settings.js.',
      );
    }
    if (!response.ok) throw new DeskError('SIGN_IN_REFUSED', 'User or password is wrong.');
    const { access_token: token } = await response.json();
    sessionStorage.setItem(this.#key, JSON.stringify({ user, token }));
    this.#tell('ready');
  }

  signOut() {
    sessionStorage.removeItem(this.#key);
    this.#tell('unknown');
  }

  /** JSON of a path below `jidoka/`. @throws DeskError */
  async get(path) {
    return (await this.#request(path)).json();
  }

  /** @throws DeskError */
  async post(path, body) {
    return (await this.#request(path, { method: 'POST', body })).json();
  }

  /** A picture as an object URL; who asked for it revokes it. @throws DeskError */
  async picture(path) {
    return URL.createObjectURL(await (await this.#request(path)).blob());
  }

  /** The station's nodes of a type that are deployed: `{ id, type, name }`. @throws DeskError */
  async nodes(type) {
    const all = await this.get(`${this.stationPath}/nodes`);
    return all.filter((node) => node.type === type);
  }

  /** Runs `look` now and again and again, one at a time, while the page is in sight; returns the way to stop. */
  poll(look, everyMs) {
    let timer;
    let ended = false;
    const run = async () => {
      if (!document.hidden) await look();
      if (!ended) timer = setTimeout(run, everyMs);
    };
    run();
    return () => {
      ended = true;
      clearTimeout(timer);
    };
  }

  /** The part of the page that shows dialogs says so here. */
  setAsker(asker) {
    this.#asker = asker;
  }

  /**
   * Shows a dialog: `{ title, text, confirm, fields: [{ name, label, type?, … }], run(values) }`. Stays open with
   * the problem while `run` throws; resolves with what `run` returned, or undefined when it was given up.
   */
  ask(question) {
    return this.#asker === null ? Promise.resolve(undefined) : this.#asker(question);
  }

  /** True when somebody is signed in by now. */
  async askSignIn() {
    const user = await this.ask({
      title: 'Sign in',
      text: 'Acting on the station needs a person. Use your Node-RED sign-in.',
      confirm: 'Sign in',
      fields: [
        { name: 'user', label: 'User', autocomplete: 'username' },
        { name: 'password', label: 'Password', type: 'password', autocomplete: 'current-password' },
      ],
      run: async (values) => {
        await this.signIn(values.user, values.password);
        return values.user;
      },
    });
    return user !== undefined;
  }

  /**
   * Posts what a person has given a reason for: `{ path, title, text, confirm, body?, fields? }`; asks for the
   * sign-in first where nobody is. Resolves with the answer, or undefined when it was given up.
   */
  async act({ path, body = {}, fields = [], ...question }) {
    if (this.user === null && !(await this.askSignIn())) return undefined;
    return this.ask({
      ...question,
      fields: [
        ...fields,
        {
          name: 'reason',
          label: 'Reason',
          minlength: 3,
          maxlength: 200,
          placeholder: 'What you checked, what you changed',
        },
      ],
      run: (values) => this.post(path, { ...body, ...values }),
    });
  }

  async #fetch(path, options) {
    try {
      const response = await fetch(`${this.#adminRoot}${path}`, {
        ...options,
        cache: 'no-store',
        signal: AbortSignal.timeout(TIMEOUT_MS),
      });
      if (!GATEWAY_ERRORS.includes(response.status) || isJson(response)) return response;
    } catch {
      // told below, like a proxy that finds no Node-RED
    }
    this.#tell('offline');
    throw new DeskError('OFFLINE', 'Node-RED does not answer.', 'Is it running, and is the network there?');
  }

  async #request(path, { method = 'GET', body } = {}) {
    const token = this.#session()?.token;
    const response = await this.#fetch(`jidoka/${path}`, {
      method,
      headers: {
        ...(token ? { Authorization: `Bearer ${token}` } : {}),
        ...(body === undefined ? {} : { 'Content-Type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    this.answeredAt = Date.now();
    if (response.ok) {
      if (this.state !== 'ready') this.#tell('ready');
      return response;
    }
    throw await this.#problem(response, token !== undefined, method === 'GET');
  }

  async #problem(response, hadToken, reading) {
    if (response.status === 401) {
      // Node-RED names the scheme where the sign-in is missing or over, and is silent where a permission is.
      if (hadToken && response.headers.get('WWW-Authenticate') === null) {
        if (reading) this.#tell('not-permitted');
        return new DeskError(
          'NOT_PERMITTED',
          'You are signed in, but not permitted to do this.',
          'Ask whoever looks after Node-RED for the permission.',
        );
      }
      sessionStorage.removeItem(this.#key);
      this.#tell('signed-out');
      return new DeskError(
        'SIGN_IN_REQUIRED',
        hadToken ? 'The sign-in has expired.' : 'Sign in to see this station.',
      );
    }
    const { code, message, hint } = isJson(response) ? await response.json() : {};
    if (code === 'NOT_FOUND' && response.url.includes(`/jidoka/${this.stationPath}`)) {
      // Of the station itself or of something in it: only the first concerns the whole page.
      if (message === `there is no station ${this.station}`) this.#tell('missing');
    } else if (this.state !== 'ready') this.#tell('ready');
    return new DeskError(code ?? `HTTP_${response.status}`, message ?? `HTTP ${response.status}`, hint);
  }
}

function isJson(response) {
  return response.headers.get('Content-Type')?.includes('json') ?? false;
}

/** The stylesheet of the pages, once per document. */
function addStyles(folder) {
  const href = new URL('pages.css', folder).href;
  if ([...document.styleSheets].some((sheet) => sheet.href === href)) return;
  document.head.append(Object.assign(document.createElement('link'), { rel: 'stylesheet', href }));
}

/** What every page starts with: its desk and the parts that pages share. */
export async function openDesk(options) {
  addStyles(import.meta.url);
  return { desk: new Desk(options), parts: await import('./parts.js') };
}
