/* Scores of good parts and known defects as a chart, with the thresholds of the usual budgets. */
(function () {
  'use strict';
  const Jidoka = (window.Jidoka = window.Jidoka || {});

  const SVG = 'http://www.w3.org/2000/svg';
  const WIDTH = 560;
  const HEIGHT = 150;
  const FOOT = 18;
  const HEAD = 16;

  function shape(name, attributes, text) {
    const element = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, String(value));
    if (text !== undefined) element.textContent = text;
    return element;
  }

  /** `thresholds` are those that are known; `text` gives the texts of the catalogue. */
  Jidoka.scoreChart = ({ histogram, thresholds }, text) => {
    const { good, defects } = histogram;
    const known = thresholds.filter(({ threshold }) => threshold !== null);
    const from = histogram.from;
    const to = Math.max(histogram.to, ...known.map(({ threshold }) => threshold));
    const span = to - from || 1;
    const at = (score) => ((score - from) / span) * (WIDTH - 20) + 10;
    const highest = Math.max(1, ...good, ...defects);
    const tall = (count) => (count / highest) * (HEIGHT - FOOT - HEAD);
    const binWidth = (histogram.to - histogram.from) / good.length;
    const svg = shape('svg', {
      class: 'jidoka-chart',
      viewBox: `0 0 ${WIDTH} ${HEIGHT}`,
      role: 'img',
      'aria-label': text('chart.label', {
        good: good.reduce((sum, count) => sum + count, 0),
        defects: defects.reduce((sum, count) => sum + count, 0),
      }),
    });
    for (const [kind, counts] of [
      ['good', good],
      ['defects', defects],
    ]) {
      counts.forEach((count, bin) => {
        if (count === 0) return;
        const x = at(from + bin * binWidth);
        const width = Math.max(2, at(from + (bin + 1) * binWidth) - x - 1);
        svg.append(
          shape('rect', {
            class: `jidoka-${kind}`,
            x,
            y: HEIGHT - FOOT - tall(count),
            width,
            height: tall(count),
          }),
        );
      });
    }
    let free = -Infinity;
    for (const { alpha, threshold } of [...known].sort((one, other) => one.threshold - other.threshold)) {
      const x = at(threshold);
      svg.append(shape('line', { x1: x, x2: x, y1: HEAD, y2: HEIGHT - FOOT }));
      // Budgets that lie on one another are told in the table.
      if (x - free < 36) continue;
      free = x;
      const anchor = x > WIDTH - 30 ? 'end' : 'middle';
      svg.append(shape('text', { x, y: HEAD - 4, 'text-anchor': anchor }, Jidoka.percent(alpha)));
    }
    svg.append(
      shape('text', { x: 10, y: HEIGHT - 4 }, Jidoka.numberText(from, 3)),
      shape('text', { x: WIDTH - 10, y: HEIGHT - 4, 'text-anchor': 'end' }, Jidoka.numberText(to, 3)),
    );
    return svg;
  };
})();
