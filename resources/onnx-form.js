/*
 * The form of onnx-infer-gpu: shows the fields of the chosen task, and brings the list of models, the model
 * card, the providers and the live test together with the fields.
 */
(function () {
  'use strict';
  const Jidoka = (window.Jidoka = window.Jidoka || {});

  const PROVIDERS = ['cpu', 'webgpu', 'cuda', 'tensorrt', 'coreml', 'dml'];
  /** Fields that change nothing of what the model says. */
  const UNSEEN = [
    'version',
    'name',
    'station',
    'queue',
    'queueLength',
    'follow',
    'lookAt',
    'lookLabels',
    'lookMargin',
  ];
  /** What a limit is where neither the field nor the bundle says one, as the heads have it. */
  const USUAL = { confidence: 0.3, iou: 0.45, topK: 5, threshold: 0.5 };
  /** Fields for how outputs are read that a head may have or not; their classes are no part of the card. */
  const READ_FIELDS = [
    ...Object.keys(USUAL),
    'minArea',
    'names',
    'units',
    'mapOutput',
    'scoreOutput',
    'level',
    'output',
    'outputs',
  ];
  /** Options of heads whose fields are called otherwise. */
  const HEAD_FIELDS = { map: 'mapOutput', score: 'scoreOutput' };
  const TYPING_MS = 700;
  const MAX_PICTURE_BYTES = 8 * 1024 * 1024;
  /** Saved by a node from before these fields were there. */
  const BEFORE = { task: 'detect' };

  function field(name) {
    return $(`#node-input-${name}`);
  }

  function typed(name) {
    const input = field(name);
    return input.is('[type=checkbox]') ? input.prop('checked') : String(input.val() ?? '');
  }

  Jidoka.ModelForm = class ModelForm {
    #node;
    #root;
    #text;
    #trial;
    #card;
    #drawing;
    #providers;
    #typing;
    /** The settings as they were last seen, as text: an event does not say that anything is different. */
    #seen;
    /** What the runtime says of the model the fields name. */
    #known;
    #isClosed = false;

    /** `node` is the node being edited. */
    constructor(node) {
      this.#node = node;
      this.#root = $('.jidoka-onnx');
      const text = (key, values) => node._(`onnx-infer-gpu.${key}`, values);
      this.#text = text;
      this.#fillIn();
      this.#listProviders(node.providers || ['cpu']);
      this.#card = new Jidoka.ModelCard({ root: this.#part('card'), text });
      this.#drawing = new Jidoka.PredictionDrawing(this.#part('drawing')[0]);
      this.#trial = new Jidoka.ModelTrial({
        text,
        settings: () => this.#settings(),
        onState: (state) => this.#tried(state),
      });
      const picker = {
        toggle: 'pick',
        panel: 'picker',
        search: 'picker-search',
        list: 'picker-list',
        note: 'picker-note',
      };
      new Jidoka.ModelPicker({
        view: Object.fromEntries(Object.entries(picker).map(([name, part]) => [name, this.#part(part)])),
        text,
        chosen: (path) => {
          if (path === undefined) return typed('model');
          field('model').val(path).trigger('change');
          this.#check();
        },
      });
      this.#part('check').on('click', () => this.#check());
      this.#part('use-head').on('click', () => this.#useHead());
      this.#part('prove').on('click', () => this.#prove());
      this.#part('look').on('click', () => this.#look());
      this.#part('file').on('change', () => this.#look(this.#part('file')[0].files[0]));
      this.#part('choose-file').on('click', () => this.#part('file').val('').trigger('click'));
      this.#root.on('change', 'input, select', () => this.#showFields());
      this.#root.on('input change', '[id^=node-input-], .jidoka-providers select', () => this.#changed());
      this.#offerCameras();
      this.#seen = JSON.stringify(this.#settings());
      this.#showFields();
      this.#card.empty(typed('model') !== '');
      this.#askDeployed();
    }

    /** What is no form field of its own. */
    save() {
      this.#node.providers = this.#chosenProviders();
    }

    close() {
      this.#isClosed = true;
      clearTimeout(this.#typing);
      this.#trial.close();
      this.#drawing.close();
    }

    #part(name) {
      return this.#root.find(`.jidoka-${name}`);
    }

    /** A node saved before a field was there has none of its value. */
    #fillIn() {
      for (const [name, { value, type }] of Object.entries(this.#node._def.defaults)) {
        // Node-RED itself says that there is no config node.
        if (this.#node[name] !== undefined || typeof value === 'object' || type) continue;
        if (typeof value === 'boolean') field(name).prop('checked', value);
        else field(name).val(BEFORE[name] ?? value);
      }
    }

    /** The configuration as it is typed. */
    #settings() {
      const settings = { providers: this.#chosenProviders() };
      for (const name of Object.keys(this.#node._def.defaults)) {
        if (!UNSEEN.includes(name) && name !== 'providers' && field(name).length > 0)
          settings[name] = typed(name);
      }
      return settings;
    }

    #showFields() {
      const task = typed('task');
      this.#root.find('[data-tasks]').each((_, row) => {
        $(row).toggle($(row).attr('data-tasks').split(' ').includes(task));
      });
      this.#part('objects').toggle(typed('lookAt') === 'objects');
      this.#part('queue').toggle(typed('queue') !== 'latest-wins');
      this.#part('order').toggle(this.#part('provider-choice').val() === 'order');
      const head = this.#known?.head;
      for (const [name, usual] of Object.entries(USUAL)) {
        field(name).attr('placeholder', Jidoka.numberText(head?.[name] ?? usual, 4));
      }
      const found = task === 'auto' && head !== undefined;
      this.#part('auto').toggle(found);
      if (!found) return;
      this.#part('auto-text').text(this.#text('found', { task: this.#text(`task.${head.task}`) }));
      this.#part('auto-why').text(this.#known.why ?? '');
    }

    /** Puts what was found into the fields, to be changed there. */
    #useHead() {
      // What is left of a model before was not found in this one.
      for (const name of READ_FIELDS) field(name).val('');
      field('normalise').prop('checked', true);
      for (const [name, value] of Object.entries(this.#known.head)) {
        const input = field(HEAD_FIELDS[name] ?? name);
        if (input.is('[type=checkbox]')) input.prop('checked', value);
        // A name with a comma cannot be typed into a list; only a bundle has such, and it says it itself.
        else if (Array.isArray(value))
          input.val(value.some((each) => each.includes(',')) ? '' : value.join(', '));
        else input.val(value);
      }
      field('task').trigger('change');
    }

    // --- providers

    #listProviders(saved) {
      const isAuto = saved.includes('auto');
      this.#part('provider-choice').val(isAuto ? 'auto' : 'order');
      this.#providers = $('#onnx-infer-gpu-providers').editableList({
        sortable: true,
        removable: true,
        height: 120,
        addItem: (row, index, item) => {
          const select = $('<select>', { 'aria-label': this.#text('label.provider') }).css('width', '100%');
          const name = typeof item === 'string' ? item : 'cpu';
          const names = PROVIDERS.includes(name) ? PROVIDERS : [...PROVIDERS, name];
          for (const each of names) $('<option>').val(each).text(each).appendTo(select);
          select.val(name).appendTo(row);
        },
        removeItem: () => this.#changed(),
        sortItems: () => this.#changed(),
      });
      for (const name of isAuto ? ['cpu'] : saved) this.#providers.editableList('addItem', name);
      this.#part('provider-choice').on('change', () => this.#changed());
    }

    #chosenProviders() {
      if (this.#part('provider-choice').val() === 'auto') return ['auto'];
      const rows = this.#providers.editableList('items').toArray();
      return rows.map((row) => $(row).find('select').val());
    }

    // --- the model card

    /** The card of the model the deployed node runs, which costs nothing. */
    #askDeployed() {
      if (typed('model') === '' || this.#node.changed) return;
      const asked = this.#seen;
      $.ajax({ url: `jidoka/onnx-infer-gpu/nodes/${this.#node.id}`, dataType: 'json', cache: false }).done(
        ({ card }) => {
          if (card === null || this.#isClosed || this.#trial.running) return;
          if (this.#known === undefined && this.#seen === asked) this.#know(card, true);
        },
      );
    }

    #know(card, isServing) {
      this.#known = card;
      this.#card.show(card, isServing);
      this.#showFields();
    }

    /** Opens the model as typed. */
    #check() {
      clearTimeout(this.#typing);
      if (typed('model') === '') {
        this.#trial.close();
        this.#card.empty(false);
        return;
      }
      void this.#trial.open();
    }

    /** Where the settings are others now, what was said of those before goes. */
    #changed() {
      const settings = JSON.stringify(this.#settings());
      if (settings === this.#seen) return;
      this.#seen = settings;
      this.#known = undefined;
      this.#card.stale();
      this.#forget();
      clearTimeout(this.#typing);
      if (!this.#trial.running && this.#part('card').attr('data-state') !== 'failed') return;
      this.#typing = setTimeout(() => this.#check(), TYPING_MS);
    }

    /** Empties what the live test and the proof have said. */
    #forget() {
      this.#say($('<p>', { text: this.#text('look.none') }));
      this.#part('shares').hide();
      this.#part('prove-note').empty();
    }

    #tried(state) {
      // It is opened with what the timer would have it opened with.
      clearTimeout(this.#typing);
      const isLoading = state.state === 'loading';
      this.#part('check').prop('disabled', isLoading);
      if (isLoading) this.#card.loading(state.ms);
      else if (state.state === 'ready') this.#know(state.card, false);
      else this.#card.problem(state.problem);
    }

    async #prove() {
      const [button, table, note] = [this.#part('prove'), this.#part('shares'), this.#part('prove-note')];
      this.#changed();
      const asked = this.#seen;
      button.prop('disabled', true);
      note.empty().text(this.#text('prove.busy'));
      try {
        const proof = await this.#trial.prove();
        button.prop('disabled', false);
        if (this.#seen !== asked) return;
        note.empty();
        table.toggle(proof !== undefined);
        if (proof === undefined) note.text(this.#text('prove.none'));
        else Jidoka.showShares(table.find('tbody'), proof.shares);
      } catch (problem) {
        button.prop('disabled', false);
        if (this.#seen !== asked) return;
        table.hide();
        note.empty().append(Jidoka.problemElement(problem));
      }
    }

    // --- the live test

    #offerCameras() {
      const select = this.#part('picture');
      select.append($('<option>', { value: this.#node.id, text: this.#text('look.lastFrame') }));
      window.RED.nodes.eachNode(({ id, type, name }) => {
        if (type !== 'camera-capture') return;
        select.append($('<option>', { value: id, text: this.#text('look.camera', { name: name || id }) }));
      });
    }

    async #look(file) {
      const stage = this.#part('stage');
      if (file && file.size > MAX_PICTURE_BYTES) {
        this.#say(Jidoka.problemElement({ code: 'TOO_LARGE', message: this.#text('look.tooLarge') }));
        return;
      }
      this.#changed();
      const asked = this.#seen;
      // Of other settings than the fields have by now, or of a dialog that is gone.
      const isOutdated = () => this.#isClosed || this.#seen !== asked;
      stage.attr('aria-busy', 'true');
      this.#part('look').add(this.#part('choose-file')).prop('disabled', true);
      try {
        const look = await this.#trial.look(file ? { file } : { node: this.#part('picture').val() });
        if (look === undefined) this.#say($('<p>', { text: this.#text('look.noModel') }));
        else await this.#saw(look);
        if (isOutdated()) this.#forget();
      } catch (problem) {
        if (!isOutdated()) this.#say(Jidoka.problemElement(problem));
      }
      stage.attr('aria-busy', 'false');
      this.#part('look').add(this.#part('choose-file')).prop('disabled', false);
    }

    /** In the place of the picture. */
    #say(content) {
      this.#part('stage').attr('data-state', 'idle');
      this.#part('notice').empty().append(content);
      this.#part('results').empty();
      this.#part('facts').text('');
    }

    async #saw(look) {
      this.#part('stage').attr('data-state', 'seen');
      await this.#drawing.show(look);
      const { width, height, provider, timings, prediction } = look;
      const times = ['decode', 'resize', 'run', 'head', 'total']
        .filter((stage) => timings[stage] !== undefined)
        .map((stage) => `${this.#text(`look.${stage}`)} ${Jidoka.numberText(timings[stage], 3)} ms`);
      this.#part('facts').text([`${width} × ${height} px`, provider, ...times].join(' · '));
      Jidoka.showPrediction(this.#part('results'), prediction, this.#text);
      const count = this.#part('results').children().length;
      this.#part('drawing').attr('aria-label', this.#text('look.drawn', { count }));
    }
  };
})();
