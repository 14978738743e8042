/* The versions of a model with what each changed, and the parts it was taught from. */
(function () {
  'use strict';
  const Jidoka = (window.Jidoka = window.Jidoka || {});

  function date(iso) {
    return new Date(iso).toLocaleString(window.RED.i18n.lang(), { dateStyle: 'short', timeStyle: 'short' });
  }

  Jidoka.anomalyDate = date;

  Jidoka.VersionList = class VersionList {
    #root;
    #runtime;
    #text;
    #act;

    /** `act(path, body)` does what a person asked for, and shows what came of it. */
    constructor({ root, runtime, text, act }) {
      this.#root = root;
      this.#runtime = runtime;
      this.#text = text;
      this.#act = act;
    }

    async load() {
      try {
        const { versions, serving } = await this.#runtime.get('versions');
        this.#show(versions, serving);
      } catch (problem) {
        this.#root.empty().append(Jidoka.problemElement(problem));
      }
    }

    #show(versions, serving) {
      this.#root.empty();
      if (versions.length === 0) {
        this.#root.append($('<p>', { class: 'jidoka-hint', text: this.#text('versions.none') }));
        return;
      }
      const list = $('<ol>', { class: 'jidoka-versions' }).appendTo(this.#root);
      for (const version of versions) this.#entry(version, serving).appendTo(list);
    }

    #entry(entry, serving) {
      const text = this.#text;
      const { version, change, parent, parts, method, createdAt, acceptance } = entry;
      const isServing = version === serving;
      const facts = [
        text('versions.parts', { count: parts }),
        text(`method.${method}`),
        acceptance.defects > 0 && text('versions.found', acceptance),
        parent !== null && text('versions.from', { version: parent }),
      ];
      const said = [date(createdAt), change.actor, change.reason];
      const item = $('<li>', { 'data-version': version }).append(
        $('<div>').append(
          $('<strong>', {
            text: `${version} · ${text(`change.${change.kind}`, { count: change.parts.length })}`,
          }),
          $('<span>', { text: facts.filter(Boolean).join(' · ') }),
          $('<small>', { text: said.filter(Boolean).join(' · ') }),
        ),
      );
      if (isServing) item.append($('<span>', { class: 'jidoka-serving', text: text('versions.serving') }));
      else item.append(this.#rollback(version, item));
      return item;
    }

    #rollback(version, item) {
      const text = this.#text;
      return $('<button>', {
        type: 'button',
        class: 'red-ui-button red-ui-button-small',
        text: text('versions.rollback'),
        'aria-label': text('versions.rollbackTo', { version }),
      }).on('click', async () => {
        const question = text('versions.ask', { version });
        const action = text('versions.rollback');
        const reason = await Jidoka.askReason(item, { question, action, text });
        if (reason !== undefined) await this.#act('rollback', { version, reason });
      });
    }
  };

  Jidoka.PartGrid = class PartGrid {
    #root;
    #runtime;
    #text;
    #act;
    #chosen = new Set();
    #from = 0;

    constructor({ root, runtime, text, act }) {
      this.#root = root;
      this.#runtime = runtime;
      this.#text = text;
      this.#act = act;
    }

    async load(from = 0) {
      this.#from = from;
      this.#chosen.clear();
      try {
        this.#show(await this.#runtime.get(`parts?from=${from}`));
      } catch (problem) {
        this.#root.empty().append(Jidoka.problemElement(problem));
      }
    }

    #show({ total, parts }) {
      const text = this.#text;
      this.#root.empty();
      if (total === 0) {
        this.#root.append($('<p>', { class: 'jidoka-hint', text: text('parts.none') }));
        return;
      }
      const grid = $('<ul>', { class: 'jidoka-parts' }).appendTo(this.#root);
      for (const part of parts) this.#tile(part).appendTo(grid);
      const bar = $('<div>', { class: 'jidoka-bar' }).appendTo(this.#root);
      const forget = $('<button>', { type: 'button', class: 'red-ui-button jidoka-unteach' })
        .on('click', () => this.#forget(bar))
        .appendTo(bar);
      const say = () => {
        forget.text(text('parts.unteach', { count: this.#chosen.size }));
        forget.prop('disabled', this.#chosen.size === 0);
      };
      grid.on('change', say);
      say();
      const page = (label, from, exists) => {
        if (!exists) return;
        const button = $('<button>', { type: 'button', class: 'red-ui-button', text: text(label) });
        button.on('click', () => void this.load(from)).appendTo(bar);
      };
      page('parts.before', Math.max(0, this.#from - 60), this.#from > 0);
      page('parts.next', this.#from + parts.length, this.#from + parts.length < total);
    }

    #tile({ id, label, score, partId, source, addedAt }) {
      const text = this.#text;
      const name = partId || (source ? source.split(/[/\\]/).pop() : id.slice(0, 12));
      const box = $('<input>', { type: 'checkbox' }).on('change', (event) => {
        if (event.target.checked) this.#chosen.add(id);
        else this.#chosen.delete(id);
      });
      const image = $('<img>', { alt: name, loading: 'lazy' });
      void this.#runtime.show(image, `parts/${id}/picture`);
      const facts = [text(`label.${label}`), Jidoka.numberText(score, 3)].join(' · ');
      return $('<li>', {
        'data-label': label,
        title: [name, addedAt && date(addedAt)].filter(Boolean).join('\n'),
      }).append(
        $('<label>').append(
          image,
          $('<span>').append(box, $('<span>', { text: facts })),
          $('<small>', { text: name }),
        ),
      );
    }

    async #forget(bar) {
      const text = this.#text;
      const parts = [...this.#chosen];
      const question = text('parts.ask', { count: parts.length });
      const action = text('parts.unteach', { count: parts.length });
      const reason = await Jidoka.askReason(bar, { question, action, text });
      if (reason !== undefined) await this.#act('unteach', { parts, reason });
    }
  };
})();
