/*
 * The areas that are looked at, in the dialog of anomaly-score: drawn on a part it was taught from, or on a picture
 * from a file. What is saved are shares of the picture's width and height, so that any picture of the part does.
 */
(function () {
  'use strict';
  const Jidoka = (window.Jidoka = window.Jidoka || {});

  /** Width and height of which figures are given while there is no picture. */
  const NOMINAL = { width: 1000, height: 1000 };
  const DIGITS = 1e5;
  /** Of the picture on the screen, at most, in pixels. */
  const SHOWN = 420;

  Jidoka.AreaEditor = class AreaEditor {
    #root;
    #text;
    #image;
    #areas;
    #editor;
    #size = NOMINAL;
    #isTouched = false;
    #onChange;

    /** `areas` as the node has them; `onChange` hears of each change. */
    constructor({ root, text, areas, onChange }) {
      this.#root = root;
      this.#text = text;
      this.#areas = areas;
      this.#onChange = onChange;
      this.#image = root.find('img');
      this.#image.on('load', () => {
        const { naturalWidth: width, naturalHeight: height } = this.#image[0];
        this.#build({ width, height }, true);
      });
      const file = this.#part('file');
      this.#part('choose-file').on('click', () => file.val('').trigger('click'));
      file.on('change', () => {
        const [chosen] = file[0].files;
        if (!chosen) return;
        const url = URL.createObjectURL(chosen);
        this.#image.one('load error', () => URL.revokeObjectURL(url)).attr('src', url);
      });
      this.#build(NOMINAL, false);
    }

    /** Lists of corners in shares; undefined while nothing was changed. */
    get areas() {
      return this.#isTouched ? this.#drawn() : undefined;
    }

    /** Takes the first good part of the model that serves to draw on; where there is none, none is shown. */
    async showPart(runtime) {
      try {
        const { parts } = await runtime.get('parts');
        const part = parts.find(({ label }) => label === 'good');
        if (part !== undefined) await runtime.show(this.#image, `parts/${part.id}/large`);
      } catch {
        // Not deployed, or not allowed to see parts: areas can still be given.
      }
    }

    /** Draws again, because the picture has another size on the screen. */
    refresh() {
      this.#editor.refresh();
    }

    #part(name) {
      return this.#root.find(`.jidoka-${name}`);
    }

    #build(size, isPicture) {
      const areas = this.#isTouched ? this.#drawn() : this.#areas;
      this.#size = size;
      const shown = Math.min(SHOWN, (SHOWN * size.width) / size.height);
      this.#part('stage').toggle(isPicture).css('max-width', shown);
      const svg = this.#root.find('svg').off();
      const buttons = {
        rectangle: this.#part('draw-rectangle').off().toggle(isPicture),
        polygon: this.#part('draw-polygon').off().toggle(isPicture),
        add: this.#part('add-region').off(),
        hint: this.#part('draw-hint').empty(),
      };
      this.#editor = new Jidoka.RegionEditor({
        svg,
        list: this.#part('regions'),
        buttons,
        text: this.#text,
        isPlain: true,
        regions: areas.map((area, index) => ({
          name: String(index + 1),
          kind: 'part',
          points: area.map(([x, y]) => [Math.round(x * size.width), Math.round(y * size.height)]),
        })),
        onChange: () => {
          this.#isTouched = true;
          this.#onChange();
        },
      });
      this.#editor.setSize(size);
      this.#part('area-units').text(this.#text(isPicture ? 'regions.units' : 'regions.noPicture', size));
    }

    #drawn() {
      const share = (pixels, side) =>
        Math.round((Math.min(side, Math.max(0, pixels)) / side) * DIGITS) / DIGITS;
      const { width, height } = this.#size;
      return this.#editor.regions
        .filter(({ points }) => Jidoka.shapes.area(points) > 0)
        .map(({ points }) => points.map(([x, y]) => [share(x, width), share(y, height)]));
    }
  };
})();
