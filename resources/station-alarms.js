/*
 * The alarms of a station in the side bar: what is so, where, what to do, who has seen it, and a way to acknowledge
 * or shelve it for somebody who may. What hides behind another alarm or was put aside is only counted here; the
 * alarms page of the dashboard has it all.
 */
(function () {
  'use strict';
  const Jidoka = (window.Jidoka = window.Jidoka || {});
  const PERMISSION = 'station.alarms';
  const HIDDEN = ['shelved', 'suppressed', 'out-of-service'];
  const NEEDS_EYES = ['unacknowledged', 'returned', 'latched'];
  const MINUTES = [5, 15, 30, 60, 120, 240, 480];
  /** As the routes of the station have it. */
  const REASON = { minlength: 3, maxlength: 200 };

  const text = (key, options) => RED._(`@jidoka/node-red/jidoka-editor:${key}`, options);

  function request(url, options = {}) {
    return new Promise((resolve, reject) => {
      $.ajax({ url, cache: false, dataType: 'json', ...options })
        .done(resolve)
        .fail((xhr) => reject(Jidoka.problemOf(xhr, text)));
    });
  }

  function post(url, body) {
    return request(url, { method: 'POST', contentType: 'application/json', data: JSON.stringify(body) });
  }

  function button(label, attributes = {}) {
    return $('<button>', { type: 'button', class: 'red-ui-button red-ui-button-small', ...attributes }).text(
      label,
    );
  }

  function timeText(at) {
    return new Date(at).toLocaleTimeString(RED.i18n.lang());
  }

  /** The node that raised it, where it is deployed here; else its name. */
  function sourceElement({ id, name }) {
    const node = RED.nodes.node(id);
    if (!node) return $('<span>').text(name);
    const show = () => {
      if (node.z) RED.view.reveal(id);
      else RED.editor.editConfig('', node.type, id);
    };
    return button(name).on('click', show);
  }

  Jidoka.StationAlarms = class StationAlarms {
    element = $('<div>', { class: 'jidoka-alarms' });
    #list = $('<ul>');
    #aside = $('<p>');
    #problem = $('<div>', { 'aria-live': 'polite' });
    #url;
    #shown = '';
    /** Key of the alarm somebody is about to shelve. */
    #asking = null;

    constructor(stationId) {
      this.#url = `jidoka/stations/${encodeURIComponent(stationId)}/alarms`;
      this.element.append(this.#list, this.#aside, this.#problem);
    }

    async refresh() {
      const { summary, alarms } = await request(
        `${this.#url}?language=${encodeURIComponent(RED.i18n.lang())}`,
      );
      const hidden = alarms.filter(({ state }) => HIDDEN.includes(state));
      const open = alarms.filter(({ state, inFlood }) => !HIDDEN.includes(state) && !inFlood);
      // What somebody is typing stays, and nothing jumps under the pointer.
      const key = JSON.stringify([open, hidden.length, summary.inFlood]);
      if (key === this.#shown || open.some((alarm) => alarm.key === this.#asking)) return;
      this.#shown = key;
      this.#asking = null;
      this.#list.empty().append(open.map((alarm) => this.#item(alarm)));
      const parts = [
        summary.inFlood > 0 ? text('stations.alarms.flood', { number: summary.inFlood }) : '',
        hidden.length > 0 ? text('stations.alarms.aside', { number: hidden.length }) : '',
      ];
      this.#aside.text(parts.filter((part) => part !== '').join(' · '));
    }

    #item(alarm) {
      const { priority, state, title, message, source, raisedAt, count, acknowledged, cause, action } = alarm;
      const when = count > 1 ? `${timeText(raisedAt)} · ${count}×` : timeText(raisedAt);
      const seen = acknowledged
        ? text('stations.alarms.seenBy', { name: acknowledged.actor, time: timeText(acknowledged.at) })
        : '';
      const item = $('<li>', { 'data-alarm': alarm.code, 'data-state': state, 'data-priority': priority });
      return item.append(
        $('<div>', { class: 'jidoka-alarm-head' }).append(
          $('<span>', { class: 'jidoka-priority' }).text(text(`stations.alarms.priority.${priority}`)),
          $('<strong>').text(title),
          $('<small>').text(text(`stations.alarms.state.${state}`)),
        ),
        $('<div>').text(message),
        $('<div>', { class: 'jidoka-alarm-where' }).append(
          sourceElement(source),
          $('<small>').text([when, seen].filter((part) => part !== '').join(' · ')),
        ),
        $('<details>').append(
          $('<summary>').text(text('stations.alarms.help')),
          $('<p>').text(cause),
          $('<p>').append($('<strong>').text(action)),
        ),
        this.#offered(alarm),
      );
    }

    #offered(alarm) {
      const place = $('<div>', { class: 'jidoka-alarm-acting' });
      if (!RED.user.hasPermission(PERMISSION)) return place;
      if (NEEDS_EYES.includes(alarm.state)) {
        place.append(
          button(text('stations.alarms.acknowledge'), { 'data-act': 'acknowledge' }).on('click', () =>
            this.#act(alarm, 'acknowledge', {}),
          ),
        );
      }
      return place.append(
        button(text('stations.alarms.shelve'), { 'data-act': 'shelve' }).on('click', () =>
          this.#ask(alarm, place),
        ),
      );
    }

    #ask(alarm, place) {
      this.#asking = alarm.key;
      const choices = MINUTES.filter((minutes) => minutes <= alarm.shelveMinutes);
      const minutes = $('<select>', { name: 'minutes' }).append(
        choices.map((value) =>
          $('<option>', { value }).text(text('stations.alarms.minutes', { minutes: value })),
        ),
      );
      const reason = $('<input>', { type: 'text', ...REASON, required: true, name: 'reason' });
      const end = () => {
        this.#asking = null;
        place.replaceWith(this.#offered(alarm));
      };
      const form = $('<form>').append(
        $('<label>').append($('<span>').text(text('stations.alarms.for')), minutes),
        $('<label>').append($('<span>').text(text('stations.act.why')), reason),
        button(text('stations.alarms.shelve'), { type: 'submit' }).addClass('primary'),
        button(text('stations.act.cancel')).on('click', end),
      );
      form.on('submit', (event) => {
        event.preventDefault();
        const body = { minutes: Number(minutes.val()), reason: String(reason.val()).trim() };
        void this.#act(alarm, 'shelve', body);
      });
      form.on('keydown', ({ key }) => {
        if (key === 'Escape') end();
      });
      place.empty().append(form);
      minutes.trigger('focus');
    }

    async #act({ key }, verb, body) {
      this.#problem.empty();
      try {
        await post(`${this.#url}/${encodeURIComponent(key)}/${verb}`, body);
        this.#asking = null;
        await this.refresh();
      } catch (refusal) {
        this.#problem.append(Jidoka.problemElement(refusal));
      }
    }
  };
})();
