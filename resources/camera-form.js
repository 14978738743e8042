/*
 * The form of camera-capture: shows the fields of the chosen source, searches for cameras, and
 * brings picture, regions and health bars together with the fields.
 */
(function () {
  'use strict';
  const Jidoka = (window.Jidoka = window.Jidoka || {});

  /** Sources from which pictures come without being asked for. */
  const LIVE = ['http-mjpeg', 'rtsp', 'gige', 'usb', 'video', 'mqtt'];
  /** Those of them that may send only when a part passes. */
  const SENT_ALONG = ['http-mjpeg', 'mqtt'];
  const CREDENTIALS = ['user', 'password'];
  /** Fields that say nothing of the picture. */
  const UNSEEN = [
    'version',
    'name',
    'station',
    'trigger',
    'intervalMs',
    'deadlineMs',
    'whenBusy',
    'queueLength',
  ];
  const TYPING_MS = 700;

  function field(name) {
    return $(`#node-input-${name}`);
  }

  function typed(name) {
    const input = field(name);
    return input.is('[type=checkbox]') ? input.prop('checked') : String(input.val() ?? '');
  }

  /** A live camera, whose pictures may be dropped for newer ones; `valueOf` gives the value of a field. */
  function isLive(valueOf) {
    const source = valueOf('source');
    if (source === 'gige') return valueOf('cameraTrigger') !== 'software';
    return SENT_ALONG.includes(source) ? valueOf('watchdog') : ['rtsp', 'usb'].includes(source);
  }

  /** True when pictures come without being asked for; `valueOf` gives the value of a field. */
  Jidoka.bringsImages = (valueOf) => {
    const source = valueOf('source');
    if (source === 'folder') return valueOf('folderMode') === 'watch';
    return LIVE.includes(source) && !(source === 'gige' && valueOf('cameraTrigger') === 'software');
  };

  Jidoka.CameraForm = class CameraForm {
    #node;
    #root;
    #preview;
    #regions;
    #bars;
    #observer;
    #typing;

    /** `node` is the node being edited. */
    constructor(node) {
      this.#node = node;
      this.#fillIn();
      this.#root = $('.jidoka-camera');
      const text = (key, values) => node._(`camera-capture.${key}`, values);
      const part = (name) => this.#root.find(`.jidoka-${name}`);
      this.#bars = new Jidoka.HealthBars({ root: part('health'), findings: part('findings'), text });
      this.#regions = new Jidoka.RegionEditor({
        svg: part('stage').find('svg'),
        list: part('regions'),
        buttons: {
          rectangle: part('draw-rectangle'),
          polygon: part('draw-polygon'),
          add: part('add-region'),
          hint: part('draw-hint'),
        },
        text,
        regions: node.regions,
      });
      this.#preview = new Jidoka.CameraPreview({
        view: {
          stage: part('stage'),
          frame: part('frame'),
          image: part('stage').find('img'),
          notice: part('notice'),
          badge: part('badge'),
          facts: part('facts'),
          button: part('show-picture'),
        },
        text,
        settings: () => this.#settings(),
        onPicture: (facts) => this.#picture(facts),
        onEnd: () => this.#learned(),
      });
      this.#observer = new ResizeObserver(() => this.#regions.refresh());
      this.#observer.observe(part('frame')[0]);
      this.#root.find('.jidoka-search').each((_, button) => this.#searchable($(button), text));
      this.#baseline(part, text);
      this.#root.on('change', 'input, select', () => this.#showFields());
      field('source').on('change', ({ originalEvent }) => {
        // Most cameras on a broker publish when a part passes; one that a person chose to watch stays watched.
        if (originalEvent !== undefined) field('watchdog').prop('checked', typed('source') !== 'mqtt');
        // A part by each picture suits a source that brings pictures; of the others a part is asked for.
        if (originalEvent !== undefined && typed('trigger') === 'frame' && !Jidoka.bringsImages(typed)) {
          field('trigger').val('message');
        }
        // Their rules depend on the source.
        field('url').add(field('trigger')).trigger('change');
      });
      this.#root.on('input change', '[id^=node-input-]', ({ target }) => this.#changed(target.id));
      this.#showFields();
    }

    /** A node saved before a field was there has none of its value. */
    #fillIn() {
      for (const [name, { value }] of Object.entries(this.#node._def.defaults)) {
        if (this.#node[name] !== undefined || typeof value === 'object') continue;
        if (typeof value === 'boolean') field(name).prop('checked', value);
        else field(name).val(value);
      }
    }

    /** What is no form field of its own. */
    save() {
      this.#node.regions = this.#regions.regions;
    }

    close() {
      clearTimeout(this.#typing);
      this.#observer.disconnect();
      this.#preview.close();
    }

    /** The configuration as it is typed, with the credentials: a stored password stays where it is. */
    #settings() {
      const settings = { nodeId: this.#node.id };
      for (const name of [...Object.keys(this.#node._def.defaults), ...CREDENTIALS]) {
        if (!UNSEEN.includes(name) && field(name).length > 0) settings[name] = typed(name);
      }
      return settings;
    }

    #showFields() {
      const source = typed('source');
      this.#root.find('[data-sources]').each((_, row) => {
        $(row).toggle($(row).attr('data-sources').split(' ').includes(source));
      });
      const moves = source === 'folder' && typed('folderMode') !== 'cycle';
      this.#root.find('.jidoka-done').toggle(moves);
      const trigger = typed('trigger');
      this.#root.find('.jidoka-interval').toggle(trigger === 'interval');
      this.#root.find('.jidoka-no-frames').toggle(trigger === 'frame' && !Jidoka.bringsImages(typed));
      this.#root.find('.jidoka-live').toggle(isLive(typed));
      this.#root.find('.jidoka-queue').toggle(isLive(typed) && typed('whenBusy') === 'drop-oldest');
      this.#root.find('.jidoka-quality').toggle(['jpeg', 'webp'].includes(typed('encode')));
      this.#root.find('.jidoka-measured').toggle(typed('health'));
      const example = { rtsp: 'rtsp://', mqtt: 'mqtt://' }[source] || 'http://';
      field('url').attr('placeholder', example);
    }

    #changed(id) {
      const name = id.replace('node-input-', '');
      if (UNSEEN.includes(name) || !this.#preview.running) return;
      clearTimeout(this.#typing);
      this.#typing = setTimeout(() => this.#preview.restart(), TYPING_MS);
    }

    #picture(facts) {
      this.#regions.setSize({ width: facts.width, height: facts.height });
      this.#bars.show(facts.measures, facts.findings);
      this.#learned(facts);
    }

    #searchable(button, text) {
      const list = $(button.attr('data-list'));
      const target = field(button.attr('data-field'));
      const kind = button.attr('data-kind');
      const say = (message) => list.empty().append($('<li>').append($('<p>', { text: message })));
      button.on('click', () => {
        button.prop('disabled', true);
        say(text('search.busy'));
        $.getJSON('jidoka/camera-capture/discovery', { kind })
          .done((cameras) => {
            if (cameras.length === 0) {
              say(text(`search.none.${kind}`));
              return;
            }
            list.empty();
            for (const camera of cameras) this.#found(camera, list, target, kind);
          })
          .fail((xhr) => {
            const { code, message, hint } = Jidoka.problemOf(xhr, text);
            say([code, message, hint].filter(Boolean).join(' — '));
          })
          .always(() => button.prop('disabled', false));
      });
    }

    #found({ id, name, address, modes }, list, target, kind) {
      const details = [id === name ? undefined : id, address].filter(Boolean).join(' · ');
      const button = $('<button>', { type: 'button', 'aria-pressed': String(target.val() === id) })
        .append($('<span>', { text: name }), $('<small>', { text: details }))
        .on('click', () => {
          list.find('button').attr('aria-pressed', 'false');
          button.attr('aria-pressed', 'true');
          target.val(id).trigger('change');
          if (kind === 'usb') this.#offerModes(modes || []);
        });
      $('<li>').append(button).appendTo(list);
      if (kind === 'usb' && target.val() === id) this.#offerModes(modes || []);
    }

    #offerModes(modes) {
      const list = $('#jidoka-usb-modes').empty();
      for (const mode of modes) $('<option>', { value: mode }).appendTo(list);
    }

    #baseline(part, text) {
      const state = part('baseline-state');
      const show = () => {
        const kept = typed('baseline') !== '';
        state.text(text(kept ? 'baseline.kept' : 'baseline.none'));
        part('forget').toggle(kept);
      };
      let isLearning = false;
      this.#learned = ({ learning, baseline } = {}) => {
        part('learn').prop('disabled', Boolean(learning));
        if (baseline) field('baseline').val(baseline);
        if (learning) state.text(text('baseline.learning', learning));
        else if (isLearning || baseline) show();
        isLearning = Boolean(learning);
        if (baseline) this.#preview.restart();
      };
      part('learn').on('click', () => this.#preview.learn());
      part('forget').on('click', () => {
        field('baseline').val('');
        show();
        this.#preview.restart();
      });
      show();
    }

    /** Told with each picture how far a baseline is; nothing is learned any more without. */
    #learned = () => undefined;
  };
})();
