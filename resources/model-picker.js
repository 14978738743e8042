/*
 * The list of models in a dialog: what lies in the model folder of the gateway, to be searched and chosen
 * from. Names of files are text of anybody and are shown as such.
 */
(function () {
  'use strict';
  const Jidoka = (window.Jidoka = window.Jidoka || {});

  /** Buttons a browser draws at once; who has more, searches. */
  const MAX_SHOWN = 100;

  Jidoka.ModelPicker = class ModelPicker {
    #view;
    #text;
    #chosen;
    #models = [];
    /** The folder has more than the list. */
    #isCut = false;

    /**
     * @param view jQuery elements: toggle, panel, search, list, note
     * @param text gives the text of a key
     * @param chosen gives the path that is chosen; called with one, takes it
     */
    constructor({ view, text, chosen }) {
      this.#view = view;
      this.#text = text;
      this.#chosen = chosen;
      view.panel.hide();
      view.toggle.attr('aria-expanded', 'false').on('click', () => this.#toggle());
      view.search.on('input', () => this.#show());
      view.panel.on('keydown', (event) => this.#key(event));
    }

    #toggle() {
      const { toggle, panel, search } = this.#view;
      const opens = !panel.is(':visible');
      panel.toggle(opens);
      toggle.attr('aria-expanded', String(opens));
      if (!opens) return;
      search.val('').trigger('focus');
      void this.#load();
    }

    #close() {
      const { toggle, panel } = this.#view;
      panel.hide();
      toggle.attr('aria-expanded', 'false').trigger('focus');
    }

    #load() {
      const text = this.#text;
      this.#view.list.empty();
      this.#view.note.text(text('picker.busy'));
      $.ajax({ url: 'jidoka/onnx-infer-gpu/models', dataType: 'json', cache: false })
        .done(({ folder, models, isCut }) => {
          this.#models = models;
          this.#view.panel.attr('data-folder', folder);
          this.#isCut = isCut;
          this.#show();
        })
        .fail((xhr) => {
          const { code, message, hint } = Jidoka.problemOf(xhr, text);
          this.#models = [];
          this.#view.note.text([code, message, hint].filter(Boolean).join(' — '));
        });
    }

    #show() {
      const { list, note, search, panel } = this.#view;
      const words = String(search.val()).toLowerCase().split(/\s+/);
      const fitting = this.#models.filter(({ path }) => {
        return words.every((word) => path.toLowerCase().includes(word));
      });
      list.empty();
      for (const model of fitting.slice(0, MAX_SHOWN)) this.#entry(model).appendTo(list);
      const folder = panel.attr('data-folder');
      const text = this.#text;
      if (this.#models.length === 0) note.text(text('picker.empty', { folder }));
      else {
        const lines = [text('picker.folder', { folder })];
        if (fitting.length === 0) lines[0] = text('picker.none');
        else if (fitting.length > MAX_SHOWN) lines[0] = text('picker.more', { count: MAX_SHOWN });
        if (this.#isCut) lines.push(text('picker.cut', { count: this.#models.length }));
        note.text(lines.join(' '));
      }
    }

    #entry({ path, kind, bytes, modifiedAt }) {
      const parts = path.split('/');
      const name = parts.pop();
      const facts = [
        parts.join(' / '),
        this.#text(`picker.${kind}`),
        Jidoka.bytesText(bytes),
        new Date(modifiedAt).toLocaleString([], { dateStyle: 'medium', timeStyle: 'short' }),
      ];
      const button = $('<button>', { type: 'button', 'aria-pressed': String(this.#chosen() === path) })
        .append($('<span>', { text: name }), $('<small>', { text: facts.filter(Boolean).join(' · ') }))
        .on('click', () => {
          this.#chosen(path);
          this.#close();
        });
      return $('<li>').append(button);
    }

    /** Up and down walk from the search through the list; Escape leaves it, not the dialog. */
    #key(event) {
      if (event.key === 'Escape') {
        event.stopPropagation();
        this.#close();
      }
      if (event.key !== 'ArrowDown' && event.key !== 'ArrowUp') return;
      event.preventDefault();
      const stops = [this.#view.search[0], ...this.#view.list.find('button').toArray()];
      const at = stops.indexOf(document.activeElement) + (event.key === 'ArrowDown' ? 1 : -1);
      stops[Math.min(Math.max(at, 0), stops.length - 1)].focus();
    }
  };
})();
