/* Figures as the reader of the editor writes them; for every dialog. */
(function () {
  'use strict';
  const Jidoka = (window.Jidoka = window.Jidoka || {});

  /** A number as the reader of the editor writes it, with so many digits that count. */
  Jidoka.numberText = (value, digits) => {
    return value.toLocaleString(window.RED.i18n.lang(), {
      maximumSignificantDigits: digits,
      useGrouping: false,
    });
  };

  /** A share of one. */
  Jidoka.percent = (share) => {
    const digits = share >= 0.995 || share < 0.1 ? 1 : 0;
    const options = { minimumFractionDigits: digits, maximumFractionDigits: digits };
    return `${(100 * share).toLocaleString(window.RED.i18n.lang(), options)} %`;
  };

  /** Bytes for people. */
  Jidoka.bytesText = (bytes) => {
    if (bytes < 1024) return `${bytes} B`;
    const [value, unit] = bytes < 1024 ** 2 ? [bytes / 1024, 'kB'] : [bytes / 1024 ** 2, 'MB'];
    return `${Jidoka.numberText(value, value < 10 ? 2 : 3)} ${unit}`;
  };
})();
