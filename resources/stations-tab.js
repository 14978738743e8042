/*
 * The side-bar tab “Stations”: what each deployed station is doing, live while the tab is shown, with its last
 * parts, a way to its nodes, its alarms (station-alarms.js), and what a person may do with it (station-acting.js).
 */
(function () {
  'use strict';
  const Jidoka = (window.Jidoka = window.Jidoka || {});
  const EVERY_MS = 2000;
  const MAX_THUMBNAILS = 6;

  const text = (key, options) => RED._(`@jidoka/node-red/jidoka-editor:${key}`, options);

  function get(url, xhrFields) {
    return new Promise((resolve, reject) => {
      $.ajax({ url, cache: false, ...(xhrFields ? { xhrFields } : { dataType: 'json' }) })
        .done(resolve)
        .fail((xhr) => reject(Jidoka.problemOf(xhr, text)));
    });
  }

  function link(label, onClick) {
    return $('<button>', { type: 'button', class: 'red-ui-button red-ui-button-small' })
      .text(label)
      .on('click', onClick);
  }

  function nodesOf(stationId) {
    const found = [];
    RED.nodes.eachNode((node) => {
      if (node.station === stationId) found.push(node);
    });
    return found;
  }

  function lamp(arming, mode) {
    if (arming.state === 'TRIPPED' || mode === 'STOPPED') return 'bad';
    if (arming.state === 'ARMED') return mode === 'NORMAL' ? 'good' : 'doubt';
    return 'off';
  }

  function armingText({ state, actor, reason, leaseMs }) {
    const known = text(`stations.state.${state}`);
    const left = leaseMs === null || leaseMs === undefined ? '' : ` · ${leaseText(leaseMs)}`;
    return { head: `${known}${left}`, why: reason ? `${actor}: ${reason}` : '' };
  }

  function leaseText(ms) {
    const minutes = Math.max(0, Math.round(ms / 60000));
    return text('stations.lease', {
      time: `${Math.floor(minutes / 60)}:${String(minutes % 60).padStart(2, '0')}`,
    });
  }

  /** One station; it keeps its elements, so that nothing jumps under the pointer. */
  class StationCard {
    element = $('<section>', { class: 'jidoka-station' });
    #id;
    #head = $('<h4>');
    #lamp = $('<span>', { class: 'jidoka-lamp', role: 'img' });
    #arming = $('<p>', { class: 'jidoka-arming' });
    #acting;
    #alarms;
    #counts = $('<dl>');
    #concerns = $('<ul>', { class: 'jidoka-concerns' });
    #pictures = $('<div>', { class: 'jidoka-thumbnails' });
    #nodes = $('<div>', { class: 'jidoka-links' });
    #shown = '';
    #summary;

    constructor(id) {
      this.#id = id;
      this.#acting = new Jidoka.StationActing(
        id,
        () => void this.refresh(this.#summary).catch((problem) => this.fail(problem)),
      );
      this.#alarms = new Jidoka.StationAlarms(id);
      this.element.append(
        this.#head,
        this.#arming,
        this.#acting.element,
        this.#alarms.element,
        this.#concerns,
        this.#counts,
        this.#pictures,
        this.#nodes,
      );
    }

    async refresh(summary) {
      this.#summary = summary;
      const details = await get(`jidoka/stations/${encodeURIComponent(this.#id)}`);
      this.#draw({ ...summary, ...details });
      await this.#alarms.refresh();
      await this.#drawPictures();
    }

    fail({ code, message }) {
      this.#concerns.empty().append($('<li>').text(`${code}: ${message}`));
    }

    #draw({ name, line, mode, arming, counts, concerns = [] }) {
      const { head, why } = armingText(arming);
      this.#acting.show(arming.state);
      this.#lamp.attr({ 'data-lamp': lamp(arming, mode), 'aria-label': head });
      this.#head.empty().append(
        this.#lamp,
        link(name, () => RED.editor.editConfig('', 'inspection-station', this.#id)),
      );
      if (line) this.#head.append($('<small>').text(line));
      this.#arming
        .empty()
        .append($('<strong>').text(`${head} · ${text(`stations.mode.${mode}`)}`), $('<span>').text(why));
      this.#concerns
        .empty()
        .append(concerns.map(({ code, message }) => $('<li>').text(`${code}: ${message}`)));
      const { accept, review, reject } = counts;
      const { waiting, dead } = counts.outbox;
      const rows = { accept, review, reject, unknown: counts.commands.unknown, waiting, dead };
      this.#counts
        .empty()
        .append(
          Object.entries(rows).map(([key, count]) =>
            $('<div>', { 'data-count': key }).append(
              $('<dt>').text(text(`stations.count.${key}`)),
              $('<dd>').text(count.toLocaleString(RED.i18n.lang())),
            ),
          ),
        );
      const nodes = nodesOf(this.#id);
      this.#nodes
        .empty()
        .append(nodes.map((node) => link(RED.utils.getNodeLabel(node), () => RED.view.reveal(node.id))));
    }

    async #drawPictures() {
      const scores = nodesOf(this.#id).filter(({ type }) => type === 'anomaly-score');
      const states = await Promise.all(
        scores.map(async ({ id }) => ({
          id,
          ...(await get(`jidoka/anomaly/${encodeURIComponent(id)}/state`)),
        })),
      );
      const parts = states
        .flatMap(({ id, recent = [] }) => recent.map((part) => ({ ...part, node: id })))
        .sort((one, other) => (one.at < other.at ? 1 : -1))
        .slice(0, MAX_THUMBNAILS);
      const key = parts.map(({ partId, at }) => `${partId} ${at}`).join('\n');
      if (key === this.#shown) return;
      this.#shown = key;
      this.#pictures.empty();
      for (const { node, partId, score, suspicious } of parts) {
        const title = `${partId} · ${Jidoka.numberText(score, 3)}`;
        const image = $('<img>', { alt: title, title, class: suspicious ? 'jidoka-suspicious' : '' });
        image.on('click', () => RED.view.reveal(node));
        this.#pictures.append(image);
        const url = `jidoka/anomaly/${encodeURIComponent(node)}/recent/${encodeURIComponent(partId)}/frame`;
        get(url, { responseType: 'blob' }).then(
          (blob) => {
            const source = URL.createObjectURL(blob);
            image.one('load error', () => URL.revokeObjectURL(source)).attr('src', source);
          },
          () => image.remove(),
        );
      }
    }
  }

  class StationsTab {
    content = $('<div>', { class: 'jidoka-stations' });
    #notice = $('<div>', { class: 'jidoka-stations-notice' });
    #list = $('<div>');
    #cards = new Map();
    #timer;
    #isShown = false;

    constructor() {
      this.content.append(this.#notice, this.#list);
    }

    show() {
      if (this.#isShown) return;
      this.#isShown = true;
      void this.#refresh();
    }

    hide() {
      this.#isShown = false;
      clearTimeout(this.#timer);
    }

    async #refresh() {
      clearTimeout(this.#timer);
      try {
        const stations = await get('jidoka/stations');
        this.#notice.empty();
        if (stations.length === 0) this.#notice.append($('<p>').text(text('stations.none')));
        this.#keepOnly(stations.map(({ id }) => id));
        await Promise.all(stations.map((station) => this.#refreshOne(station)));
      } catch (problem) {
        this.#keepOnly([]);
        this.#notice.empty().append(Jidoka.problemElement(problem));
      }
      if (this.#isShown) this.#timer = setTimeout(() => void this.#refresh(), EVERY_MS);
    }

    #keepOnly(ids) {
      for (const [id, card] of this.#cards) {
        if (ids.includes(id)) continue;
        card.element.remove();
        this.#cards.delete(id);
      }
    }

    async #refreshOne(summary) {
      const { id } = summary;
      if (!this.#cards.has(id)) {
        this.#cards.set(id, new StationCard(id));
        this.#list.append(this.#cards.get(id).element);
      }
      const card = this.#cards.get(id);
      await card.refresh(summary).catch((problem) => card.fail(problem));
    }
  }

  Jidoka.addStationsTab = () => {
    const tab = new StationsTab();
    RED.sidebar.addTab({
      id: 'jidoka-stations',
      label: text('stations.tab'),
      name: text('stations.tab'),
      iconClass: 'fa fa-industry',
      content: tab.content,
      enableOnEdit: true,
      action: 'jidoka:show-stations-tab',
      onchange: () => tab.show(),
      onremove: () => tab.hide(),
    });
    RED.actions.add('jidoka:show-stations-tab', () => RED.sidebar.show('jidoka-stations'), {
      label: text('stations.show'),
    });
    // Nothing is asked while nobody looks.
    new window.IntersectionObserver((entries) => {
      if (entries.at(-1).isIntersecting) tab.show();
      else tab.hide();
    }).observe(tab.content[0]);
  };
})();
