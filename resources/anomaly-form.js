/* The form of anomaly-score: shows the fields of what is chosen, and brings the teaching panel together with them. */
(function () {
  'use strict';
  const Jidoka = (window.Jidoka = window.Jidoka || {});

  /** What nodes saved before a field was there did. */
  const BEFORE = { method: 'patch-nn' };

  function field(name) {
    return $(`#node-input-${name}`);
  }

  Jidoka.AnomalyForm = class AnomalyForm {
    #node;
    #root;
    #panel;

    constructor(node) {
      this.#node = node;
      this.#root = $('.jidoka-anomaly');
      const text = (key, values) => node._(`anomaly-score.${key}`, values);
      this.#fillIn();
      const showFields = () => {
        const folder = field('teaching').val() === 'folder';
        this.#root.find('.jidoka-from-folder').toggle(folder);
        this.#root.find('.jidoka-from-line').toggle(field('teaching').val() === 'first-parts');
      };
      field('teaching').on('change', showFields);
      showFields();
      this.#panel = new Jidoka.AnomalyPanel({
        root: this.#root.find('.jidoka-panel'),
        nodeId: node.id,
        text,
      });
      this.#root.find('.jidoka-check').on('click', () => {
        const folder = String(field('folder').val()).trim();
        if (folder === '') field('folder').trigger('focus');
        else void this.#panel.check(folder, this.#root.find('.jidoka-checked'));
      });
    }

    close() {
      this.#panel.close();
    }

    /** A node saved before a field was there has none of its value. */
    #fillIn() {
      for (const [name, { value, type }] of Object.entries(this.#node._def.defaults)) {
        if (this.#node[name] !== undefined || type || typeof value === 'object') continue;
        field(name).val((this.#node.version === 1 && BEFORE[name]) || value);
      }
    }
  };
})();
