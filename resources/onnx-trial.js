/*
 * A model on trial for the dialog of onnx-infer-gpu: the runtime opens it with the settings as they are
 * typed, and lets it go with the dialog. Whoever closes the dialog while it loads has given it up.
 */
(function () {
  'use strict';
  const Jidoka = (window.Jidoka = window.Jidoka || {});

  const PATH = 'jidoka/onnx-infer-gpu/trials';
  /** While the model loads. */
  const POLL_MS = 300;
  /** Afterwards, so that the runtime knows that somebody is there. */
  const HEARTBEAT_MS = 4000;

  Jidoka.ModelTrial = class ModelTrial {
    #text;
    #settings;
    #onState;
    /** Random, so that the runtime keeps one trial for this dialog. */
    #dialog = Math.random().toString(36).slice(2);
    /** Counts trials: what belongs to an earlier one is not heeded. */
    #run = 0;
    #id;
    #opened;
    /** The settings that is opened with, as text. */
    #openedWith;

    /**
     * @param text gives the text of a key
     * @param settings gives the fields as typed
     * @param onState called with `{state: 'loading', ms}`, `{state: 'ready', card}`, `{state: 'failed', problem}`
     */
    constructor({ text, settings, onState }) {
      this.#text = text;
      this.#settings = settings;
      this.#onState = onState;
    }

    /** True while a model is open or being opened. */
    get running() {
      return this.#opened !== undefined;
    }

    /** Opens the model with the settings as they are now; resolves when it is ready, else to undefined. */
    open() {
      this.close();
      const run = this.#run;
      const opened = this.#open(run).catch((problem) => {
        if (this.#run !== run) return undefined;
        this.#leave();
        this.#onState({ state: 'failed', problem });
        return undefined;
      });
      this.#opened = opened;
      return opened;
    }

    close() {
      this.#run += 1;
      this.#leave();
    }

    /** Which provider ran which part; rejects with the problem. */
    prove() {
      return this.#use((id) => this.#ask({ method: 'POST', url: `${PATH}/${id}/prove`, data: {} }));
    }

    /** What the model says of the last picture of a node, or of a file; rejects with the problem. */
    look({ node, file }) {
      return this.#use(async (id) => {
        const result = await (file === undefined
          ? this.#ask({ method: 'POST', url: `${PATH}/${id}/look`, data: { node } })
          : this.#ask({
              method: 'POST',
              url: `${PATH}/${id}/picture`,
              file,
            }));
        const picture = await this.#ask({ url: `${PATH}/${id}/picture`, isPicture: true });
        const mask = result.hasMask
          ? await this.#ask({ url: `${PATH}/${id}/mask`, isPicture: true })
          : undefined;
        return { ...result, picture, mask };
      });
    }

    /** The model with the settings as they are now: what was opened with others answers for others. */
    #current() {
      const isCurrent = this.#opened !== undefined && this.#openedWith === JSON.stringify(this.#settings());
      return isCurrent ? this.#opened : this.open();
    }

    /** Opens the model where it is not; once more where the runtime has let go of it. */
    async #use(request) {
      const ready = await this.#current();
      if (ready === undefined) return undefined;
      const id = this.#id;
      try {
        return await request(id);
      } catch (problem) {
        if (problem.status !== 404 || problem.message !== 'this trial has ended') throw problem;
        // It may have given way to one with other settings meanwhile.
        const again = await (this.#id === id ? this.open() : this.#current());
        return again === undefined ? undefined : await request(this.#id);
      }
    }

    #leave() {
      const id = this.#id;
      this.#id = this.#opened = undefined;
      if (id) void this.#ask({ method: 'POST', url: `${PATH}/${id}/close`, data: {} }).catch(() => undefined);
    }

    async #open(run) {
      this.#onState({ state: 'loading', ms: 0 });
      const settings = this.#settings();
      this.#openedWith = JSON.stringify(settings);
      const data = { ...settings, dialog: this.#dialog };
      const { id } = await this.#ask({ method: 'POST', url: PATH, data });
      if (this.#run !== run) {
        await this.#ask({ method: 'POST', url: `${PATH}/${id}/close`, data: {} });
        return undefined;
      }
      this.#id = id;
      for (;;) {
        const state = await this.#ask({ url: `${PATH}/${id}` });
        if (this.#run !== run) return undefined;
        if (state.state === 'failed') throw state.problem;
        this.#onState(state);
        if (state.state === 'ready') {
          void this.#stay(run, id);
          return state.card;
        }
        await new Promise((resolve) => setTimeout(resolve, POLL_MS));
      }
    }

    async #stay(run, id) {
      for (;;) {
        await new Promise((resolve) => setTimeout(resolve, HEARTBEAT_MS));
        if (this.#run !== run || this.#id !== id) return;
        // Where the runtime does not know it any more, the next request opens it anew.
        await this.#ask({ url: `${PATH}/${id}` }).catch(() => undefined);
      }
    }

    #ask({ data, file, isPicture, ...options }) {
      const body = data && { data: JSON.stringify(data), contentType: 'application/json' };
      const upload = file && {
        data: file,
        processData: false,
        contentType: file.type.startsWith('image/') ? file.type : 'application/octet-stream',
      };
      const picture = isPicture && { cache: false, xhrFields: { responseType: 'blob' } };
      return new Promise((resolve, reject) => {
        $.ajax({ ...options, ...body, ...upload, ...picture })
          .done(resolve)
          .fail((xhr) => reject(Jidoka.problemOf(xhr, this.#text)));
      });
    }
  };
})();
