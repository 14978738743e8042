/*
 * What a node that has just been placed proposes by itself: the station, PLC and MES of the nodes it is wired to or,
 * where there is but one, that one; and a name for its model. Only nodes a person takes from the palette, and only
 * until their dialog has been closed: what is imported, or was chosen once, stays as it is.
 */
(function () {
  'use strict';
  const Jidoka = (window.Jidoka = window.Jidoka || {});

  const PLACED_BY = ['palette', 'typeSearch'];
  /** A name somebody can read in a folder, until there is a better one. */
  const MODEL = 'parts';

  /** The fields of a node that hold one of our configuration nodes, with its type. */
  function references(node) {
    return Object.entries(node._def.defaults || {}).filter(([, { type }]) =>
      Jidoka.CONFIG_TYPES.includes(type),
    );
  }

  function configsOf(type, node) {
    const found = [];
    RED.nodes.eachConfig((config) => {
      if (config.type === type && !config.d && (!config.z || config.z === node.z)) found.push(config);
    });
    return found;
  }

  function neighbours(node) {
    return [
      ...RED.nodes.getNodeLinks(node, 1).map(({ source }) => source),
      ...RED.nodes.getNodeLinks(node, 0).map(({ target }) => target),
    ];
  }

  /** The id to propose for a field, or nothing. */
  function proposal(node, field, type) {
    const beside = neighbours(node)
      .map((other) => other[field])
      .filter((id) => RED.nodes.node(id)?.type === type);
    if (beside.length > 0) return beside[0];
    const configs = configsOf(type, node);
    return configs.length === 1 ? configs[0].id : undefined;
  }

  function modelName() {
    const taken = new Set();
    RED.nodes.eachNode(({ type, model }) => {
      if (type === 'anomaly-score') taken.add(model);
    });
    let name = MODEL;
    for (let count = 2; taken.has(name); count += 1) name = `${MODEL}-${count}`;
    return name;
  }

  class Proposals {
    /** Nodes that were placed and whose dialog nobody has closed yet. */
    #fresh = new Set();

    placed(node) {
      if (node.type === 'anomaly-score' && node.model === '') node.model = modelName();
      this.#fresh.add(node);
      this.fill(node);
    }

    forget(node) {
      this.#fresh.delete(node);
    }

    /** Fills what is empty; a field without a proposal stays empty and is asked for in the dialog. */
    fill(node) {
      if (!this.#fresh.has(node)) return;
      let filled = false;
      for (const [field, { type }] of references(node)) {
        if (node[field] !== '') continue;
        const id = proposal(node, field, type);
        if (id === undefined) continue;
        node[field] = id;
        filled = true;
      }
      if (!filled) return;
      RED.nodes.updateConfigNodeUsers(node, { action: 'add' });
      RED.editor.validateNode(node);
      node.dirty = true;
      RED.view.redraw();
    }

    fillAll() {
      for (const node of this.#fresh) this.fill(node);
    }
  }

  Jidoka.CONFIG_TYPES = ['inspection-station', 'plc-endpoint', 'mes-endpoint'];

  Jidoka.addProposals = () => {
    const proposals = new Proposals();
    RED.events.on('nodes:add', (node, { source } = {}) => {
      if (PLACED_BY.includes(source) && node._def?.set?.module === '@jidoka/node-red') proposals.placed(node);
      else if (Jidoka.CONFIG_TYPES.includes(node.type)) proposals.fillAll();
    });
    RED.events.on('links:add', ({ source, target }) => {
      proposals.fill(source);
      proposals.fill(target);
    });
    RED.events.on('editor:save', (node) => {
      proposals.forget(node);
      // What was chosen in this dialog holds for its neighbours, too.
      proposals.fillAll();
    });
    RED.events.on('nodes:remove', (node) => proposals.forget(node));
  };
})();
