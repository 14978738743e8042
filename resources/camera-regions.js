/*
 * Regions of a picture in the dialog of camera-capture: drawn on the picture, and as figures in a
 * list, which also works without a picture. Points are pixels of the picture as it is turned.
 */
(function () {
  'use strict';
  const Jidoka = (window.Jidoka = window.Jidoka || {});

  const SVG = 'http://www.w3.org/2000/svg';
  /** Pixels on the screen. */
  const HANDLE = 6;
  const LETTER = 12;
  const MIN_DRAG = 5;
  const HATCH = 9;
  const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

  function rectangle([x1, y1], [x2, y2]) {
    const [left, right] = [Math.min(x1, x2), Math.max(x1, x2)];
    const [top, bottom] = [Math.min(y1, y2), Math.max(y1, y2)];
    return [
      [left, top],
      [right, top],
      [right, bottom],
      [left, bottom],
    ];
  }

  function bounds(points) {
    const xs = points.map(([x]) => x);
    const ys = points.map(([, y]) => y);
    return [Math.min(...xs), Math.min(...ys), Math.max(...xs), Math.max(...ys)];
  }

  /** Four points that are the corners of an upright rectangle, in whichever order. */
  function isRectangle(points) {
    if (points.length !== 4) return false;
    const [left, top, right, bottom] = bounds(points);
    const corners = new Set(points.map(([x, y]) => `${x},${y}`));
    return rectangle([left, top], [right, bottom]).every(([x, y]) => corners.has(`${x},${y}`));
  }

  /** `10,20 30,40` as points; undefined when it is none. */
  function parsePoints(typed) {
    const pairs = typed.trim().split(/[\s;]+/);
    const points = pairs.map((pair) => pair.split(',').map(Number));
    const fine = points.every(
      (point) => point.length === 2 && point.every((n) => Number.isFinite(n) && n >= 0),
    );
    return fine && points.length >= 3 ? points : undefined;
  }

  function area(points) {
    return Math.abs(
      points.reduce((sum, [x, y], index) => {
        const [nextX, nextY] = points[(index + 1) % points.length];
        return sum + x * nextY - nextX * y;
      }, 0) / 2,
    );
  }

  Jidoka.RegionEditor = class RegionEditor {
    #svg;
    #list;
    #buttons;
    #text;
    #onChange;
    #regions;
    #selected = -1;
    #size;
    /** 'rectangle' or 'polygon' while one is being drawn. */
    #mode;
    #draft = [];
    #drag;

    constructor({ svg, list, buttons, text, regions, onChange }) {
      this.#svg = svg[0];
      this.#list = list;
      this.#buttons = buttons;
      this.#text = text;
      this.#onChange = onChange || (() => undefined);
      this.#regions = (regions || []).map((region) => ({
        ...region,
        points: region.points.map((p) => [...p]),
      }));
      svg.on('pointerdown', (event) => this.#down(event.originalEvent));
      svg.on('pointermove', (event) => this.#move(event.originalEvent));
      svg.on('pointerup pointercancel', () => this.#up());
      svg.on('dblclick', () => this.#close());
      svg.on('keydown', (event) => this.#key(event));
      buttons.rectangle.on('click', () => this.#draw('rectangle'));
      buttons.polygon.on('click', () => this.#draw('polygon'));
      buttons.add.on('click', () => this.#addTyped());
      this.#drawList();
      this.setSize(undefined);
    }

    get regions() {
      return this.#regions;
    }

    /** The picture's width and height in pixels; undefined while there is none to draw on. */
    setSize(size) {
      const same = size && this.#size && size.width === this.#size.width && size.height === this.#size.height;
      if (same) return;
      this.#size = size;
      this.#buttons.rectangle.prop('disabled', !size);
      this.#buttons.polygon.prop('disabled', !size);
      if (size) this.#svg.setAttribute('viewBox', `0 0 ${size.width} ${size.height}`);
      this.#paint();
      this.#checkList();
    }

    /** Draws again, because the picture has another size on the screen. */
    refresh() {
      this.#paint();
    }

    /** Pixels of the picture for one pixel of the screen. */
    get #scale() {
      return this.#size ? this.#size.width / Math.max(1, this.#svg.clientWidth) : 1;
    }

    #draw(mode) {
      this.#mode = this.#mode === mode ? undefined : mode;
      this.#draft = [];
      this.#buttons.rectangle.toggleClass('jidoka-on', this.#mode === 'rectangle');
      this.#buttons.polygon.toggleClass('jidoka-on', this.#mode === 'polygon');
      this.#svg.classList.toggle('jidoka-drawing', this.#mode !== undefined);
      this.#buttons.hint.text(this.#mode ? this.#text(`regions.draw.${this.#mode}`) : '');
      if (this.#mode) this.#svg.focus();
      this.#paint();
    }

    #addTyped() {
      const { width, height } = this.#size || { width: 400, height: 400 };
      const [x, y] = [Math.round(width / 4), Math.round(height / 4)];
      this.#add(rectangle([x, y], [width - x, height - y]));
      this.#list.children().last().find('input[type=number]').first().trigger('focus');
    }

    #add(points) {
      const names = new Set(this.#regions.map(({ name }) => name));
      let number = this.#regions.length + 1;
      while (names.has(`part ${number}`)) number += 1;
      this.#regions.push({ name: `part ${number}`, kind: 'part', points });
      this.#select(this.#regions.length - 1);
      this.#drawList();
      this.#changed();
    }

    #remove(index) {
      this.#regions.splice(index, 1);
      this.#selected = -1;
      this.#drawList();
      this.#changed();
    }

    #changed() {
      this.#paint();
      this.#checkList();
      this.#onChange();
    }

    #select(index) {
      this.#selected = index;
      this.#list.children().each((row, each) => void $(each).toggleClass('jidoka-selected', row === index));
      this.#paint();
    }

    // —— on the picture ——

    #at(event) {
      const { x, y } = new DOMPoint(event.clientX, event.clientY).matrixTransform(
        this.#svg.getScreenCTM().inverse(),
      );
      return this.#inside([x, y]);
    }

    #inside([x, y]) {
      const { width, height } = this.#size;
      return [Math.min(width, Math.max(0, Math.round(x))), Math.min(height, Math.max(0, Math.round(y)))];
    }

    #down(event) {
      if (!this.#size || event.button !== 0) return;
      this.#svg.focus();
      const at = this.#at(event);
      if (this.#mode === 'polygon') {
        this.#extend(at);
        return;
      }
      this.#svg.setPointerCapture(event.pointerId);
      if (this.#mode === 'rectangle') {
        this.#drag = { kind: 'new', from: at };
        return;
      }
      const { region, point, between } = event.target.dataset;
      if (region === undefined) {
        this.#select(-1);
        return;
      }
      const index = Number(region);
      this.#select(index);
      const { points } = this.#regions[index];
      if (between !== undefined) points.splice(Number(between) + 1, 0, at);
      const grabbed = between === undefined ? point : Number(between) + 1;
      this.#drag =
        grabbed === undefined
          ? { kind: 'region', from: at, before: points.map((each) => [...each]) }
          : { kind: 'point', point: Number(grabbed), ...this.#cornerOf(points, Number(grabbed)) };
      event.preventDefault();
    }

    /** Where the point is a corner of a rectangle: that it stays one, and who shares its x. */
    #cornerOf(points, point) {
      if (!isRectangle(points)) return { upright: false };
      const after = (point + 1) % 4;
      return { upright: true, sharesX: points[after][0] === points[point][0] ? after : (point + 3) % 4 };
    }

    #move(event) {
      if (!this.#size) return;
      if (this.#mode === 'polygon' && this.#draft.length > 0) {
        this.#paint(this.#at(event));
        return;
      }
      const drag = this.#drag;
      if (drag === undefined) return;
      const at = this.#at(event);
      if (drag.kind === 'new') {
        drag.to = at;
        this.#draft = rectangle(drag.from, at);
        this.#paint();
        return;
      }
      const region = this.#regions[this.#selected];
      if (drag.kind === 'region') {
        region.points = this.#shifted(drag.before, at[0] - drag.from[0], at[1] - drag.from[1]);
      } else if (drag.upright) {
        const opposite = region.points[(drag.point + 2) % 4];
        region.points[drag.point] = at;
        region.points[drag.sharesX] = [at[0], opposite[1]];
        region.points[(drag.sharesX + 2) % 4] = [opposite[0], at[1]];
      } else region.points[drag.point] = at;
      this.#showFigures(this.#selected);
      this.#changed();
    }

    #up() {
      const drag = this.#drag;
      this.#drag = undefined;
      if (drag?.kind !== 'new') {
        if (drag !== undefined) this.#drawList();
        return;
      }
      const draft = this.#draft;
      this.#draft = [];
      const [left, top, right, bottom] = draft.length > 0 ? bounds(draft) : [0, 0, 0, 0];
      const least = MIN_DRAG * this.#scale;
      if (right - left >= least && bottom - top >= least) {
        this.#draw('rectangle');
        this.#add(draft);
      } else this.#paint();
    }

    /** One more point of the polygon; a click on the first one closes it. */
    #extend(at) {
      const [first] = this.#draft;
      const near = first && Math.hypot(at[0] - first[0], at[1] - first[1]) <= 2 * HANDLE * this.#scale;
      if (near && this.#draft.length >= 3) this.#close();
      else {
        const last = this.#draft[this.#draft.length - 1];
        // The second press of a double click lies on the first.
        if (!last || Math.hypot(at[0] - last[0], at[1] - last[1]) > 3 * this.#scale) this.#draft.push(at);
        this.#paint();
      }
    }

    #close() {
      if (this.#mode !== 'polygon') return;
      const draft = this.#draft;
      if (draft.length < 3 || area(draft) === 0) return;
      this.#draw('polygon');
      this.#add(draft);
    }

    /** As far as it stays on the picture. */
    #shifted(points, byX, byY) {
      const [left, top, right, bottom] = bounds(points);
      const dx = Math.min(this.#size.width - right, Math.max(-left, byX));
      const dy = Math.min(this.#size.height - bottom, Math.max(-top, byY));
      return points.map(([x, y]) => [x + dx, y + dy]);
    }

    #key(event) {
      const region = this.#regions[this.#selected];
      const arrow = ARROWS[event.key];
      if (event.key === 'Escape' && this.#mode) this.#draw(this.#mode);
      else if (event.key === 'Enter' && this.#mode === 'polygon') this.#close();
      else if (event.key === 'Backspace' && this.#draft.length > 0) {
        this.#draft.pop();
        this.#paint();
      } else if ((event.key === 'Delete' || event.key === 'Backspace') && region)
        this.#remove(this.#selected);
      else if (arrow && region && this.#size) {
        const step = event.shiftKey ? 10 : 1;
        region.points = this.#shifted(region.points, arrow[0] * step, arrow[1] * step);
        this.#showFigures(this.#selected);
        this.#changed();
      } else if ((event.key === 'PageDown' || event.key === 'PageUp') && this.#regions.length > 0) {
        const count = this.#regions.length;
        this.#select((this.#selected + (event.key === 'PageDown' ? 1 : count - 1) + count) % count);
      } else return;
      event.preventDefault();
      event.stopPropagation();
    }

    #paint(pointer) {
      const svg = this.#svg;
      svg.replaceChildren();
      if (!this.#size) return;
      const scale = this.#scale;
      this.#paintHatch(scale);
      this.#regions.forEach((region, index) => this.#paintRegion(region, index, scale));
      const draft = pointer ? [...this.#draft, pointer] : this.#draft;
      if (draft.length === 0) return;
      const closed = this.#mode === 'rectangle';
      this.#shape(closed ? 'polygon' : 'polyline', { points: draft.join(' '), class: 'jidoka-draft' });
      if (closed) return;
      for (const [cx, cy] of this.#draft)
        this.#shape('circle', { cx, cy, r: HANDLE * scale, class: 'jidoka-handle' });
    }

    /** What a mask is filled with, as wide on the screen whatever the picture's size. */
    #paintHatch(scale) {
      const size = HATCH * scale;
      const box = { width: size, height: size, patternUnits: 'userSpaceOnUse' };
      const hatch = this.#shape('pattern', { id: 'jidoka-hatch', ...box, patternTransform: 'rotate(45)' });
      const line = { x1: 0, y1: 0, x2: 0, y2: size, 'stroke-width': size, class: 'jidoka-hatching' };
      hatch.append(this.#shape('line', line));
    }

    #paintRegion({ name, kind, points }, index, scale) {
      const selected = index === this.#selected;
      const className = `jidoka-${kind}${selected ? ' jidoka-selected' : ''}`;
      this.#shape('polygon', { points: points.join(' '), class: className, 'data-region': index });
      const [left, top] = bounds(points);
      const size = LETTER * scale;
      const label = this.#shape('text', {
        x: left + size / 2,
        y: top + size * 1.35,
        'font-size': size,
        class: 'jidoka-tag-text',
      });
      label.textContent = name;
      const width = label.getComputedTextLength() + size;
      const tag = this.#shape('rect', { x: left, y: top, width, height: size * 1.8, class: 'jidoka-tag' });
      this.#svg.insertBefore(tag, label);
      if (!selected || this.#mode) return;
      points.forEach(([cx, cy], point) => {
        const next = points[(point + 1) % points.length];
        if (!isRectangle(points)) {
          const [mx, my] = [(cx + next[0]) / 2, (cy + next[1]) / 2];
          const handle = { cx: mx, cy: my, r: HANDLE * 0.7 * scale, class: 'jidoka-handle jidoka-between' };
          this.#shape('circle', { ...handle, 'data-region': index, 'data-between': point });
        }
        const handle = { cx, cy, r: HANDLE * scale, class: 'jidoka-handle' };
        this.#shape('circle', { ...handle, 'data-region': index, 'data-point': point });
      });
    }

    #shape(name, attributes) {
      const element = document.createElementNS(SVG, name);
      for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
      return this.#svg.appendChild(element);
    }

    // —— as figures ——

    #drawList() {
      this.#list.empty();
      this.#regions.forEach((region, index) => this.#drawRow(region, index));
      this.#select(this.#selected);
      this.#checkList();
    }

    #drawRow(region, index) {
      const row = $('<li>').on('focusin pointerdown', () => {
        if (this.#selected !== index) this.#select(index);
      });
      const first = $('<div>', { class: 'jidoka-line' }).appendTo(row);
      const kind = $('<select>', { 'aria-label': this.#text('regions.kind') }).appendTo(first);
      for (const each of ['part', 'mask']) {
        $('<option>', { value: each, text: this.#text(`regions.${each}`) }).appendTo(kind);
      }
      kind.val(region.kind).on('change', () => {
        region.kind = kind.val();
        this.#changed();
      });
      $('<input>', { type: 'text', class: 'jidoka-region-name', 'aria-label': this.#text('regions.name') })
        .val(region.name)
        .appendTo(first)
        .on('input', (event) => {
          region.name = event.target.value.trim();
          this.#changed();
        });
      $('<button>', { type: 'button', class: 'red-ui-button', 'aria-label': this.#text('regions.delete') })
        .attr('title', this.#text('regions.delete'))
        .append($('<i>', { class: 'fa fa-trash-o', 'aria-hidden': 'true' }))
        .appendTo(first)
        .on('click', () => this.#remove(index));
      const second = $('<div>', { class: 'jidoka-line' }).appendTo(row);
      if (isRectangle(region.points)) this.#drawBox(region, second);
      else this.#drawPoints(region, second);
      $('<p>', { class: 'jidoka-fault', role: 'alert' }).appendTo(row);
      row.appendTo(this.#list);
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
            region.points = rectangle([x, y], [x + Math.max(0, width), y + Math.max(0, height)]);
            this.#changed();
          });
      });
      $('<span>', { text: 'px' }).appendTo(line);
      this.#fillBox(line, region.points);
    }

    #fillBox(line, points) {
      const [left, top, right, bottom] = bounds(points);
      const values = { x: left, y: top, width: right - left, height: bottom - top };
      for (const [key, value] of Object.entries(values)) line.find(`[data-side=${key}]`).val(value);
    }

    #drawPoints(region, line) {
      $('<input>', { type: 'text', class: 'jidoka-points', 'aria-label': this.#text('regions.points') })
        .val(region.points.join(' '))
        .appendTo(line)
        .on('input', (event) => {
          const points = parsePoints(event.target.value);
          $(event.target).toggleClass('input-error', points === undefined);
          if (points === undefined) return;
          region.points = points;
          this.#changed();
        });
      $('<span>', { text: 'px' }).appendTo(line);
    }

    /** While it is dragged: the row stays, its figures follow. */
    #showFigures(index) {
      const { points } = this.#regions[index];
      const row = this.#list.children().eq(index);
      row.find('.jidoka-points').val(points.join(' ')).removeClass('input-error');
      if (row.find('[data-side]').length > 0) this.#fillBox(row, points);
    }

    #checkList() {
      this.#regions.forEach((region, index) => {
        const row = this.#list.children().eq(index);
        row
          .toggleClass('jidoka-is-part', region.kind === 'part')
          .toggleClass('jidoka-is-mask', region.kind === 'mask');
        row.find('.jidoka-fault').text(this.#faultOf(region, index));
      });
    }

    #faultOf({ name, points }, index) {
      if (name === '') return this.#text('regions.fault.name');
      if (this.#regions.some((other, at) => at !== index && other.name === name))
        return this.#text('regions.fault.twice');
      if (area(points) === 0) return this.#text('regions.fault.area');
      const [, , right, bottom] = bounds(points);
      const out = this.#size && (right > this.#size.width || bottom > this.#size.height);
      return out ? this.#text('regions.fault.outside', this.#size) : '';
    }
  };
})();
