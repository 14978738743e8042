/*
 * The model card in the dialog of onnx-infer-gpu: what the runtime found out about a model, or why it
 * refused it. Every text out of a model is set as text.
 */
(function () {
  'use strict';
  const Jidoka = (window.Jidoka = window.Jidoka || {});

  const MAX_LABELS = 12;

  function shapeText({ name, type, shape }) {
    return `${name} · ${type} · ${shape.length === 0 ? '?' : shape.join(' × ')}`;
  }

  function time(ms) {
    return `${Jidoka.numberText(ms, 3)} ms`;
  }

  Jidoka.ModelCard = class ModelCard {
    #root;
    #text;

    constructor({ root, text }) {
      this.#root = root;
      this.#text = text;
    }

    /** Nothing is known: no model is chosen, or it has not been looked at. */
    empty(hasModel) {
      const key = hasModel ? 'card.unknown' : 'card.none';
      this.#put('empty', $('<p>', { text: this.#text(key) }));
    }

    loading(ms) {
      const seconds = Math.floor(ms / 1000);
      const said = seconds < 2 ? this.#text('card.loading') : this.#text('card.loadingFor', { seconds });
      // A screen reader that is told each second says nothing else.
      const line = this.#root.find('.jidoka-loading span');
      if (line.length > 0) {
        line.text(said);
        return;
      }
      const icon = $('<i>', { class: 'fa fa-circle-o-notch fa-spin', 'aria-hidden': 'true' });
      this.#put(
        'loading',
        $('<p>', { class: 'jidoka-loading' }).append(icon, ' ', $('<span>', { text: said })),
      );
    }

    problem(problem) {
      const { differences } = problem;
      const shown = [Jidoka.problemElement(problem, this.#text('card.again'))];
      if (Array.isArray(differences)) shown.push(this.#differences(differences));
      this.#put('failed', shown);
    }

    /** `isServing` where it is the deployed node's. */
    show(card, isServing) {
      const text = this.#text;
      const rows = [
        this.#row('card.model', `${card.name} ${card.version}`),
        this.#row('card.digest', $('<code>', { text: card.digest })),
        this.#row('card.size', Jidoka.bytesText(card.bytes)),
        this.#row('card.input', ...card.inputs.map(shapeText), this.#fed(card)),
        this.#row('card.outputs', ...card.outputs.map(shapeText)),
        this.#row('card.head', this.#head(card)),
        this.#labels(card.labels),
        this.#golden(card.golden),
        ...this.#manifest(card.manifest),
        this.#row('card.provider', `${card.provider} · ${text('card.warm', { time: time(card.warmMs) })}`),
        this.#row(
          'card.benchmarks',
          ...this.#compared(card).map(({ provider, ms }) => `${provider} · ${time(ms)}`),
        ),
        ...card.refused.map((refused) => this.#refused(refused)),
      ];
      const title = $('<p>', { class: 'jidoka-title' }).append(
        $('<i>', { class: 'fa fa-check-circle', 'aria-hidden': 'true' }),
        ' ',
        $('<span>', { text: text(isServing ? 'card.serving' : 'card.ready') }),
      );
      this.#put('ready', [title, $('<dl>').append(rows.filter(Boolean).flat())]);
    }

    /** The settings are no longer those the card was made with. */
    stale() {
      if (this.#root.attr('data-state') === 'ready') this.#root.attr('data-state', 'stale');
    }

    #put(state, content) {
      this.#root.attr('data-state', state).empty().append(content);
    }

    /** One line of the card, or several; left out where there is nothing to say. */
    #row(key, ...values) {
      const shown = values.filter((value) => value !== undefined && value !== '');
      if (shown.length === 0) return undefined;
      const content = shown.map((value) => {
        return typeof value === 'string' ? $('<div>', { text: value }) : $('<div>').append(value);
      });
      return [$('<dt>', { text: this.#text(key) }), $('<dd>').append(content)];
    }

    #fed({ input, folded }) {
      const { width, height, colour, scale, mean, std, fit } = input;
      const isPlain = mean.every((each) => each === 0) && std.every((each) => each === 1);
      const range = [scale, 1 / 255].includes(scale) ? (scale === 1 ? 'byte' : 'unit') : undefined;
      const normal = isPlain
        ? range
          ? this.#text(`card.${range}`)
          : `× ${scale}`
        : this.#text('card.normalised', { mean: mean.join(' '), std: std.join(' ') });
      const parts = [`${width} × ${height} px`, colour.toUpperCase(), normal, this.#text(`card.${fit}`)];
      return [...parts, folded ? this.#text('card.folded') : ''].filter(Boolean).join(' · ');
    }

    /** Measurements of several providers; of one, the line above has it. */
    #compared({ benchmarks }) {
      return benchmarks.length > 1 ? benchmarks : [];
    }

    #head({ head: { task, format } }) {
      const name = this.#text(`task.${task}`);
      return format === undefined || format === 'auto' ? name : `${name} · ${format}`;
    }

    #labels({ count, first }) {
      if (count === 0) return undefined;
      const shown = first.slice(0, MAX_LABELS).join(', ');
      return this.#row('card.labels', `${count}: ${shown}${count > MAX_LABELS ? ' …' : ''}`);
    }

    #golden(golden) {
      if (golden.length === 0) return undefined;
      return this.#row('card.golden', this.#text('card.agrees', { count: golden.length }));
    }

    #manifest(manifest) {
      if (!manifest) return [];
      const { intendedUse, provenance } = manifest;
      const origin = Object.entries(provenance || {}).map(([name, value]) => `${name}: ${value}`);
      return [this.#row('card.intendedUse', intendedUse), this.#row('card.provenance', ...origin)];
    }

    #refused({ provider, message, hint }) {
      return this.#row(
        'card.refused',
        $('<strong>', { text: provider }),
        hint,
        $('<small>', { text: message }),
      );
    }

    /** Where golden samples and model part ways: what was expected, what came. */
    #differences(differences) {
      const rows = differences.map((difference) => {
        const cells = ['sample', 'path', 'expected', 'got'].map((key) =>
          $('<td>', { text: difference[key] }),
        );
        return $('<tr>').append(cells);
      });
      const heads = ['sample', 'path', 'expected', 'got'].map((key) => {
        return $('<th>', { scope: 'col', text: this.#text(`differences.${key}`) });
      });
      return $('<table>').append($('<thead>').append($('<tr>').append(heads)), $('<tbody>').append(rows));
    }
  };
})();
