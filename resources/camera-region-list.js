/*
 * Regions as figures in the dialog of camera-capture: a row for each, which also works without a
 * picture and without a mouse. A rectangle is shown by its corner and size, a polygon by its points.
 */
(function () {
  'use strict';
  const Jidoka = (window.Jidoka = window.Jidoka || {});

  const MAX_REGIONS = 32;
  const MAX_POINTS = 256;
  const PRINTABLE = /^\P{C}{0,64}$/u;

  /**
   * What would stop the node (the rules of lib/frame/region.ts), as the last part of the key of a
   * text; empty where nothing would.
   */
  Jidoka.regionFault = (region, regions) => {
    const { name, kind, points } = region;
    const isPart = kind === 'part';
    if (isPart && name.trim() === '') return 'name';
    if (!PRINTABLE.test(name)) return 'unprintable';
    const isTwin = (other) => other !== region && other.kind === 'part' && other.name === name;
    if (isPart && regions.some(isTwin)) return 'twice';
    if (points.length > MAX_POINTS) return 'points';
    if (points.flat().some((coordinate) => !(coordinate >= 0))) return 'negative';
    if (Jidoka.shapes.area(points) === 0) return 'area';
    return regions.indexOf(region) >= MAX_REGIONS ? 'many' : '';
  };

  Jidoka.RegionList = class RegionList {
    #root;
    #text;
    #on;
    #isPlain;

    /** `on` has `select(index)`, `remove(index)` and `change()`; rows write into the regions themselves. */
    constructor({ root, text, on, isPlain = false }) {
      this.#isPlain = isPlain;
      this.#root = root;
      this.#text = text;
      this.#on = on;
    }

    show(regions) {
      this.#root.empty();
      regions.forEach((region, index) => this.#drawRow(region, index));
    }

    select(index) {
      this.#root.children().each((row, each) => void $(each).toggleClass('jidoka-selected', row === index));
    }

    /** Puts the cursor where the figures of a region begin. */
    edit(index) {
      this.#root.children().eq(index).find('input[type=number], .jidoka-points').first().trigger('focus');
    }

    #drawRow(region, index) {
      const row = $('<li>').on('focusin pointerdown', () => {
        if (!row.is('.jidoka-selected')) this.#on.select(index);
      });
      const first = $('<div>', { class: 'jidoka-line' }).appendTo(row);
      if (this.#isPlain) $('<span>', { class: 'jidoka-region-name', text: region.name }).appendTo(first);
      else this.#drawNames(region, first);
      this.#drawRemove(first, index);
      const second = $('<div>', { class: 'jidoka-line' }).appendTo(row);
      if (Jidoka.shapes.isRectangle(region.points)) this.#drawBox(region, second);
      else this.#drawPoints(region, second);
      $('<p>', { class: 'jidoka-fault', role: 'alert' }).appendTo(row);
      row.appendTo(this.#root);
    }

    #drawNames(region, first) {
      const kind = $('<select>', { 'aria-label': this.#text('regions.kind') }).appendTo(first);
      for (const each of ['part', 'mask']) {
        $('<option>', { value: each, text: this.#text(`regions.${each}`) }).appendTo(kind);
      }
      kind.val(region.kind).on('change', () => {
        region.kind = kind.val();
        this.#on.change();
      });
      $('<input>', { type: 'text', class: 'jidoka-region-name', 'aria-label': this.#text('regions.name') })
        .val(region.name)
        .appendTo(first)
        .on('input', (event) => {
          region.name = event.target.value.trim();
          this.#on.change();
        });
    }

    #drawRemove(first, index) {
      $('<button>', { type: 'button', class: 'red-ui-button', 'aria-label': this.#text('regions.delete') })
        .attr('title', this.#text('regions.delete'))
        .append($('<i>', { class: 'fa fa-trash-o', 'aria-hidden': 'true' }))
        .appendTo(first)
        .on('click', () => this.#on.remove(index));
    }

    #drawBox(region, line) {
      const fields = ['x', 'y', 'width', 'height'].map((key) => {
        const label = $('<label>')
          .append($('<span>', { text: this.#text(`regions.${key}`) }))
          .appendTo(line);
        return $('<input>', { type: 'number', min: 0, step: 1, 'data-side': key })
          .appendTo(label)
          .on('input', () => {
            const [x, y, width, height] = fields.map((field) => Number(field.val()));
            region.points = Jidoka.shapes.rectangle(
              [x, y],
              [x + Math.max(0, width), y + Math.max(0, height)],
            );
            this.#on.change();
          });
      });
      $('<span>', { text: 'px' }).appendTo(line);
      this.#fillBox(line, region.points);
    }

    #fillBox(line, points) {
      const [left, top, right, bottom] = Jidoka.shapes.bounds(points);
      const values = { x: left, y: top, width: right - left, height: bottom - top };
      for (const [key, value] of Object.entries(values)) line.find(`[data-side=${key}]`).val(value);
    }

    #drawPoints(region, line) {
      $('<input>', { type: 'text', class: 'jidoka-points', 'aria-label': this.#text('regions.points') })
        .val(region.points.join(' '))
        .appendTo(line)
        .on('input', (event) => {
          const points = Jidoka.shapes.parsePoints(event.target.value);
          $(event.target).toggleClass('input-error', points === undefined);
          if (points === undefined) return;
          region.points = points;
          this.#on.change();
        });
      $('<span>', { text: 'px' }).appendTo(line);
    }

    /** While it is dragged: the row stays, its figures follow. */
    follow(index, { points }) {
      const row = this.#root.children().eq(index);
      row.find('.jidoka-points').val(points.join(' ')).removeClass('input-error');
      if (row.find('[data-side]').length > 0) this.#fillBox(row, points);
    }

    /** Says in each row what is wrong with it; `size` is the picture's, undefined without one. */
    check(regions, size) {
      regions.forEach((region, index) => {
        const row = this.#root.children().eq(index);
        row
          .toggleClass('jidoka-is-part', region.kind === 'part')
          .toggleClass('jidoka-is-mask', region.kind === 'mask');
        row.find('.jidoka-fault').text(this.#faultOf(region, regions, size));
      });
    }

    #faultOf(region, regions, size) {
      const fault = Jidoka.regionFault(region, regions);
      if (fault) return this.#text(`regions.fault.${fault}`, { regions: MAX_REGIONS, points: MAX_POINTS });
      const [, , right, bottom] = Jidoka.shapes.bounds(region.points);
      const out = size && (right > size.width || bottom > size.height);
      return out ? this.#text('regions.fault.outside', size) : '';
    }
  };
})();
