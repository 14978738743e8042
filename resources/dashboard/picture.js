/* A picture of a part with what the model saw in it, to be looked at closely: wheel, two fingers, buttons, keys. */

const MOST = 8;
const STEP = 1.25;

export const PartPicture = {
  props: {
    src: { type: String, default: null },
    /** The same picture with its heat; null where there is none. */
    heat: { type: String, default: null },
    /** Unusual places, in pixels of a frame of this size. */
    boxes: { type: Array, default: () => [] },
    size: { type: Object, default: null },
    alt: { type: String, default: 'The part' },
  },
  data: () => ({ overlay: true, zoom: 1, x: 0, y: 0 }),
  created() {
    this.fingers = new Map();
  },
  computed: {
    shown() {
      return this.overlay ? (this.heat ?? this.src) : (this.src ?? this.heat);
    },
    canHide() {
      return (this.heat !== null && this.src !== null) || this.boxes.length > 0;
    },
    style() {
      return { transform: `translate(${this.x}px, ${this.y}px) scale(${this.zoom})` };
    },
  },
  methods: {
    /** Zooms about a point of the frame, which stays under the finger. */
    zoomTo(zoom, at) {
      const box = this.$refs.frame.getBoundingClientRect();
      const [x, y] = at ? [at.clientX - box.left, at.clientY - box.top] : [box.width / 2, box.height / 2];
      const next = Math.min(MOST, Math.max(1, zoom));
      this.x = x - ((x - this.x) * next) / this.zoom;
      this.y = y - ((y - this.y) * next) / this.zoom;
      this.zoom = next;
      this.keepInside();
    },
    keepInside() {
      const { width, height } = this.$refs.frame.getBoundingClientRect();
      this.x = Math.min(0, Math.max(this.x, width * (1 - this.zoom)));
      this.y = Math.min(0, Math.max(this.y, height * (1 - this.zoom)));
    },
    wheel(event) {
      this.zoomTo(this.zoom * (event.deltaY < 0 ? STEP : 1 / STEP), event);
    },
    down(event) {
      this.fingers.set(event.pointerId, { clientX: event.clientX, clientY: event.clientY });
      this.$refs.frame.setPointerCapture(event.pointerId);
    },
    move(event) {
      const before = this.fingers.get(event.pointerId);
      if (before === undefined) return;
      const now = { clientX: event.clientX, clientY: event.clientY };
      const other = [...this.fingers].find(([id]) => id !== event.pointerId)?.[1];
      this.fingers.set(event.pointerId, now);
      if (other === undefined) {
        this.x += now.clientX - before.clientX;
        this.y += now.clientY - before.clientY;
        this.keepInside();
        return;
      }
      const apart = (one) => Math.hypot(one.clientX - other.clientX, one.clientY - other.clientY);
      const middle = {
        clientX: (now.clientX + other.clientX) / 2,
        clientY: (now.clientY + other.clientY) / 2,
      };
      if (apart(before) > 0) this.zoomTo((this.zoom * apart(now)) / apart(before), middle);
    },
    up(event) {
      this.fingers.delete(event.pointerId);
    },
    reset() {
      Object.assign(this, { zoom: 1, x: 0, y: 0 });
    },
    step(by) {
      this.zoomTo(by > 0 ? this.zoom * STEP * STEP : this.zoom / STEP / STEP);
    },
  },
  template: `
    <div class="jidoka-picture">
      <div ref="frame" class="frame" :class="{ zoomed: zoom > 1 }" :data-zoom="zoom.toFixed(2)" data-test="frame"
        @wheel.prevent="wheel" @pointerdown="down" @pointermove="move" @pointerup="up" @pointercancel="up"
        @dblclick="zoom > 1 ? reset() : zoomTo(3, $event)">
        <div class="moved" :style="style">
          <img v-if="shown" :src="shown" :alt="alt" draggable="false" data-test="picture" />
          <slot v-else></slot>
          <svg v-if="shown && overlay && size && boxes.length" :viewBox="'0 0 ' + size.width + ' ' + size.height"
            aria-hidden="true" data-test="boxes">
            <rect v-for="(box, index) in boxes" :key="index" :x="box[0]" :y="box[1]" :width="box[2]" :height="box[3]" />
          </svg>
        </div>
      </div>
      <div class="tools">
        <button type="button" aria-label="Zoom out" data-test="zoom-out" :disabled="zoom === 1" @click="step(-1)">−</button>
        <button type="button" title="Whole picture" data-test="zoom-whole" :disabled="zoom === 1" @click="reset">{{ Math.round(zoom * 100) }} %</button>
        <button type="button" aria-label="Zoom in" data-test="zoom-in" :disabled="!shown" @click="step(1)">+</button>
        <button type="button" data-test="overlay" :aria-pressed="overlay" :disabled="!canHide" @click="overlay = !overlay">
          {{ overlay ? 'Hide findings' : 'Show findings' }}
        </button>
      </div>
    </div>`,
};
