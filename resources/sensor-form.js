/* The dialog of sensor-window: the list of sensors, what is computed of them, and what comes in right now. */
(function () {
  'use strict';
  const Jidoka = (window.Jidoka = window.Jidoka || {});

  const FEATURES = [
    'mean',
    'rms',
    'peak',
    'peakToPeak',
    'crest',
    'kurtosis',
    'skewness',
    'slope',
    'peakHz',
    'bands',
    'envelope',
    'velocity',
  ];
  const UNITS = ['m/s²', 'g', 'mg', 'm/s', 'mm/s', 'µm', 'A', 'V', 'W', 'bar', '°C', '1/min', 'N', 'N·m'];
  const POLL_MS = 1000;

  const figure = (value) => (value === null || value === undefined ? '–' : Number(value.toPrecision(4)));

  Jidoka.SensorForm = class {
    constructor(node) {
      this.node = node;
      this.text = (key, parameters) => node._('sensor-window.' + key, parameters);
      this.rows = $('.jidoka-sensor-rows');
      this.units();
      (node.channels || []).forEach((channel) => this.add(channel));
      if ((node.channels || []).length === 0) this.add({ name: '', unit: '' });
      $('.jidoka-sensor-add').on('click', () =>
        this.add({ name: '', unit: '' }).find('input').first().focus(),
      );
      this.features();
      $('#node-input-clock').on('change', () => this.toggle());
      this.toggle();
      this.live();
    }

    units() {
      const list = $('<datalist>', { id: 'jidoka-sensor-units' });
      UNITS.forEach((unit) => list.append($('<option>', { value: unit })));
      $('.jidoka-sensors').append(list);
    }

    add({ name, unit }) {
      const { text } = this;
      const field = (value, label, attributes) =>
        $('<input>', { type: 'text', 'aria-label': label, placeholder: label, ...attributes }).val(value);
      const row = $('<div>', { class: 'jidoka-sensor-row', role: 'listitem' });
      const remove = $('<button>', {
        type: 'button',
        class: 'red-ui-button red-ui-button-small',
        'aria-label': text('label.remove'),
        title: text('label.remove'),
      }).append($('<i>', { class: 'fa fa-remove' }));
      remove.on('click', () => {
        const next = row.next().add(row.prev()).first();
        row.remove();
        next.find('input').first().focus();
      });
      row.append(
        field(name, text('label.sensor'), { class: 'jidoka-sensor-name' }),
        field(unit, text('label.unit'), { class: 'jidoka-sensor-unit', list: 'jidoka-sensor-units' }),
        remove,
      );
      this.rows.append(row);
      return row;
    }

    features() {
      const { text, node } = this;
      const labels = {
        mean: text('feature.mean'),
        rms: text('feature.rms'),
        peak: text('feature.peak'),
        peakToPeak: text('feature.peakToPeak'),
        crest: text('feature.crest'),
        kurtosis: text('feature.kurtosis'),
        skewness: text('feature.skewness'),
        slope: text('feature.slope'),
        peakHz: text('feature.peakHz'),
        bands: text('feature.bands'),
        envelope: text('feature.envelope'),
        velocity: text('feature.velocity'),
      };
      FEATURES.forEach((name) => {
        const box = $('<input>', { type: 'checkbox', value: name }).prop(
          'checked',
          (node.features || []).includes(name),
        );
        box.on('change', () => this.toggle());
        $('.jidoka-features').append($('<label>').append(box, $('<span>', { text: labels[name] })));
      });
    }

    chosen() {
      return $('.jidoka-features input:checked')
        .map((_, box) => box.value)
        .get();
    }

    toggle() {
      const clock = $('#node-input-clock').val();
      const features = this.chosen();
      $('[data-clock]').each((_, row) => $(row).toggle($(row).attr('data-clock').split(' ').includes(clock)));
      $('[data-feature]').each((_, row) => $(row).toggle(features.includes($(row).attr('data-feature'))));
    }

    channels() {
      return this.rows
        .children()
        .map((_, row) => ({
          name: $(row).find('.jidoka-sensor-name').val().trim(),
          unit: $(row).find('.jidoka-sensor-unit').val().trim(),
        }))
        .get()
        .filter(({ name }) => name !== '');
    }

    /** True where something was changed that Node-RED does not see by itself. */
    save() {
      const { node } = this;
      const before = JSON.stringify([node.channels, node.features]);
      node.channels = this.channels();
      node.features = this.chosen();
      return before !== JSON.stringify([node.channels, node.features]);
    }

    live() {
      const { node, text } = this;
      const ask = () => {
        this.request = $.getJSON('jidoka/sensors/' + encodeURIComponent(node.id))
          .done((view) => this.show(view))
          .fail((xhr) => {
            if (xhr.statusText === 'abort') return;
            const isMissing = xhr.status === 404;
            const problem = isMissing ? text('live.notDeployed') : Jidoka.problemOf(xhr, text).message;
            $('.jidoka-live-state').text(problem);
            $('table.jidoka-live, .jidoka-others').hide();
          })
          .always(() => {
            if (!this.isClosed) this.timer = setTimeout(ask, POLL_MS);
          });
      };
      ask();
    }

    show({ channels, others, windows, gaps, late }) {
      const { text } = this;
      $('.jidoka-live-state').text(text('live.counts', { windows, gaps, late }));
      const body = $('table.jidoka-live tbody').empty();
      channels.forEach(({ name, unit, value, hz, samples, agoMs }) => {
        const ago = agoMs === null ? '–' : text('live.ago', { seconds: (agoMs / 1000).toFixed(1) });
        const cells = [name, `${figure(value)} ${value === null ? '' : unit}`, figure(hz), samples, ago];
        body.append($('<tr>').append(cells.map((cell) => $('<td>', { class: 'jidoka-figure', text: cell }))));
      });
      $('table.jidoka-live').show();
      const known = new Set(this.channels().map(({ name }) => name));
      const offered = others.filter((name) => !known.has(name));
      const focused = $('.jidoka-others :focus').text();
      const buttons = offered.map((name) =>
        $('<button>', { type: 'button', class: 'red-ui-button red-ui-button-small', text: name }).on(
          'click',
          () => {
            const empty = this.rows
              .children()
              .filter((_, row) => $(row).find('.jidoka-sensor-name').val() === '');
            empty.first().remove();
            this.add({ name, unit: '' }).find('.jidoka-sensor-unit').focus();
          },
        ),
      );
      $('.jidoka-others')
        .toggle(offered.length > 0)
        .find('.jidoka-offered')
        .empty()
        .append(buttons);
      buttons.find((button) => focused !== '' && button.text() === focused)?.focus();
    }

    close() {
      this.isClosed = true;
      clearTimeout(this.timer);
      this.request?.abort();
    }
  };
})();
