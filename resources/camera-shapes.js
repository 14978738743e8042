/* Outlines of regions: lists of `[x, y]` in pixels. */
(function () {
  'use strict';
  const Jidoka = (window.Jidoka = window.Jidoka || {});

  function rectangle([x1, y1], [x2, y2]) {
    const [left, right] = [Math.min(x1, x2), Math.max(x1, x2)];
    const [top, bottom] = [Math.min(y1, y2), Math.max(y1, y2)];
    return [
      [left, top],
      [right, top],
      [right, bottom],
      [left, bottom],
    ];
  }

  function bounds(points) {
    const xs = points.map(([x]) => x);
    const ys = points.map(([, y]) => y);
    return [Math.min(...xs), Math.min(...ys), Math.max(...xs), Math.max(...ys)];
  }

  /** Four points that are the corners of an upright rectangle, in whichever order. */
  function isRectangle(points) {
    if (points.length !== 4) return false;
    const [left, top, right, bottom] = bounds(points);
    const corners = new Set(points.map(([x, y]) => `${x},${y}`));
    return rectangle([left, top], [right, bottom]).every(([x, y]) => corners.has(`${x},${y}`));
  }

  /** `10,20 30,40 10,40` as points; undefined when it is none. */
  function parsePoints(typed) {
    const pairs = typed.trim().split(/[\s;]+/);
    const fine = pairs.length >= 3 && pairs.every((pair) => /^-?\d+([.]\d+)?,-?\d+([.]\d+)?$/.test(pair));
    return fine ? pairs.map((pair) => pair.split(',').map(Number)) : undefined;
  }

  function area(points) {
    return Math.abs(
      points.reduce((sum, [x, y], index) => {
        const [nextX, nextY] = points[(index + 1) % points.length];
        return sum + x * nextY - nextX * y;
      }, 0) / 2,
    );
  }

  Jidoka.shapes = { rectangle, bounds, isRectangle, parsePoints, area };
})();
