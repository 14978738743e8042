/* The way from a dialog to a PLC: a session with the settings of an endpoint, as they are typed or saved. */
(function () {
  'use strict';
  const Jidoka = (window.Jidoka = window.Jidoka || {});

  const PATH = 'jidoka/plc-endpoint/browse';
  const SECRETS = ['user', 'password', 'userCertificate', 'userKey'];
  const SETTINGS = [
    ...['protocol', 'endpointUrl', 'security', 'trustUnknownServers', 'identity'],
    ...['host', 'port', 'unit', 'framing', 'wordOrder', 's7Port', 'rack', 'slot'],
    ...[
      'brokerUrl',
      'mqttVersion',
      'commandTopic',
      'ackTopic',
      'stateTopic',
      'staleSeconds',
      'clientId',
      'caFile',
    ],
  ];

  /** Of an endpoint in the flow. A secret that was not touched is not here, and the runtime takes what it keeps. */
  Jidoka.endpointOfNode = (id) => {
    const node = RED.nodes.node(id);
    if (!node) return undefined;
    const settings = { nodeId: id };
    for (const name of SETTINGS) if (node[name] !== undefined) settings[name] = node[name];
    for (const name of SECRETS) {
      if (typeof node.credentials?.[name] === 'string') settings[name] = node.credentials[name];
    }
    return settings;
  };

  /** Of an endpoint whose dialog is open. */
  Jidoka.endpointOfDialog = (id) => {
    const settings = { nodeId: id };
    for (const name of [...SETTINGS, ...SECRETS]) {
      const input = $(`#node-config-input-${name}`);
      if (input.length > 0)
        settings[name] = input.is('[type=checkbox]') ? input.prop('checked') : (input.val() ?? '');
    }
    return settings;
  };

  Jidoka.BrowseSession = class BrowseSession {
    #settings;
    #text;
    #dialog = window.crypto.getRandomValues(new Uint32Array(2)).join('-');
    #open;
    #isClosed = false;

    /** `settings` as {@link Jidoka.endpointOfNode} gives them. */
    constructor(settings, text) {
      this.#settings = settings;
      this.#text = text;
    }

    /** Rejects with {code, message, hint}. */
    get(path, query = {}) {
      return this.#ask({ path, method: 'GET', data: query });
    }

    post(path, body = {}) {
      return this.#ask({ path, method: 'POST', data: JSON.stringify(body), contentType: 'application/json' });
    }

    close() {
      this.#isClosed = true;
      this.#open
        ?.then(({ id }) => this.#send({ url: `${PATH}/${id}/close`, method: 'POST', data: '{}' }))
        .catch(() => {});
    }

    /** A session nobody has used for a while has ended; the next question begins another. */
    async #ask({ path, ...options }, isAgain = false) {
      const { id } = await this.#opened();
      try {
        return await this.#send({ ...options, url: `${PATH}/${id}/${path}` });
      } catch (problem) {
        if (problem.message !== 'this session has ended' || isAgain || this.#isClosed) throw problem;
        this.#open = undefined;
        return this.#ask({ path, ...options }, true);
      }
    }

    #opened() {
      this.#open ??= this.#send({
        url: PATH,
        method: 'POST',
        data: JSON.stringify({ ...this.#settings, dialog: this.#dialog }),
      });
      this.#open.catch(() => (this.#open = undefined));
      return this.#open;
    }

    #send(options) {
      const isPost = options.method === 'POST';
      const request = $.ajax({
        dataType: 'json',
        cache: false,
        ...options,
        ...(isPost && { contentType: 'application/json' }),
      });
      return new Promise((resolve, reject) => {
        request.done(resolve).fail((xhr) => reject(Jidoka.problemOf(xhr, this.#text)));
      });
    }
  };
})();
