/*
 * Health of the live picture in the dialog of camera-capture: a bar for each measure, with the band
 * in which a good picture lies once a baseline is there.
 */
(function () {
  'use strict';
  const Jidoka = (window.Jidoka = window.Jidoka || {});

  /** How much of the bar the band takes: enough is left on both sides to see how far out a value is. */
  const BAND_SHARE = 0.5;

  /** Shares, shown in percent, and where they end. */
  const SHARES = {
    brightness: [0, 1],
    contrast: [0, 0.5],
    clippedDark: [0, 1],
    clippedBright: [0, 1],
    castBlue: [-0.5, 0.5],
    castRed: [-0.5, 0.5],
  };

  function shown(name, value) {
    if (name in SHARES) return `${(value * 100).toFixed(1)} %`;
    if (name.startsWith('shift')) return `${value.toFixed(1)} px`;
    return Math.abs(value) >= 10 ? value.toFixed(0) : value.toFixed(2);
  }

  /** The range of a bar: around the band, or all there can be, or somewhat more than was seen. */
  function rangeOf(name, band, seen) {
    if (!band) return SHARES[name] || [0, Math.max(seen * 1.25, 1e-9)];
    const [low, high] = band;
    const width = Math.max(high - low, Math.abs(high) * 0.05, 1e-9) / BAND_SHARE;
    const middle = (low + high) / 2;
    return [middle - width / 2, middle + width / 2];
  }

  /** An open end of a band is null. */
  function closed(band, value) {
    if (!band) return undefined;
    const [low, high] = band;
    return [low ?? Math.min(value, 0, high ?? 0), high ?? Math.max(value, 2 * Math.abs(low ?? 1))];
  }

  Jidoka.HealthBars = class HealthBars {
    #root;
    #findings;
    #text;
    /** The largest value of each measure so far. */
    #seen = {};

    constructor({ root, findings, text }) {
      this.#root = root;
      this.#findings = findings;
      this.#text = text;
    }

    /**
     * @param measures `[{ name, value, band?: [low, high], isOut }]`, in the order they are shown
     * @param findings codes of what is wrong
     */
    show(measures = [], findings = []) {
      this.#root.empty();
      const said = findings.map((finding) => this.#text(`status.${finding}`)).join(', ');
      this.#findings.text(said && this.#text('health.findings', { findings: said }));
      for (const { name, value, band: ends, isOut: out } of measures) {
        const band = closed(ends, value);
        this.#seen[name] = Math.max(this.#seen[name] || 0, Math.abs(value));
        const [from, to] = rangeOf(name, band, this.#seen[name]);
        const at = (x) => `${Math.min(100, Math.max(0, ((x - from) / (to - from)) * 100))}%`;
        $('<span>', { text: this.#text(`health.${name}`) })
          .toggleClass('jidoka-out', out)
          .appendTo(this.#root);
        const track = $('<span>', {
          class: 'jidoka-track',
          role: 'img',
          'aria-label': this.#label(name, value, band),
        }).appendTo(this.#root);
        if (band) {
          const width = Math.max(1, ((band[1] - band[0]) / (to - from)) * 100);
          $('<span>', { class: 'jidoka-band' })
            .css({ left: at(band[0]), width: `${width}%` })
            .appendTo(track);
        }
        $('<span>', { class: 'jidoka-needle' })
          .toggleClass('jidoka-out', out)
          .css('left', at(value))
          .appendTo(track);
        $('<span>', { class: 'jidoka-value', text: shown(name, value) })
          .toggleClass('jidoka-out', out)
          .appendTo(this.#root);
      }
    }

    #label(name, value, band) {
      const measure = this.#text(`health.${name}`);
      if (!band) return `${measure}: ${shown(name, value)}`;
      return this.#text('health.within', {
        measure,
        value: shown(name, value),
        low: shown(name, band[0]),
        high: shown(name, band[1]),
      });
    }
  };
})();
