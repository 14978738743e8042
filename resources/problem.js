/* What went wrong with a request to the runtime, in the shape of its errors; for every dialog. */
(function () {
  'use strict';
  const Jidoka = (window.Jidoka = window.Jidoka || {});

  /** `text` gives the text of a key of the node's catalogue. */
  Jidoka.problemOf = (xhr, text) => {
    const { code, message, hint } = xhr.responseJSON || {};
    if (code) return { code, message, hint, status: xhr.status };
    if (xhr.status === 401 || xhr.status === 403) {
      return { code: 'NOT_ALLOWED', message: text('preview.notAllowed'), status: xhr.status };
    }
    return { code: 'NO_ANSWER', message: text('preview.noAnswer'), status: xhr.status };
  };

  /** A problem with what can be done about it; `again` follows where given. */
  Jidoka.problemElement = ({ code, message, hint }, again) => {
    const lines = [$('<strong>', { text: code }), $('<span>', { class: 'jidoka-message', text: message })];
    if (hint) lines.push($('<span>', { text: hint }));
    if (again) lines.push($('<em>', { text: again }));
    return $('<div>', { class: 'jidoka-problem', role: 'alert' }).append(lines);
  };
})();
