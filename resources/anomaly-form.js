/* The form of anomaly-score: shows the fields of what is chosen, and brings the teaching panel together with them. */
(function () {
  'use strict';
  const Jidoka = (window.Jidoka = window.Jidoka || {});

  /** What nodes saved before a field was there did. */
  const BEFORE = { method: 'patch-nn' };
  /** Fields that a model which is there knows nothing of. */
  const NEXT_LESSON = [
    ...['method', 'backbone', 'normalise', 'tiles', 'resolution', 'align', 'maxShift', 'maxAngle'],
    ...['tileWidth', 'tileHeight', 'tileSide', 'tileOverlap', 'methods', 'smoothing'],
  ];
  const SIZES = ['resolution', 'tileWidth', 'tileHeight', 'tileSide', 'tileOverlap'];
  /** After the last key, before what will take how long is asked for. */
  const TYPING_MS = 300;

  function field(name) {
    return $(`#node-input-${name}`);
  }

  function valueOf(name) {
    return field(name).is('[type=checkbox]') ? field(name).prop('checked') : String(field(name).val());
  }

  Jidoka.AnomalyForm = class AnomalyForm {
    #node;
    #root;
    #text;
    #panel;
    #areas;
    #runtime;
    /** The fields as the dialog opened with them. */
    #before;
    #typing;
    #asked = 0;

    constructor(node) {
      this.#node = node;
      this.#root = $('.jidoka-anomaly');
      const text = (key, values) => node._(`anomaly-score.${key}`, values);
      this.#text = text;
      this.#runtime = new Jidoka.AnomalyRuntime(node.id, text);
      this.#fillIn();
      this.#tickMethods();
      this.#offerBackbones();
      this.#areas = new Jidoka.AreaEditor({
        root: this.#part('areas'),
        text,
        areas: node.mask || [],
        onChange: () => this.#sayNext(this.#part('areas'), true),
      });
      void this.#areas.showPart(this.#runtime);
      this.#before = Object.fromEntries(NEXT_LESSON.map((name) => [name, valueOf(name)]));
      this.#root.on('input change', '[id^=node-input-]', () => this.#changed());
      this.#panel = new Jidoka.AnomalyPanel({
        root: this.#root.find('.jidoka-panel'),
        nodeId: node.id,
        text,
      });
      this.#part('check').on('click', () => {
        const folder = valueOf('folder').trim();
        if (folder === '') field('folder').trigger('focus');
        else void this.#panel.check(folder, this.#part('checked'));
      });
      this.#changed();
    }

    /** What is no form field of its own. */
    save() {
      const { areas } = this.#areas;
      if (areas !== undefined) this.#node.mask = areas;
    }

    close() {
      clearTimeout(this.#typing);
      this.#panel.close();
    }

    #part(name) {
      return this.#root.find(`.jidoka-${name}`);
    }

    /** A node saved before a field was there has none of its value. */
    #fillIn() {
      for (const [name, { value, type }] of Object.entries(this.#node._def.defaults)) {
        if (this.#node[name] !== undefined || type || typeof value !== 'string') continue;
        field(name).val((this.#node.version === 1 && BEFORE[name]) || value);
      }
    }

    #changed() {
      this.#showFields();
      for (const name of NEXT_LESSON) {
        this.#sayNext(field(name).closest('.form-row'), valueOf(name) !== this.#before[name], name);
      }
      this.#estimate();
    }

    #showFields() {
      const isSignals = valueOf('looks') === 'signals';
      this.#part('of-pictures').toggle(!isSignals);
      this.#part('of-signals').toggle(isSignals);
      this.#part('from-folder').toggle(valueOf('teaching') === 'folder');
      this.#part('from-line').toggle(valueOf('teaching') === 'first-parts');
      this.#part('from-machine').toggle(valueOf('signalTeaching') === 'first-parts');
      this.#part('from-file').toggle(valueOf('signalTeaching') === 'file');
      this.#part('of-backbone').toggle(valueOf('backbone').trim() !== '');
      this.#part('tiled').toggle(valueOf('tiles'));
      this.#part('whole').toggle(!valueOf('tiles'));
      this.#part('aligned').toggle(valueOf('align') !== 'off');
      this.#part('trended').toggle(valueOf('trend'));
      this.#part('turned').toggle(valueOf('align') === 'turn');
      if (!isSignals) this.#areas.refresh();
    }

    /** Says below a row that what was changed in it does not change the model that serves. */
    #sayNext(row, isChanged, name = 'areas') {
      row.find(`.jidoka-next[data-of="${name}"]`).remove();
      if (!isChanged || row.find('.jidoka-next').length > 0) return;
      const text = this.#text('nextLesson.hint');
      $('<p>', { class: 'jidoka-hint jidoka-next', 'data-of': name, text }).appendTo(row);
    }

    /** What scoring will take with the sizes as they are typed. */
    #estimate() {
      clearTimeout(this.#typing);
      if (valueOf('looks') === 'signals') return;
      const sizes = { tiles: valueOf('tiles') };
      for (const name of SIZES) sizes[name] = valueOf(name);
      this.#typing = setTimeout(() => void this.#ask(sizes), TYPING_MS);
    }

    async #ask(sizes) {
      const ask = (this.#asked += 1);
      const place = this.#part('cost');
      const wrong = this.#wrongSize(sizes);
      if (wrong !== undefined) {
        place.text(wrong).addClass('jidoka-fault');
        return;
      }
      try {
        const { width, height, tiles, ms, megabytes, fileMegabytes } = await this.#runtime.post(
          'cost',
          sizes,
        );
        if (ask !== this.#asked) return;
        const figure = (value) => Jidoka.numberText(value, 2);
        const figures = {
          ...{ width, height, tiles },
          ...{ ms: figure(ms), memory: figure(megabytes), file: figure(fileMegabytes) },
        };
        place.text(this.#text('cost.estimate', figures)).removeClass('jidoka-fault');
      } catch ({ message }) {
        if (ask === this.#asked) place.text(message).addClass('jidoka-fault');
      }
    }

    /** What the editor says of a size as it is typed; undefined where nothing is wrong. */
    #wrongSize(sizes) {
      const typed = Object.assign(Object.create(this.#node), sizes, { looks: 'pictures' });
      const { defaults } = this.#node._def;
      return SIZES.map((name) => defaults[name].validate?.call(typed, sizes[name], {})).find(
        (said) => typeof said === 'string',
      );
    }

    /** The methods of signals are ticked; what is saved is their names. */
    #tickMethods() {
      const boxes = this.#part('methods').find('input');
      const chosen = valueOf('methods').split(',');
      boxes.each((_, box) => {
        box.checked = chosen.includes(box.value);
      });
      boxes.on('change', () => {
        const names = boxes.toArray().filter(({ checked }) => checked);
        field('methods')
          .val(names.map(({ value }) => value).join(','))
          .trigger('change');
        this.#part('methods').toggleClass('input-error', names.length === 0);
      });
    }

    #offerBackbones() {
      new Jidoka.ModelPicker({
        view: {
          toggle: this.#part('pick'),
          panel: this.#part('picker'),
          search: this.#part('picker-search'),
          list: this.#part('picker-list'),
          note: this.#part('picker-note'),
        },
        text: this.#text,
        chosen: (path) => {
          if (path === undefined) return valueOf('backbone');
          field('backbone').val(path).trigger('change');
        },
      });
    }
  };
})();
