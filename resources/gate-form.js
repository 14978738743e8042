/*
 * The form of tolerance-gate: shows the fields of the chosen rule, says in plain words what the budget
 * promises, and brings the lists of rows and the live panel together with the fields.
 */
(function () {
  'use strict';
  const Jidoka = (window.Jidoka = window.Jidoka || {});

  /** Good parts of which the promise speaks. */
  const MANY = 10_000;
  const OBJECT_COLUMNS = [
    { name: 'label', kind: 'text', fallback: '' },
    { name: 'minScore', kind: 'number', fallback: '0.5' },
    { name: 'minCount', kind: 'number', fallback: '0', step: 1 },
    { name: 'maxCount', kind: 'number', fallback: '', step: 1 },
    { name: 'decision', kind: 'choice', fallback: 'reject', choices: ['review', 'reject'] },
  ];
  const SCORE_COLUMNS = [
    { name: 'property', kind: 'text', fallback: '' },
    { name: 'limit', kind: 'number', fallback: '1' },
  ];

  function field(name) {
    return $(`#node-input-${name}`);
  }

  /** What a node that was saved before a field was there gets. */
  const DEFAULTS = {
    mode: 'budget',
    scoreProperty: 'inspection.anomaly.score',
    alphaPercent: '5',
    confidencePercent: '95',
    reviewPercent: '0',
    tolerancePercent: '25',
    hysteresisPercent: '0',
    fallback: 'review',
    reviewBy: 'share',
    combineBy: 'any',
    chart: 'shewhart',
    baseline: 'learn',
    learnCount: '25',
    lambda: '0.2',
    width: '3',
    bandMargin: '0',
    holdSeconds: '0',
  };

  Jidoka.GateForm = class GateForm {
    #node;
    #root;
    #text;
    #panel;
    #objects;
    #scores;

    /** `node` is the node being edited. */
    constructor(node) {
      this.#node = node;
      this.#root = $('.jidoka-gate');
      this.#text = (key, values) => node._(`tolerance-gate.${key}`, values);
      for (const [name, value] of Object.entries(DEFAULTS)) {
        if (node[name] === undefined) field(name).val(value);
      }
      field('scoreProperty').typedInput({ types: ['msg'], default: 'msg' });
      this.#objects = this.#list('objectLimits', OBJECT_COLUMNS);
      this.#scores = this.#list('scores', SCORE_COLUMNS);
      this.#root.on('input change', 'input, select', () => this.#refresh());
      this.#refresh();
      this.#panel = new Jidoka.GatePanel({
        root: this.#root.find('.jidoka-panel'),
        text: this.#text,
        id: node.id,
      });
    }

    /** Takes over what stands in the lists. */
    save() {
      this.#node.objectLimits = this.#objects.rows();
      this.#node.scores = this.#scores.rows();
    }

    close() {
      this.#panel.close();
    }

    #list(name, columns) {
      const list = this.#root.find(`.jidoka-rows[data-field=${name}]`);
      return new Jidoka.GateRows({ list, columns, rows: this.#node[name] || [], text: this.#text });
    }

    /**
     * Each field says for which choices it is there: `data-for="mode=budget reviewBy=share|mode=combined"` is for
     * budgets with a share to review, and for combined scores.
     */
    #refresh() {
      const holds = (condition) => {
        const [name, choices] = condition.split('=');
        return choices.split(',').includes(String(field(name).val()));
      };
      this.#root.find('[data-for]').each((_index, element) => {
        const cases = element.dataset.for.split('|');
        $(element).toggle(cases.some((conditions) => conditions.split(' ').every(holds)));
      });
      this.#root.find('.jidoka-promise').text(this.#promise());
    }

    #promise() {
      const alpha = Number(field('alphaPercent').val());
      const confidence = Number(field('confidencePercent').val());
      const count = Math.ceil(Math.log(1 - confidence / 100) / Math.log(1 - alpha / 100));
      if (!(count > 0 && isFinite(count))) return this.#text('label.promiseInvalid');
      const rejected = Math.floor((alpha / 100) * MANY + 1e-9);
      return this.#text('label.promise', { many: MANY.toLocaleString(), rejected, confidence, count });
    }
  };
})();
