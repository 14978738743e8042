/* The charts of the pages: plain SVG in the theme's colours, axes with units, and a text where there is nothing yet. */

const WIDTH = 600;
const HEIGHT = 220;
const FRAME = { left: 56, right: 12, top: 12, bottom: 34 };

/** Two to five round figures from 0 or the least value to the greatest. */
export function ticks(low, high) {
  const span = high - low || Math.abs(high) || 1;
  const rough = span / 4;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((each) => each >= rough) ?? rough;
  const found = [];
  for (let value = Math.ceil(low / step) * step; value <= high + step / 1000; value += step) {
    found.push(Number(value.toPrecision(6)));
  }
  return found;
}

/** Scores of a shift, the worst and the usual, against the limit they were judged by. */
export const TrendChart = {
  props: { points: { type: Array, default: () => [] } },
  computed: {
    size: () => ({ WIDTH, HEIGHT, ...FRAME }),
    range() {
      const values = this.points.flatMap(({ min, max, threshold }) =>
        threshold === null ? [min, max] : [min, max, threshold],
      );
      const [low, high] = [Math.min(0, ...values), Math.max(...values)];
      return { low, high: high + (high - low || 1) * 0.08 };
    },
    scale() {
      return ticks(this.range.low, this.range.high).map((value) => ({ value, y: this.y(value) }));
    },
    band() {
      const top = this.points.map(({ max }, index) => `${this.x(index)},${this.y(max)}`);
      const bottom = this.points.map(({ min }, index) => `${this.x(index)},${this.y(min)}`).reverse();
      return [...top, ...bottom].join(' ');
    },
    mean() {
      return this.points.map(({ mean }, index) => `${this.x(index)},${this.y(mean)}`).join(' ');
    },
    limit() {
      return this.points
        .map(({ threshold }, index) => (threshold === null ? null : `${this.x(index)},${this.y(threshold)}`))
        .filter((point) => point !== null)
        .join(' ');
    },
    over() {
      return this.points
        .map(({ max, threshold }, index) => ({ max, threshold, x: this.x(index) }))
        .filter(({ max, threshold }) => threshold !== null && max > threshold)
        .map(({ max, x }) => ({ x, y: this.y(max) }));
    },
    said() {
      const last = this.points.at(-1);
      return `Scores of ${this.points.reduce((sum, { parts }) => sum + parts, 0)} parts; the last about ${last.mean.toPrecision(3)}, limit ${last.threshold === null ? 'none' : last.threshold.toPrecision(3)}`;
    },
  },
  methods: {
    x(index) {
      const width = WIDTH - FRAME.left - FRAME.right;
      return FRAME.left + (this.points.length < 2 ? width / 2 : (index / (this.points.length - 1)) * width);
    },
    y(value) {
      const { low, high } = this.range;
      return HEIGHT - FRAME.bottom - ((value - low) / (high - low)) * (HEIGHT - FRAME.top - FRAME.bottom);
    },
    clock: (at) => new Date(at).toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' }),
  },
  template: `
    <p v-if="!points.length" class="jidoka-none">No part of this shift has a score yet.</p>
    <svg v-else class="jidoka-chart" :viewBox="'0 0 ' + size.WIDTH + ' ' + size.HEIGHT" role="img" :aria-label="said">
      <g v-for="tick in scale" :key="tick.value">
        <line class="grid" :x1="size.left" :x2="size.WIDTH - size.right" :y1="tick.y" :y2="tick.y" />
        <text :x="size.left - 6" :y="tick.y + 4" text-anchor="end">{{ tick.value }}</text>
      </g>
      <polygon class="band" :points="band" />
      <polyline class="mean" :points="mean" />
      <polyline v-if="limit" class="limit" :points="limit" />
      <circle v-for="point in over" :key="point.x" class="over" :cx="point.x" :cy="point.y" r="3" />
      <text :x="size.left" :y="size.HEIGHT - 14">{{ clock(points[0].from) }}</text>
      <text :x="size.WIDTH - size.right" :y="size.HEIGHT - 14" text-anchor="end">{{ clock(points.at(-1).to) }}</text>
      <text :x="size.WIDTH / 2" :y="size.HEIGHT - 2" text-anchor="middle">time of day · score in the model’s units · dashed: limit</text>
    </svg>`,
};

/** Defects by class, most first, with the share of all that each and those before it make. */
export const ParetoChart = {
  props: { defects: { type: Array, default: () => [] } },
  computed: {
    total() {
      return this.defects.reduce((sum, { count }) => sum + count, 0);
    },
    rows() {
      const most = Math.max(...this.defects.map(({ count }) => count));
      let before = 0;
      return this.defects.map(({ name, count }) => {
        before += count;
        return {
          name: name ?? 'not named',
          count,
          width: (count / most) * 100,
          share: Math.round((before / this.total) * 100),
        };
      });
    },
  },
  template: `
    <p v-if="!total" class="jidoka-none">No defect in this shift.</p>
    <table v-else class="jidoka-pareto">
      <thead><tr><th scope="col">Defect</th><th scope="col">Parts</th><th scope="col">Together</th></tr></thead>
      <tbody>
        <tr v-for="row in rows" :key="row.name" data-test="defect">
          <th scope="row">{{ row.name }}</th>
          <td class="bar"><span :style="{ width: 'calc((100% - 4em) * ' + row.width + ' / 100)' }"></span><b>{{ row.count }}</b></td>
          <td>{{ row.share }} %</td>
        </tr>
      </tbody>
    </table>`,
};
