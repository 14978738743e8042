/*
 * The picker of tags: a tray with what the PLC offers on top, the tag that is looked at below with its value now, and
 * what taking it would write into the fields. Nothing is written to the PLC.
 */
(function () {
  'use strict';
  const Jidoka = (window.Jidoka = window.Jidoka || {});

  const VALUE_MS = 1000;
  const SEARCH_MS = 300;
  const S7_TYPES = ['X', 'INT', 'UINT', 'DINT', 'UDINT', 'REAL', 'LREAL', 'SINT', 'BYTE', 'WORD', 'DWORD'];

  const text = (key, values) => RED._(`@jidoka/node-red/plc-endpoint:plc-endpoint.${key}`, values);
  Jidoka.browseText = text;

  /**
   * Opens the picker. `settings` are those of the endpoint; `tag` is what the field holds now; `plan` says what taking
   * an entry would change: [{label, from, to, apply}], a line that is no change has a `note`; `planBlock` the same for the
   * tags of a command block, where the dialog has fields for them.
   */
  Jidoka.pickTag = (options) => {
    let picker;
    // Not over the dialog but in its place: one thing to look at, and the keys of the tree are nobody else's.
    RED.tray.show({
      title: text('browse.title'),
      width: 720,
      buttons: [
        { id: 'node-dialog-cancel', text: RED._('common.label.cancel'), click: () => RED.tray.close() },
        { id: 'node-dialog-ok', text: text('browse.take'), class: 'primary', click: () => picker.take() },
      ],
      open: (tray) => {
        picker = new Picker(tray, options);
      },
      close: () => picker.close(),
      focusElement: false,
      show: () => picker.begin(),
    });
  };

  class Picker {
    #options;
    #protocol;
    #session;
    #tree;
    #view = {};
    #entry;
    #plan = [];
    #timer;
    #isBusy = false;
    #searching;
    #isTaken = false;

    constructor(tray, options) {
      this.#options = options;
      this.#protocol = options.settings.protocol;
      this.#session = new Jidoka.BrowseSession(options.settings, text);
      const body = tray.find('.red-ui-tray-body');
      const root = $('<form>', { class: 'dialog-form form-horizontal jidoka-dialog jidoka-browse' }).appendTo(
        body,
      );
      root.on('submit', (event) => event.preventDefault());
      this.#view.take = tray.find('#node-dialog-ok');
      this.#tools().appendTo(root);
      this.#view.status = $('<p>', { class: 'jidoka-hint jidoka-browse-status', role: 'status' }).appendTo(
        root,
      );
      this.#view.tree = $('<ul>', { class: 'jidoka-tree' }).appendTo(root);
      this.#view.facts = $('<div>', {
        class: 'jidoka-card jidoka-browse-facts',
        'aria-live': 'off',
      }).appendTo(root);
      this.#view.plan = $('<div>', { class: 'jidoka-browse-plan' }).appendTo(root);
      this.#tree = new Jidoka.TagTree({
        root: this.#view.tree,
        load: (node, from) => this.#session.get('children', { ...(node && { node }), from }),
        chosen: (entry) => this.#choose(entry),
        taken: (entry) => {
          this.#choose(entry);
          this.take();
        },
        text,
      });
      this.#choose(undefined);
    }

    begin() {
      this.#timer = window.setInterval(() => this.#refresh(), VALUE_MS);
      const { tag } = this.#options;
      this.#view.first.trigger('focus');
      if (this.#protocol === 's7') {
        this.#view.tree.hide();
        this.#view.status.text(text('browse.s7'));
      } else if (this.#protocol === 'modbus') void this.#top();
      else
        void this.#top().then(() => {
          // Whoever types a search already is left alone.
          if (this.#view.first.val() === '') this.#tree.focus();
        });
      if (tag) void this.#look(tag);
    }

    close() {
      window.clearInterval(this.#timer);
      clearTimeout(this.#searching);
      this.#session.close();
    }

    take() {
      if (this.#isTaken || this.#plan.length === 0) return;
      this.#isTaken = true;
      for (const { apply } of this.#plan) if (apply) apply();
      RED.tray.close(() => this.#options.input?.trigger('focus'));
    }

    #tools() {
      const bar = $('<div>', { class: 'jidoka-bar' });
      const labelled = (key, input) =>
        $('<label>', { class: 'jidoka-tool' })
          .append($('<span>', { text: text(`browse.${key}`) }), input)
          .appendTo(bar);
      const number = (value, max) =>
        $('<input>', { type: 'number', class: 'jidoka-number', min: 0, max, value });
      const choice = (values, name) =>
        $('<select>').append(
          values.map((value) => $('<option>', { value, text: name ? name(value) : value })),
        );
      const button = (key, act) =>
        $('<button>', { type: 'button', class: 'red-ui-button', text: text(`browse.${key}`) })
          .on('click', act)
          .appendTo(bar);
      if (this.#protocol === 'modbus') {
        const areas = ['holding', 'input', 'coil', 'discrete'];
        const [area, start, count] = [
          choice(areas, (each) => text(`browse.area.${each}`)),
          number(0, 65535),
          number(20, 124),
        ];
        this.#view.first = area;
        labelled('areaLabel', area);
        labelled('start', start);
        labelled('count', count);
        this.#view.range = () => `${area.val()}:${start.val()}+${count.val()}`;
        button('read', () => this.#top().then(() => this.#tree.focus()));
      } else if (this.#protocol === 's7') {
        const area = choice(['DB', 'M', 'I', 'Q']);
        const [block, byte, bit] = [number(1, 65535), number(0, 65535), number(0, 7)];
        const type = choice(S7_TYPES, (each) => (each === 'X' ? 'BOOL' : each));
        this.#view.first = area;
        labelled('areaLabel', area);
        const blockLabel = labelled('block', block);
        labelled('type', type);
        labelled('byte', byte);
        const bitLabel = labelled('bit', bit);
        const show = () => {
          blockLabel.toggle(area.val() === 'DB');
          bitLabel.toggle(type.val() === 'X');
        };
        bar.on('change', 'select', show);
        show();
        button('read', () => {
          const place = area.val() === 'DB' ? `DB${block.val()}` : area.val();
          const suffix = type.val() === 'X' ? `.${bit.val()}` : '';
          return this.#look(`${place},${type.val()}${byte.val()}${suffix}`);
        });
      } else {
        const words = $('<input>', { type: 'search', class: 'jidoka-browse-search' }).attr(
          'autocomplete',
          'off',
        );
        this.#view.first = words;
        labelled('search', words).addClass('jidoka-wide-tool');
        words.on('keydown', (event) => {
          if (event.key === 'Enter') void this.#search(String(words.val()).trim());
          else if (event.key === 'ArrowDown') this.#tree.focus();
          else return;
          event.preventDefault();
        });
        button('find', () => this.#search(String(words.val()).trim()));
        this.#view.cancel = button('stop', () => this.#session.post('search/cancel').catch(() => {})).hide();
        button('reload', () => {
          words.val('');
          return this.#top();
        });
      }
      return bar;
    }

    async #top() {
      clearTimeout(this.#searching);
      const { status } = this.#view;
      status.text(text('browse.busy'));
      try {
        const total = await this.#tree.open(this.#view.range?.());
        const key = { opcua: 'opcua', modbus: 'modbus', mqtt: total === 0 ? 'mqttEmpty' : 'mqtt' }[
          this.#protocol
        ];
        status.text(total === 0 && this.#protocol !== 'mqtt' ? text('browse.empty') : text(`browse.${key}`));
      } catch (problem) {
        this.#fail(problem);
      }
    }

    #fail(problem) {
      this.#view.status.empty().append(Jidoka.problemElement(problem, text('browse.again')));
    }

    async #search(words) {
      if (words === '') return this.#top();
      this.#tree.show([]);
      this.#view.cancel.show();
      try {
        await this.#session.post('search', { words });
        await this.#follow(0);
      } catch (problem) {
        this.#view.cancel.hide();
        this.#fail(problem);
      }
    }

    async #follow(shown) {
      const { seen, found, isDone, cutBy, error } = await this.#session.get('search');
      if (found.length > shown) this.#tree.show(found);
      const key = !isDone ? 'searching' : found.length === 0 ? 'foundNone' : 'found';
      const said = [text(`browse.${key}`, { found: found.length, seen })];
      if (cutBy) said.push(text(`browse.cutBy.${cutBy}`));
      this.#view.status.text(said.join(' '));
      if (isDone) {
        this.#view.cancel.hide();
        if (error) this.#fail(error);
        else if (!this.#tree.isEmpty) this.#tree.focus();
        return;
      }
      this.#searching = setTimeout(
        () => this.#follow(found.length).catch((problem) => this.#fail(problem)),
        SEARCH_MS,
      );
    }

    /** A tag that was typed or built. */
    async #look(tag) {
      this.#choose(undefined, text('browse.asking', { tag }));
      try {
        this.#choose(await this.#session.get('tag', { tag }));
      } catch (problem) {
        this.#view.facts.empty().append(Jidoka.problemElement(problem));
      }
    }

    #choose(entry, waiting) {
      this.#entry = entry;
      this.#showFacts(waiting);
      this.#showPlan(entry?.tagType ? this.#options.plan(entry) : []);
      if (entry && !entry.tagType && this.#options.planBlock && entry.kind !== 'variable')
        void this.#lookForBlock(entry);
    }

    async #lookForBlock(entry) {
      try {
        const members = await this.#session.get('block', { node: entry.id });
        if (this.#entry === entry && Object.keys(members).length > 0)
          this.#showPlan(this.#options.planBlock(members));
      } catch {
        // What cannot be looked into holds no block; opening it says why.
      }
    }

    #showFacts(waiting) {
      const { facts } = this.#view;
      const entry = this.#entry;
      facts.empty().attr('data-state', entry?.reading ? (entry.reading.good ? 'ready' : 'failed') : '');
      if (!entry) {
        facts.append($('<p>', { text: waiting ?? text('browse.none') }));
        return;
      }
      const title = [...(entry.path ?? []), entry.name].join(' › ');
      facts.append($('<p>', { class: 'jidoka-title', text: title }));
      const list = $('<dl>').appendTo(facts);
      const line = (key, shown) => {
        if (shown) list.append($('<dt>', { text: text(`browse.${key}`) }), $('<dd>').append(shown));
      };
      line('tag', $('<code>', { text: entry.id }));
      line('type', entry.dataType && document.createTextNode(entry.dataType));
      const { access, range, unit, reading, choices, obstacle } = entry;
      const rights = access && (access.write ? 'readWrite' : access.read ? 'readOnly' : 'noAccess');
      line('access', rights && document.createTextNode(text(`browse.${rights}`)));
      line(
        'range',
        range && document.createTextNode([`${range.min} … ${range.max}`, unit].filter(Boolean).join(' ')),
      );
      line(
        'choices',
        choices && document.createTextNode(choices.map(({ value, name }) => `${value} = ${name}`).join(', ')),
      );
      if (reading) {
        const quality = reading.good ? '' : `${text('browse.doubtful')} (${reading.status})`;
        const at = reading.sourceAt ? new Date(reading.sourceAt).toLocaleTimeString() : '';
        const shown = [Jidoka.valueText(entry), quality, at].filter(Boolean).join(' · ');
        line('value', $('<span>', { class: 'jidoka-browse-value', text: shown }));
      }
      if (obstacle)
        facts.append($('<p>', { class: 'jidoka-hint', text: text(`browse.obstacle.${obstacle}`) }));
    }

    #showPlan(plan) {
      this.#plan = plan.some(({ apply }) => apply) ? plan : [];
      this.#view.take
        .toggleClass('disabled', this.#plan.length === 0)
        .prop('disabled', this.#plan.length === 0);
      const { plan: view } = this.#view;
      view.empty();
      if (plan.length === 0) return;
      const table = $('<table>').append($('<caption>', { text: text('browse.plan') }));
      for (const { label, from, to, note } of plan) {
        const row = $('<tr>')
          .append($('<th>', { scope: 'row', text: label }))
          .appendTo(table);
        if (note) row.append($('<td>', { class: 'jidoka-browse-note', text: note }));
        else row.append($('<td>', { text: from === to ? to : [from || '–', to || '–'].join(' → ') }));
      }
      view.append(table);
    }

    /** Reads the tag that is looked at again; a slow PLC is not asked twice at once. */
    async #refresh() {
      const entry = this.#entry;
      if (!entry?.tagType || this.#isBusy || document.hidden) return;
      this.#isBusy = true;
      try {
        const fresh = await this.#session.get('tag', { tag: entry.id });
        if (this.#entry !== entry) return;
        this.#entry = { ...entry, reading: fresh.reading, path: fresh.path ?? entry.path };
        this.#showFacts();
      } catch (problem) {
        if (this.#entry === entry)
          this.#view.facts
            .attr('data-state', 'failed')
            .find('.jidoka-browse-value')
            .text(`${problem.code}: ${problem.message}`);
      } finally {
        this.#isBusy = false;
      }
    }
  }
})();
