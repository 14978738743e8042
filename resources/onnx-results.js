/*
 * What a model sees, in words: for reading and for those who do not see the picture. And which provider ran
 * which part of a graph.
 */
(function () {
  'use strict';
  const Jidoka = (window.Jidoka = window.Jidoka || {});

  const MAX_LINES = 20;
  const MAX_NUMBERS = 8;
  const MAX_OPERATORS = 6;

  function line(name, figure, share) {
    const bar = $('<span>', { class: 'jidoka-share' }).css('width', `${Math.round(100 * (share || 0))}%`);
    const item = $('<li>').append(
      $('<span>', { text: name }),
      $('<span>', { class: 'jidoka-value', text: figure }),
    );
    return share === undefined ? item : item.append(bar);
  }

  function numbers(values) {
    const shown = values.slice(0, MAX_NUMBERS).map((value) => Jidoka.numberText(value, 4));
    return shown.join('; ') + (values.length > MAX_NUMBERS ? ' …' : '');
  }

  /** One line for each thing the model says. */
  const READERS = {
    detect: ({ objects }) => objects.map(({ label, score }) => line(label, Jidoka.scoreText(score), score)),
    classify: ({ classes }) => classes.map(({ label, score }) => line(label, Jidoka.scoreText(score), score)),
    segment: ({ segments }, text) =>
      segments.map(({ label, share, area }) =>
        line(label, `${text('look.pixels', { count: Math.round(area) })} · ${Jidoka.percent(share)}`, share),
      ),
    regress: ({ values }) =>
      values.map(({ name, value, unit }) => line(name, [Jidoka.numberText(value, 6), unit].join(' '))),
    embed: ({ vector }, text) => [line(text('look.vector', { count: vector.length }), numbers(vector))],
    'anomaly-map': ({ score, boxes }, text) => [
      line(text('look.score'), Jidoka.numberText(score, 5)),
      ...(boxes || []).map((box, index) =>
        line(text('look.place', { index: index + 1 }), Jidoka.scoreText(box.score)),
      ),
    ],
    raw: ({ outputs }) =>
      Object.entries(outputs).map(([name, { dims, values }]) =>
        line(`${name} ${dims.join(' × ')}`, numbers(values)),
      ),
  };

  /** Fills a list with what a prediction says. */
  Jidoka.showPrediction = (list, prediction, text) => {
    const reader = READERS[prediction.task];
    const lines = reader ? reader(prediction, text) : [];
    list.empty().append(lines.slice(0, MAX_LINES));
    if (lines.length === 0) list.append($('<li>', { class: 'jidoka-nothing', text: text('look.nothing') }));
    if (lines.length > MAX_LINES) {
      list.append(
        $('<li>', { class: 'jidoka-nothing', text: text('look.more', { count: lines.length - MAX_LINES }) }),
      );
    }
  };

  /** Fills the body of a table with what each provider did of a run. */
  Jidoka.showShares = (body, shares) => {
    const total = shares.reduce((sum, { ms }) => sum + ms, 0);
    const rows = shares.map(({ provider, nodes, ms, operators }) => {
      const most = Object.entries(operators).sort(([, one], [, other]) => other - one);
      const named = most.slice(0, MAX_OPERATORS).map(([name, count]) => `${name} ${count}`);
      const cells = [
        provider,
        String(nodes),
        `${Jidoka.numberText(ms, 3)} ms`,
        total > 0 ? Jidoka.percent(ms / total) : '',
        named.join(', ') + (most.length > MAX_OPERATORS ? ' …' : ''),
      ];
      return $('<tr>').append(cells.map((text) => $('<td>', { text })));
    });
    body.empty().append(rows);
  };
})();
