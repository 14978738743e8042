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
    #prefix;

    /** `isPlain` where regions are outlines alone: then neither kind nor name is asked for. */
    constructor({ svg, list, buttons, text, regions, onChange, isPlain = false }) {
      this.#svg = svg[0];
      this.#list = new Jidoka.RegionList({
        root: list,
        text,
        isPlain,
        on: {
          select: (index) => this.#select(index),
          remove: (index) => this.#remove(index),
          change: () => this.#changed(),
        },
      });
      this.#buttons = buttons;
      this.#prefix = isPlain ? '' : 'part ';
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
      this.#showList();
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
      this.#list.check(this.#regions, this.#size);
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
      this.#add(Jidoka.shapes.rectangle([x, y], [width - x, height - y]));
      this.#list.edit(this.#regions.length - 1);
    }

    #add(points) {
      const names = new Set(this.#regions.map(({ name }) => name));
      let number = this.#regions.length + 1;
      while (names.has(`${this.#prefix}${number}`)) number += 1;
      this.#regions.push({ name: `${this.#prefix}${number}`, kind: 'part', points });
      this.#select(this.#regions.length - 1);
      this.#showList();
      this.#changed();
    }

    #showList() {
      this.#list.show(this.#regions);
      this.#list.check(this.#regions, this.#size);
      this.#select(this.#selected);
    }

    #remove(index) {
      this.#regions.splice(index, 1);
      this.#selected = -1;
      this.#showList();
      this.#changed();
    }

    #changed() {
      this.#paint();
      this.#list.check(this.#regions, this.#size);
      this.#onChange();
    }

    #select(index) {
      this.#selected = index;
      this.#list.select(index);
      this.#paint();
    }

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
      if (!Jidoka.shapes.isRectangle(points)) return { upright: false };
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
        this.#draft = Jidoka.shapes.rectangle(drag.from, at);
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
      this.#list.follow(this.#selected, this.#regions[this.#selected]);
      this.#changed();
    }

    #up() {
      const drag = this.#drag;
      this.#drag = undefined;
      if (drag?.kind !== 'new') {
        if (drag !== undefined) this.#showList();
        return;
      }
      const draft = this.#draft;
      this.#draft = [];
      const [left, top, right, bottom] = draft.length > 0 ? Jidoka.shapes.bounds(draft) : [0, 0, 0, 0];
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
      if (draft.length < 3 || Jidoka.shapes.area(draft) === 0) return;
      this.#draw('polygon');
      this.#add(draft);
    }

    /** As far as it stays on the picture. */
    #shifted(points, byX, byY) {
      const [left, top, right, bottom] = Jidoka.shapes.bounds(points);
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
        this.#list.follow(this.#selected, this.#regions[this.#selected]);
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
      const [left, top] = Jidoka.shapes.bounds(points);
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
        if (!Jidoka.shapes.isRectangle(points)) {
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
  };
})();
