/*
 * Gives the editor's own widgets in a dialog the names that a screen reader needs: a typed input that of the label of the
 * field it stands for, a row's remove button what it does.
 */
(function () {
  'use strict';
  const Jidoka = (window.Jidoka = window.Jidoka || {});

  const text = (key) => RED._(`@jidoka/node-red/jidoka-editor:${key}`);
  const UNNAMED = ':not([aria-label]):not([aria-labelledby])';
  const WIDGETS = ['.red-ui-typedInput-input', '.red-ui-autoComplete']
    .map((widget) => widget + UNNAMED)
    .join(',');
  const REMOVES = `.red-ui-editableList-item-remove${UNNAMED}`;

  /** What the label beside a widget says; in a row of a list, what its own field says. */
  function nameOf(widget) {
    const field = $(widget).closest('.red-ui-typedInput-container').prev('.red-ui-typedInput');
    const named = [field.attr('id'), widget.id]
      .filter(Boolean)
      .map((id) => $(`label[for="${$.escapeSelector(id)}"]`).text());
    const row = $(widget).closest('.form-row').find('label').first().text();
    return [...named, field.attr('placeholder'), widget.placeholder, row]
      .map((name) => name?.trim())
      .find(Boolean);
  }

  function nameAll(stack) {
    for (const widget of stack.querySelectorAll(WIDGETS)) {
      const name = nameOf(widget);
      if (name) widget.setAttribute('aria-label', name);
    }
    for (const button of stack.querySelectorAll(REMOVES))
      button.setAttribute('aria-label', text('widget.remove'));
  }

  Jidoka.addWidgetNames = () => {
    const stack = document.getElementById('red-ui-editor-stack');
    new window.MutationObserver(() => nameAll(stack)).observe(stack, { childList: true, subtree: true });
  };
})();
