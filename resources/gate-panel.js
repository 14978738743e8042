/*
 * What a running tolerance-gate knows, in its dialog: the countdown to the budget, the good scores with the
 * limits and the last parts, how many good parts it really rejects, and how much people are asked.
 * Every text out of the runtime is set as text.
 */
(function () {
  'use strict';
  const Jidoka = (window.Jidoka = window.Jidoka || {});

  const POLL_MS = 2000;
  const SVG = 'http://www.w3.org/2000/svg';
  /** Of the drawing, in its own units. */
  const [WIDTH, HEIGHT, DOTS] = [480, 96, 22];
  const AMBER = ['over', 'under', 'void'];

  function percent(share, digits = 2) {
    return `${Number((share * 100).toPrecision(digits))} %`;
  }

  function number(value) {
    return Number(Number(value).toPrecision(4)).toString();
  }

  function svg(name, attributes) {
    const element = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, String(value));
    return element;
  }

  /** Wide enough for the good scores, the limits and most of the last parts. */
  function rangeOf({ histogram, limits, recent }) {
    const marks = limits ? [limits.reject, limits.review] : [];
    const scores = recent.map(({ score }) => score).filter((score) => score !== null);
    const all = [...(histogram ? [histogram.from, histogram.to] : []), ...marks];
    const shown = all.length > 0 ? all : scores;
    const [low, high] = [Math.min(...shown), Math.max(...shown)];
    const margin = (high - low || Math.abs(high) || 1) * 0.25;
    return [low - margin, high + margin];
  }

  Jidoka.GatePanel = class GatePanel {
    #root;
    #text;
    #id;
    #timer;
    #isClosed = false;

    /** `id` of the deployed node; `text` gives the text of a key of its catalogue. */
    constructor({ root, text, id }) {
      this.#root = root;
      this.#text = text;
      this.#id = id;
      this.#ask();
    }

    close() {
      this.#isClosed = true;
      clearTimeout(this.#timer);
    }

    #ask() {
      $.getJSON(`jidoka/gates/${encodeURIComponent(this.#id)}`)
        .done((gate) => {
          if (!this.#isClosed) this.#show(gate);
        })
        .fail((xhr) => {
          if (!this.#isClosed) this.#problem(xhr);
        })
        .always(() => {
          if (!this.#isClosed) this.#timer = setTimeout(() => this.#ask(), POLL_MS);
        });
    }

    #problem(xhr) {
      if (xhr.status === 404) {
        this.#put('empty', $('<p>', { text: this.#text('panel.notDeployed') }));
        return;
      }
      const { code, message, hint } = Jidoka.problemOf(xhr, this.#text);
      const lines = [code, message, hint].filter(Boolean).map((line, index) => {
        return $(index === 0 ? '<strong>' : '<span>', { text: line });
      });
      this.#put('failed', $('<div>', { class: 'jidoka-problem', role: 'alert' }).append(lines));
    }

    #show(gate) {
      const state = this.#stateOf(gate);
      const rows = [
        this.#budget(gate),
        this.#realised(gate),
        this.#missed(gate),
        this.#capacity(gate),
        this.#settings(gate),
      ];
      const shown = [this.#headline(gate, state)];
      if (gate.histogram || gate.recent.some(({ score }) => score !== null)) shown.push(this.#drawing(gate));
      else if (gate.recent.length === 0) shown.push($('<p>', { text: this.#text('panel.noParts') }));
      if (gate.recent.length > 0) shown.push(this.#last(gate));
      shown.push($('<dl>').append(rows.filter(Boolean).flat()));
      this.#put(state, shown);
    }

    #stateOf({ kind, limits, realised, capacity }) {
      if (kind === 'budget' && !limits) return 'empty';
      if (limits && limits.advise) return 'advise';
      const isAmber = (realised && AMBER.includes(realised.state)) || (capacity && capacity.isOver);
      return isAmber ? 'amber' : 'ready';
    }

    /** One sentence, and a bar while good parts are missing. */
    #headline({ kind, goodParts, needed, missing, limits }, state) {
      const key = state === 'ready' && kind !== 'budget' ? 'panel.byRule' : `panel.state.${state}`;
      const values = { count: missing, needed, goodParts, calibration: (limits && limits.calibration) || '' };
      const line = $('<p>', { class: 'jidoka-title', text: this.#text(key, values) });
      if (state !== 'advise') return line;
      const bar = $('<progress>', { max: needed, value: goodParts, 'aria-label': line.text() });
      return $('<div>').append(line, bar);
    }

    #drawing(gate) {
      const { histogram, limits, recent } = gate;
      const [low, high] = rangeOf(gate);
      const x = (value) => Math.min(WIDTH, Math.max(0, ((value - low) / (high - low)) * WIDTH));
      const picture = svg('svg', {
        viewBox: `0 0 ${WIDTH} ${HEIGHT + DOTS}`,
        role: 'img',
        'aria-label': this.#described(gate),
      });
      if (histogram) {
        const most = Math.max(...histogram.counts);
        const width = (histogram.to - histogram.from) / histogram.counts.length;
        histogram.counts.forEach((count, bar) => {
          const [left, tall] = [x(histogram.from + bar * width), (count / most) * (HEIGHT - 4)];
          const right = width === 0 ? left + 4 : x(histogram.from + (bar + 1) * width);
          const box = { x: left, y: HEIGHT - tall, width: Math.max(1, right - left - 1), height: tall };
          picture.append(svg('rect', { class: 'jidoka-bar', ...box }));
        });
      }
      picture.append(svg('line', { class: 'jidoka-axis', x1: 0, x2: WIDTH, y1: HEIGHT, y2: HEIGHT }));
      const marks = limits
        ? [
            ['review', limits.review],
            ['reject', limits.reject],
          ]
        : [];
      for (const [name, value] of marks) {
        if (name === 'review' && limits.review === limits.reject) continue;
        const [x1, x2] = [x(value), x(value)];
        picture.append(
          svg('line', { class: `jidoka-limit jidoka-${name}`, x1, x2, y1: 0, y2: HEIGHT + DOTS }),
        );
      }
      recent.forEach(({ score, decision }, index) => {
        if (score === null) return;
        // The newest one stands out.
        const r = index === recent.length - 1 ? 5 : 3;
        picture.append(
          svg('circle', { class: `jidoka-${decision}`, cx: x(score), cy: HEIGHT + DOTS / 2, r }),
        );
      });
      const legend = ['good', 'accept', 'review', 'reject'].map((name) => {
        return $('<span>').append(
          $('<i>', { class: `jidoka-key jidoka-${name}` }),
          this.#text(`panel.key.${name}`),
        );
      });
      return $('<div>', { class: 'jidoka-scores' }).append(picture, $('<p>').append(legend));
    }

    /** The drawing for those who do not see it. */
    #described({ goodParts, limits, recent }) {
      const count = (decision) => recent.filter((part) => part.decision === decision).length;
      return this.#text('panel.described', {
        goodParts,
        reject: limits ? number(limits.reject) : '–',
        accept: count('accept'),
        review: count('review'),
        rejected: count('reject'),
      });
    }

    #last({ recent }) {
      const { score, decision, reason } = recent[recent.length - 1];
      const values = {
        decision: this.#text(`label.${decision}`),
        score: score === null ? '–' : number(score),
        reason,
      };
      return $('<p>', { class: 'jidoka-last', text: this.#text('panel.last', values) });
    }

    #budget({ kind, goodParts, limits, tolerance }) {
      if (kind !== 'budget' && kind !== 'fixed') return undefined;
      if (!limits) return undefined;
      const values = { reject: number(limits.reject), review: number(limits.review), goodParts };
      const lines = [this.#text(limits.review === limits.reject ? 'panel.limit' : 'panel.limits', values)];
      if (tolerance.threshold !== null) {
        lines.push(this.#text('panel.movable', { min: number(tolerance.min), max: number(tolerance.max) }));
      }
      return this.#row('panel.threshold', ...lines);
    }

    #realised({ realised, settings, concerns }) {
      if (!realised) return undefined;
      const { state, lower, upper, falseRejects, good, unlabelled } = realised;
      const sure = percent(1 - settings.settings.delta, 3);
      const mark = $('<strong>', {
        class: AMBER.includes(state) ? 'jidoka-amber' : state === 'kept' ? 'jidoka-green' : '',
        text: this.#text(`panel.realised.${state}`, { alpha: percent(settings.settings.alpha) }),
      });
      const interval = { lower: percent(lower), upper: percent(upper), sure };
      return this.#row(
        'panel.realisedRate',
        mark,
        ...concerns.map(({ code, message }) => `${code}: ${message}`),
        this.#text('panel.interval', interval),
        this.#text('panel.counted', { falseRejects, good, unlabelled }),
      );
    }

    #missed({ realised, settings }) {
      if (!realised || !realised.missed) return undefined;
      const { missed, defects, bound } = realised.missed;
      const sure = percent(1 - settings.settings.delta, 3);
      return this.#row(
        'panel.missed',
        this.#text('panel.missedBound', { missed, defects, bound: percent(bound), sure }),
      );
    }

    #capacity({ capacity, settings }) {
      if (!capacity) return undefined;
      const { reviewsInHour, isOver, partsPerHour, band } = capacity;
      const { reviewsPerHour } = settings.settings;
      const asked = $('<span>', {
        class: isOver ? 'jidoka-amber' : '',
        text: this.#text('panel.reviews', { count: reviewsInHour, most: reviewsPerHour }),
      });
      const key = band.version === 0 ? 'panel.bandClosed' : 'panel.band';
      const values = { share: percent(band.share), version: band.version, rate: band.partsPerHour };
      const now =
        partsPerHour === null ? undefined : this.#text('panel.rate', { rate: Math.round(partsPerHour) });
      return this.#row('panel.capacity', asked, this.#text(key, values), now);
    }

    #settings({ settings: { version, actor, reason, at } }) {
      const values = { version, actor, reason, at: new Date(at).toLocaleString() };
      const key = actor === 'system' ? 'panel.deployed' : 'panel.changed';
      return this.#row('panel.settings', this.#text(key, values));
    }

    #row(key, ...values) {
      const content = values.filter(Boolean).map((value) => {
        return typeof value === 'string' ? $('<div>', { text: value }) : $('<div>').append(value);
      });
      return [$('<dt>', { text: this.#text(key) }), $('<dd>').append(content)];
    }

    #put(state, content) {
      this.#root.attr('data-state', state).empty().append(content);
    }
  };
})();
