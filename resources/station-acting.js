/*
 * What a person may do with a station in the side bar: arm, agree or withdraw, disarm, trip, reset. Each asks for a reason
 * first, which goes to the ledger with the name of who is signed in; what somebody may not do is not offered.
 */
(function () {
  'use strict';
  const Jidoka = (window.Jidoka = window.Jidoka || {});

  const text = (key, options) => RED._(`@jidoka/node-red/jidoka-editor:${key}`, options);

  /** What there is to do in each state, and the permission it takes. */
  const ACTIONS = {
    DISARMED: [
      ['arm', 'plc.arm'],
      ['trip', 'plc.disarm'],
    ],
    ARMING: [
      ['arm/approve', 'plc.approve'],
      ['arm/withdraw', 'plc.arm'],
    ],
    ARMED: [
      ['disarm', 'plc.disarm'],
      ['trip', 'plc.disarm'],
    ],
    TRIPPED: [['reset', 'plc.reset']],
    LOCKED_OUT: [],
  };
  /** As the routes of the station have it. */
  const REASON = { minlength: 3, maxlength: 200 };

  const labelOf = (verb) => text(`stations.act.${verb.replace('/', '-')}`);

  function button(label, attributes = {}) {
    return $('<button>', { type: 'button', class: 'red-ui-button red-ui-button-small', ...attributes }).text(
      label,
    );
  }

  function post(url, body) {
    return new Promise((resolve, reject) => {
      $.ajax({ url, method: 'POST', contentType: 'application/json', data: JSON.stringify(body) })
        .done(resolve)
        .fail((xhr) => reject(Jidoka.problemOf(xhr, text)));
    });
  }

  Jidoka.StationActing = class StationActing {
    element = $('<div>', { class: 'jidoka-acting' });
    #stationId;
    #onDone;
    #state = '';

    /** `onDone` is called with the arming that came of it. */
    constructor(stationId, onDone) {
      this.#stationId = stationId;
      this.#onDone = onDone;
    }

    /** Shows what can be done in this state. What somebody is typing stays until the state changes. */
    show(state) {
      if (state === this.#state) return;
      this.#state = state;
      this.#offer();
    }

    #offer() {
      const allowed = (ACTIONS[this.#state] || []).filter(([, permission]) =>
        RED.user.hasPermission(permission),
      );
      this.element
        .empty()
        .append(
          allowed.map(([verb]) =>
            button(labelOf(verb), { 'data-act': verb }).on('click', () => this.#ask(verb)),
          ),
        );
    }

    #ask(verb) {
      const reason = $('<input>', { type: 'text', ...REASON, required: true, name: 'reason' });
      const problem = $('<div>', { 'aria-live': 'polite' });
      const form = $('<form>').append(
        $('<label>').append($('<span>').text(text('stations.act.why')), reason),
        $('<div>').append(
          button(labelOf(verb), { type: 'submit' }).addClass('primary'),
          button(text('stations.act.cancel')).on('click', () => this.#offer()),
        ),
        problem,
      );
      form.on('submit', (event) => {
        event.preventDefault();
        void this.#act(verb, String(reason.val()).trim(), problem);
      });
      form.on('keydown', ({ key }) => {
        if (key === 'Escape') this.#offer();
      });
      this.element.empty().append(form);
      reason.trigger('focus');
    }

    async #act(verb, reason, problem) {
      try {
        const arming = await post(`jidoka/stations/${encodeURIComponent(this.#stationId)}/${verb}`, {
          reason,
        });
        this.#offer();
        this.#onDone(arming);
      } catch (refusal) {
        problem.empty().append(Jidoka.problemElement(refusal));
      }
    }
  };
})();
