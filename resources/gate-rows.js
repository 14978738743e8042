/* Lists of rows in the dialog of tolerance-gate: limits per kind of object, and scores to combine. */
(function () {
  'use strict';
  const Jidoka = (window.Jidoka = window.Jidoka || {});

  /**
   * Shows rows as a list in which they are added, moved and removed.
   *
   * @param columns `[{ name, kind: 'text' | 'number' | 'choice', fallback, choices?, min?, step? }]`
   * @param text gives the text of a key of the catalogue; each column has `row.<name>`, each choice `label.<choice>`
   */
  Jidoka.GateRows = class GateRows {
    #list;
    #columns;
    #text;

    constructor({ list, columns, rows, text }) {
      this.#list = list;
      this.#columns = columns;
      this.#text = text;
      list.editableList({
        removable: true,
        sortable: true,
        height: 'auto',
        addButton: text('row.add'),
        addItem: (container, _index, data) => this.#show(container, data),
      });
      for (const row of rows) list.editableList('addItem', row);
    }

    /** The rows as they stand in the fields. */
    rows() {
      const items = this.#list.editableList('items').toArray();
      return items.map((item) => {
        const values = this.#columns.map(({ name }) => [
          name,
          String($(item).find(`[data-name=${name}]`).val()),
        ]);
        return Object.fromEntries(values);
      });
    }

    #show(container, data) {
      const cells = this.#columns.map((column) => {
        const value = data[column.name] ?? column.fallback;
        const field = column.kind === 'choice' ? this.#choice(column) : this.#input(column);
        field.attr('data-name', column.name).val(value);
        const label = $('<span>', { text: this.#text(`row.${column.name}`) });
        return $('<label>', { class: `jidoka-cell jidoka-${column.kind}` }).append(label, field);
      });
      container.addClass('jidoka-row').append(cells);
    }

    #input({ kind, min = 0, step = 'any' }) {
      return $('<input>', kind === 'number' ? { type: 'number', min, step } : { type: 'text' });
    }

    #choice({ choices }) {
      return $('<select>').append(
        choices.map((value) => $('<option>', { value, text: this.#text(`label.${value}`) })),
      );
    }
  };
})();
