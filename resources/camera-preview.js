/*
 * The live picture in the dialog of camera-capture: asks the runtime for a preview with the settings
 * as they are typed, shows two pictures a second while somebody looks, and says what is wrong when
 * there is none. It ends with the dialog, and rests while the browser's tab is hidden.
 */
(function () {
  'use strict';
  const Jidoka = (window.Jidoka = window.Jidoka || {});

  const PATH = 'jidoka/camera-capture/previews';
  const PERIOD_MS = 500;
  const RETRY_MS = 1000;
  /** Pixels of the line under the picture. */
  const FACTS_HEIGHT = 34;
  /** Nothing changes by asking again: the settings, the permission or the number of previews is wrong. */
  const FINAL = [400, 401, 403, 413, 429];
  /** Nor by asking the camera again, which may lock a person out who gives a wrong password too often. */
  const FINAL_CODES = ['CAMERA_REFUSED', 'LIBRARY_MISSING'];

  function isFinal({ code, status }) {
    return FINAL.includes(status) || FINAL_CODES.includes(code);
  }

  Jidoka.CameraPreview = class CameraPreview {
    #view;
    #text;
    #settings;
    #onPicture;
    #onEnd;
    /** Random, so that the runtime keeps one preview for this dialog. */
    #dialog = Math.random().toString(36).slice(2);
    /** Counts starts and stops: a loop of an earlier one ends when it sees another number. */
    #run = 0;
    #wanted = false;
    #id;
    #imageUrl;
    #learning = false;
    #attempts = 0;
    #shownAt = [];
    #onVisibility = () => this.#lookAway();

    /**
     * @param view jQuery elements: stage, image, notice, badge, facts, button
     * @param text gives the text of a key
     * @param settings gives the fields as typed
     * @param onPicture called with what the runtime says of each picture
     * @param onEnd called when a preview ends, and what it was learning with it
     */
    constructor({ view, text, settings, onPicture, onEnd }) {
      this.#view = view;
      this.#text = text;
      this.#settings = settings;
      this.#onPicture = onPicture;
      this.#onEnd = onEnd;
      view.button.on('click', () => (this.#wanted ? this.stop() : this.start()));
      document.addEventListener('visibilitychange', this.#onVisibility);
      this.#show('idle');
    }

    get running() {
      return this.#wanted;
    }

    start() {
      this.#wanted = true;
      this.#attempts = 0;
      this.#begin();
      this.#reveal();
    }

    /** With other settings, where it is running. */
    restart() {
      if (!this.#wanted) return;
      this.#end();
      this.#begin();
    }

    stop() {
      this.#wanted = false;
      this.#end();
      this.#show('idle');
    }

    close() {
      document.removeEventListener('visibilitychange', this.#onVisibility);
      this.#wanted = false;
      this.#end();
      if (this.#imageUrl) URL.revokeObjectURL(this.#imageUrl);
    }

    /** Asks the runtime to learn from the next pictures what is normal. */
    learn() {
      this.#learning = true;
      if (!this.#wanted) this.start();
    }

    /** Scrolls so that the whole picture is seen, where it fits; sideways nothing may move. */
    #reveal() {
      const stage = this.#view.stage[0];
      const scrolls = (each) =>
        /auto|scroll/.test($(each).css('overflow-y')) && each.scrollHeight > each.clientHeight;
      const body = $(stage)
        .parents()
        .toArray()
        .find((each) => scrolls(each));
      if (!body) return;
      const [inner, outer] = [stage.getBoundingClientRect(), body.getBoundingClientRect()];
      const below = inner.bottom + FACTS_HEIGHT - outer.bottom;
      if (below > 0) body.scrollTop += Math.min(below, inner.top - outer.top);
    }

    #lookAway() {
      if (!this.#wanted) return;
      if (document.hidden) this.#end();
      else this.#begin();
    }

    #begin() {
      const run = (this.#run += 1);
      this.#shownAt = [];
      this.#show('connecting');
      void this.#loop(run);
    }

    #forget() {
      this.#id = undefined;
      this.#onEnd();
    }

    #end() {
      this.#run += 1;
      const id = this.#id;
      this.#forget();
      if (id) void this.#ask({ method: 'POST', url: `${PATH}/${id}/close`, data: {} }).catch(() => undefined);
    }

    async #loop(run) {
      while (this.#run === run) {
        const startedAt = performance.now();
        let waitMs = PERIOD_MS;
        try {
          if (!this.#id) await this.#open(run);
          if (this.#learning) {
            await this.#ask({ method: 'POST', url: `${PATH}/${this.#id}/baseline`, data: {} });
            this.#learning = false;
          }
          const facts = await this.#ask({ url: `${PATH}/${this.#id}` });
          const picture = await this.#ask({
            url: `${PATH}/${this.#id}/picture`,
            cache: false,
            xhrFields: { responseType: 'blob' },
          });
          if (this.#run !== run) return;
          await this.#display(facts, picture);
        } catch (problem) {
          if (this.#run !== run) return;
          // The preview has ended, because of a deploy or of a rest: the next round opens another.
          if (problem.status === 404) this.#forget();
          else this.#fail(problem);
          if (isFinal(problem)) {
            this.#wanted = false;
            this.#end();
            this.#button();
            return;
          }
          waitMs = RETRY_MS;
        }
        const spentMs = performance.now() - startedAt;
        await new Promise((resolve) => setTimeout(resolve, Math.max(0, waitMs - spentMs)));
      }
    }

    async #open(run) {
      const data = { ...this.#settings(), dialog: this.#dialog };
      const { id } = await this.#ask({ method: 'POST', url: PATH, data });
      if (this.#run === run) this.#id = id;
      else await this.#ask({ method: 'POST', url: `${PATH}/${id}/close`, data: {} });
    }

    #ask({ data, ...options }) {
      const body = data && { data: JSON.stringify(data), contentType: 'application/json' };
      return new Promise((resolve, reject) => {
        $.ajax({ ...options, ...body })
          .done(resolve)
          .fail((xhr) => reject(Jidoka.problemOf(xhr, this.#text)));
      });
    }

    async #display(facts, picture) {
      const { image } = this.#view;
      const before = this.#imageUrl;
      const isFirst = before === undefined;
      this.#imageUrl = URL.createObjectURL(picture);
      image[0].src = this.#imageUrl;
      // Painted before the old one is let go, so that the picture does not flicker.
      await image[0].decode().catch(() => undefined);
      if (before) URL.revokeObjectURL(before);
      this.#attempts = 0;
      this.#shownAt = [...this.#shownAt, performance.now()].slice(-6);
      this.#show('live', facts);
      this.#onPicture(facts);
      if (isFirst) this.#reveal();
    }

    #fail(problem) {
      this.#attempts += 1;
      this.#shownAt = [];
      this.#show('lost', problem);
    }

    #button() {
      const { button } = this.#view;
      const key = this.#wanted ? 'preview.stop' : 'preview.show';
      button.find('i').attr('class', this.#wanted ? 'fa fa-stop' : 'fa fa-play');
      button.find('span').text(this.#text(key));
    }

    #show(state, details) {
      const { stage, notice, badge } = this.#view;
      stage.attr('data-state', state).toggleClass('jidoka-has-picture', Boolean(this.#imageUrl));
      this.#view.frame.toggle(Boolean(this.#imageUrl));
      this.#button();
      notice.toggle(state !== 'live' && !(state === 'idle' && Boolean(this.#imageUrl)));
      badge.toggle(state === 'live');
      // The age of a picture that is no longer live would be a lie.
      if (state !== 'live') this.#view.facts.text('');
      if (state === 'idle') this.#note('fa-picture-o', [['p', this.#text('preview.none')]]);
      else if (state === 'connecting') {
        this.#note('fa-circle-o-notch fa-spin', [['p', this.#text('preview.connecting')]]);
      } else if (state === 'lost') this.#noteProblem(details);
      else this.#state(details);
    }

    #noteProblem(problem) {
      const { code, message, hint } = problem;
      const again = isFinal(problem)
        ? this.#text('preview.again')
        : this.#text('preview.reconnecting', { count: this.#attempts });
      const lines = [
        ['strong', code],
        ['span', message, 'jidoka-message'],
      ];
      // A command to be typed is easier copied when it stands alone.
      const usual = code === 'CAMERA_LOST' ? this.#text('preview.lostHint') : '';
      const [advice, command] = (hint || usual).split(/(?=\bsudo apt|\bapt-get |\bapt )/);
      if (advice) lines.push(['span', advice.trim()]);
      if (command) lines.push(['code', command.trim().replace(/[.]$/, '')]);
      lines.push(['em', again]);
      this.#note('fa-chain-broken', lines);
    }

    #note(icon, lines) {
      const { notice } = this.#view;
      notice.empty().append($('<i>', { class: `fa ${icon}`, 'aria-hidden': 'true' }));
      for (const [tag, content, className] of lines) {
        $(`<${tag}>`, { class: className, text: content }).css('margin', 0).appendTo(notice);
      }
    }

    #state({ width, height, format, ageMs, held }) {
      const { badge, facts } = this.#view;
      badge
        .text(this.#text(held ? 'preview.held' : 'preview.live'))
        .toggleClass('jidoka-held', Boolean(held));
      const times = this.#shownAt;
      const spanMs = times.length > 1 ? times[times.length - 1] - times[0] : 0;
      const rate = spanMs > 0 ? ((times.length - 1) * 1000) / spanMs : 0;
      const age = ageMs < 10_000 ? `${Math.round(ageMs)} ms` : `${Math.round(ageMs / 1000)} s`;
      const parts = [`${width} × ${height} px`, format.toUpperCase(), this.#text('preview.age', { age })];
      if (rate > 0) parts.push(this.#text('preview.rate', { rate: rate.toFixed(1) }));
      facts.text(parts.join(' · '));
    }
  };
})();
