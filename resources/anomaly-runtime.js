/* What the dialog of anomaly-score asks of the runtime, and of a person before something is changed. */
(function () {
  'use strict';
  const Jidoka = (window.Jidoka = window.Jidoka || {});

  Jidoka.AnomalyRuntime = class AnomalyRuntime {
    #base;
    #text;

    constructor(nodeId, text) {
      this.#base = `jidoka/anomaly/${encodeURIComponent(nodeId)}`;
      this.#text = text;
    }

    get(path) {
      return this.#ask({ url: `${this.#base}/${path}`, dataType: 'json', cache: false });
    }

    post(path, body) {
      const data = JSON.stringify(body);
      return this.#ask({
        url: `${this.#base}/${path}`,
        method: 'POST',
        data,
        contentType: 'application/json',
        dataType: 'json',
      });
    }

    /** Shows a picture of the runtime in an `img`; one that cannot be had stays empty, with its name. */
    async show(image, path) {
      try {
        const blob = await this.#ask({ url: `${this.#base}/${path}`, xhrFields: { responseType: 'blob' } });
        const url = URL.createObjectURL(blob);
        image.one('load error', () => URL.revokeObjectURL(url)).attr('src', url);
      } catch {
        image.attr('data-missing', 'true');
      }
    }

    #ask(options) {
      return new Promise((resolve, reject) => {
        $.ajax(options)
          .done(resolve)
          .fail((xhr) => reject(Jidoka.problemOf(xhr, this.#text)));
      });
    }
  };

  /**
   * Asks for a yes and a reason in a row after `anchor`; resolves to the reason, or to undefined when the person
   * thinks better of it. The focus goes back to where it was.
   */
  Jidoka.askReason = (anchor, { question, action, text }) => {
    $('.jidoka-confirm').trigger('jidoka:cancel');
    const before = document.activeElement;
    const reason = $('<input>', {
      type: 'text',
      maxlength: 200,
      placeholder: text('confirm.reason'),
      'aria-label': text('confirm.reason'),
    });
    const yes = $('<button>', { type: 'button', class: 'red-ui-button jidoka-yes', text: action });
    const no = $('<button>', { type: 'button', class: 'red-ui-button', text: text('confirm.cancel') });
    const row = $('<div>', { class: 'jidoka-confirm', role: 'group', 'aria-label': question }).append(
      $('<p>', { text: question }),
      $('<div>').append(reason, yes, no),
    );
    const typed = () => String(reason.val()).trim();
    const allow = () => yes.prop('disabled', typed().length < 3);
    allow();
    row.insertAfter(anchor);
    reason.trigger('focus');
    return new Promise((resolve) => {
      const end = (answer) => {
        row.remove();
        if (before?.isConnected) before.focus();
        resolve(answer);
      };
      reason.on('input', allow);
      row.on('jidoka:cancel', () => end(undefined));
      no.on('click', () => end(undefined));
      yes.on('click', () => end(typed()));
      row.on('keydown', (event) => {
        if (event.key !== 'Escape' && event.key !== 'Enter') return;
        if (event.key === 'Enter' && event.target !== reason[0]) return;
        // Not the whole dialog.
        event.stopPropagation();
        event.preventDefault();
        if (event.key === 'Escape') end(undefined);
        else if (typed().length >= 3) end(typed());
      });
    });
  };
})();
