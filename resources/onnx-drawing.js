/*
 * Draws what a model sees on the picture it saw: boxes, outlines, a mask, and names beside them. Names come
 * from the model and are drawn as text, never read as anything else.
 */
(function () {
  'use strict';
  const Jidoka = (window.Jidoka = window.Jidoka || {});

  /** Of the editor's theme, so that they are told apart in the light and in the dark. */
  const COLOURS = ['blue', 'green', 'yellow', 'red'];
  /** Longer names are cut: they would cover the picture. */
  const MAX_NAME = 32;
  /** Of what covers an area. */
  const OPACITY = 0.4;

  function cut(name) {
    const letters = [...String(name)];
    return letters.length > MAX_NAME ? `${letters.slice(0, MAX_NAME - 1).join('')}…` : letters.join('');
  }

  Jidoka.PredictionDrawing = class PredictionDrawing {
    #canvas;
    #look;
    #image;
    #mask;
    #observer;

    constructor(canvas) {
      this.#canvas = canvas;
      this.#observer = new ResizeObserver(() => this.#draw());
      this.#observer.observe(canvas.parentElement);
    }

    /** `look` is what the runtime says of a picture, with the blobs `picture` and `mask`. */
    async show(look) {
      const [image, mask] = await Promise.all([
        window.createImageBitmap(look.picture),
        look.mask && window.createImageBitmap(look.mask),
      ]);
      this.#look = look;
      this.#image = image;
      this.#mask = mask && this.#coloured(mask);
      this.#draw();
    }

    close() {
      this.#observer.disconnect();
    }

    #colour(index) {
      const name = `--red-ui-node-status-colors-${COLOURS[index % COLOURS.length]}`;
      return window.getComputedStyle(this.#canvas).getPropertyValue(name).trim();
    }

    #theme(name) {
      return window.getComputedStyle(this.#canvas).getPropertyValue(`--red-ui-${name}`).trim();
    }

    /** Each value of a mask is a class or an object of its own; 0 is neither. */
    #coloured(mask) {
      const canvas = document.createElement('canvas');
      [canvas.width, canvas.height] = [mask.width, mask.height];
      const pen = canvas.getContext('2d', { willReadFrequently: true });
      const colours = COLOURS.map((_, index) => this.#rgb(index));
      pen.drawImage(mask, 0, 0);
      const pixels = pen.getImageData(0, 0, mask.width, mask.height);
      const { data } = pixels;
      for (let at = 0; at < data.length; at += 4) {
        const value = data[at];
        const [red, green, blue] = colours[value % colours.length];
        data[at] = red;
        data[at + 1] = green;
        data[at + 2] = blue;
        data[at + 3] = value > 0 ? Math.round(255 * OPACITY) : 0;
      }
      pen.putImageData(pixels, 0, 0);
      return canvas;
    }

    /** Any CSS colour as numbers, by painting it. */
    #rgb(index) {
      const canvas = document.createElement('canvas');
      canvas.width = canvas.height = 1;
      const pen = canvas.getContext('2d', { willReadFrequently: true });
      pen.fillStyle = this.#colour(index);
      pen.fillRect(0, 0, 1, 1);
      return [...pen.getImageData(0, 0, 1, 1).data.slice(0, 3)];
    }

    #draw() {
      if (!this.#image) return;
      const canvas = this.#canvas;
      const width = canvas.parentElement.clientWidth;
      if (width === 0) return;
      const { prediction } = this.#look;
      const height = Math.round((width * this.#look.height) / this.#look.width);
      const density = window.devicePixelRatio || 1;
      canvas.width = Math.round(width * density);
      canvas.height = Math.round(height * density);
      canvas.style.height = `${height}px`;
      const pen = canvas.getContext('2d');
      pen.scale(density, density);
      pen.drawImage(this.#image, 0, 0, width, height);
      const scale = width / this.#look.width;
      const segments = prediction.segments || [];
      const isOutlined = segments.some(({ polygons = [] }) => polygons.length > 0);
      if (this.#mask && !isOutlined) {
        pen.imageSmoothingEnabled = false;
        pen.drawImage(this.#mask, 0, 0, width, height);
      }
      for (const { polygons = [], index = 0 } of segments) {
        this.#area(pen, polygons, scale, this.#colour(index));
      }
      const boxes = prediction.objects || prediction.boxes || segments;
      // The best is drawn last, above the others.
      for (const each of [...boxes].reverse()) this.#box(pen, each, scale, { width, height });
    }

    /** Outlines together, so that one within another is a hole. */
    #area(pen, polygons, scale, colour) {
      pen.beginPath();
      for (const polygon of polygons) {
        polygon.forEach(([x, y], index) => pen[index === 0 ? 'moveTo' : 'lineTo'](x * scale, y * scale));
        pen.closePath();
      }
      pen.lineWidth = 2;
      pen.strokeStyle = pen.fillStyle = colour;
      pen.globalAlpha = OPACITY;
      pen.fill('evenodd');
      pen.globalAlpha = 1;
      pen.stroke();
    }

    #box(pen, { box, label, score, share, index = 0 }, scale, { width, height }) {
      if (!Array.isArray(box)) return;
      const [x, y, wide, high] = box.map((side) => side * scale);
      const colour = this.#colour(index);
      pen.lineWidth = 2;
      pen.strokeStyle = colour;
      pen.strokeRect(x, y, wide, high);
      const figure = score === undefined ? share : score;
      const shown = figure === undefined ? '' : Jidoka.scoreText(figure);
      const name = [label === undefined ? '' : cut(label), shown].filter(Boolean).join(' ');
      if (name === '') return;
      pen.font = `12px ${window.getComputedStyle(this.#canvas).fontFamily}`;
      const tag = pen.measureText(name).width + 10;
      // Inside the picture, wherever the box is.
      const left = Math.max(0, Math.min(x, width - tag));
      const top = Math.max(0, Math.min(y < 18 ? y : y - 18, height - 18));
      pen.fillStyle = this.#theme('form-background');
      pen.fillRect(left, top, tag, 18);
      pen.fillStyle = colour;
      pen.fillRect(left, top, 3, 18);
      pen.fillStyle = this.#theme('primary-text-color');
      pen.textBaseline = 'middle';
      pen.fillText(name, left + 6, top + 9.5);
    }
  };

  /** A score between 0 and 1 as a share; any other as the number it is. */
  Jidoka.scoreText = (score) => {
    return score >= 0 && score <= 1 ? Jidoka.percent(score) : Jidoka.numberText(score, 4);
  };
})();
