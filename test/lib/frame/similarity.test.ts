import assert from 'node:assert/strict';
import fc from 'fast-check';
import { after, inverseOf, movedBox, movedPoint, type Point } from '../../../lib/frame/similarity.ts';

const number = (from: number, to: number) => fc.double({ min: from, max: to, noNaN: true });
const similarity = fc.record({
  x: number(-50, 50),
  y: number(-50, 50),
  angle: number(-40, 40),
  scale: number(0.8, 1.25),
});
const point = fc.tuple(number(0, 640), number(0, 480));
const FRAME = { width: 640, height: 480 };

function assertNear([x, y]: Point, [otherX, otherY]: Point): void {
  assert.ok(Math.hypot(x - otherX, y - otherY) < 1e-6, `${x},${y} is not ${otherX},${otherY}`);
}

describe('similarity', () => {
  it('turns clockwise about the middle as one sees it', () => {
    const turned = movedPoint([640, 240], { x: 0, y: 0, angle: 90, scale: 0.5 }, FRAME);
    assertNear(turned, [320, 240 + 160]);
  });

  it('has a way back', () => {
    fc.assert(
      fc.property(similarity, point, (move, at) => {
        assertNear(movedPoint(movedPoint(at, move, FRAME), inverseOf(move), FRAME), at);
      }),
    );
  });

  it('is one after the other', () => {
    fc.assert(
      fc.property(similarity, similarity, point, (first, second, at) => {
        const both = movedPoint(at, after(second, first), FRAME);
        assertNear(both, movedPoint(movedPoint(at, first, FRAME), second, FRAME));
      }),
    );
  });

  it('keeps every point of a box that stays in the frame in its upright box', () => {
    const share = number(0, 1);
    fc.assert(
      fc.property(similarity, point, point, share, share, (move, one, other, across, down) => {
        const [left, top] = [Math.min(one[0], other[0]), Math.min(one[1], other[1])];
        const [width, height] = [Math.abs(one[0] - other[0]), Math.abs(one[1] - other[1])];
        const [x, y] = movedPoint([left + across * width, top + down * height], move, FRAME);
        const [boxX, boxY, boxWidth, boxHeight] = movedBox([left, top, width, height], move, FRAME);
        assert.ok(boxX >= 0 && boxY >= 0 && boxX + boxWidth <= 640 + 1e-9 && boxY + boxHeight <= 480 + 1e-9);
        if (x < 0 || y < 0 || x > 640 || y > 480) return;
        assert.ok(x >= boxX - 1e-6 && x <= boxX + boxWidth + 1e-6);
        assert.ok(y >= boxY - 1e-6 && y <= boxY + boxHeight + 1e-6);
      }),
    );
  });
});
