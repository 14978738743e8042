/*
 * What the pages of the dashboard look alike in, as Vue components: `<component :is="parts.DeskFrame" …>`.
 * The dashboard's Vue compiles their templates; whatever comes from a part, a label or a name is shown as text.
 */

/** One question at a time, with its problem beside it until it is answered or given up. */
export const AskDialog = {
  props: { desk: { type: Object, required: true } },
  data: () => ({ question: null, values: {}, problem: null, busy: false }),
  watch: {
    desk: {
      immediate: true,
      handler(desk, before) {
        before?.setAsker(null);
        desk.setAsker((question) => this.open(question));
      },
    },
  },
  unmounted() {
    this.desk.setAsker(null);
  },
  methods: {
    open(question) {
      this.close(undefined);
      this.values = Object.fromEntries((question.fields ?? []).map(({ name, value = '' }) => [name, value]));
      Object.assign(this, { problem: null, busy: false, question });
      this.opener = document.activeElement;
      this.$nextTick(() => this.$refs.form?.querySelector('input, select, button[type=submit]')?.focus());
      return new Promise((resolve) => {
        this.resolve = resolve;
      });
    },
    close(answer) {
      this.question = null;
      this.resolve?.(answer);
      this.resolve = undefined;
      this.opener?.focus?.();
      this.opener = undefined;
    },
    async submit() {
      if (this.busy) return;
      this.busy = true;
      this.problem = null;
      // An answer may come when its dialog was given up: the one that is open by then is another's.
      const { question } = this;
      const isOpen = () => this.question === question;
      try {
        const answer = await question.run({ ...this.values });
        if (isOpen()) this.close(answer);
      } catch (error) {
        if (isOpen()) this.problem = error.hint ? `${error.message} ${error.hint}` : error.message;
      } finally {
        if (isOpen() || this.question === null) this.busy = false;
      }
    },
    /** The keyboard stays within the dialog. */
    keep(event) {
      const inside = [...this.$refs.form.querySelectorAll('input, select, button')].filter(
        ({ disabled }) => !disabled,
      );
      const [first, last] = [inside[0], inside.at(-1)];
      if (event.shiftKey && document.activeElement === first) last.focus();
      else if (!event.shiftKey && document.activeElement === last) first.focus();
      else return;
      event.preventDefault();
    },
  },
  template: `
    <div v-if="question" class="jidoka-veil" @keydown.esc.stop="close(undefined)" @keydown.tab="keep">
      <form ref="form" class="jidoka-dialog" role="dialog" aria-modal="true" :aria-label="question.title"
        @submit.prevent="submit">
        <h3>{{ question.title }}</h3>
        <p v-if="question.text">{{ question.text }}</p>
        <label v-for="field in question.fields" :key="field.name">
          {{ field.label }}
          <select v-if="field.options" v-model="values[field.name]" :name="field.name">
            <option v-for="option in field.options" :key="option.value" :value="option.value">{{ option.label }}</option>
          </select>
          <input v-else v-model="values[field.name]" :name="field.name" :type="field.type || 'text'"
            :autocomplete="field.autocomplete || 'off'" :minlength="field.minlength" :maxlength="field.maxlength"
            :placeholder="field.placeholder" :list="field.suggestions ? 'jidoka-' + field.name : undefined"
            :required="!field.optional" />
          <datalist v-if="field.suggestions" :id="'jidoka-' + field.name">
            <option v-for="text in field.suggestions" :key="text" :value="text"></option>
          </datalist>
        </label>
        <p v-if="problem" class="jidoka-problem" role="alert">{{ problem }}</p>
        <div class="jidoka-buttons">
          <button type="button" data-test="cancel" @click="close(undefined)">Cancel</button>
          <button type="submit" class="go" data-test="submit" :disabled="busy">{{ question.confirm }}</button>
        </div>
      </form>
    </div>`,
};

/** A page's head (name, what the page adds, who is signed in), what keeps it from working, and its dialogs. */
export const DeskFrame = {
  components: { AskDialog },
  props: {
    desk: { type: Object, required: true },
    title: { type: String, required: true },
    /** Shows the content also to nobody in particular: what it shows came with the flow's messages. */
    open: { type: Boolean, default: false },
  },
  emits: ['changed'],
  data() {
    return { user: this.desk.user, state: this.desk.state, answeredAt: this.desk.answeredAt };
  },
  watch: {
    desk: {
      immediate: true,
      handler(desk) {
        this.forget?.();
        this.forget = desk.onChange(() => this.take());
        this.take();
      },
    },
  },
  unmounted() {
    this.forget();
  },
  methods: {
    take() {
      const { user, state, answeredAt } = this.desk;
      const changed = user !== this.user || state !== this.state;
      Object.assign(this, { user, state, answeredAt });
      if (changed) this.$emit('changed');
    },
    time: (at) => new Date(at).toLocaleTimeString(),
  },
  template: `
    <div class="jidoka" :data-state="state">
      <header class="jidoka-bar">
        <h2 class="jidoka-name">{{ title }}</h2>
        <slot name="head"></slot>
        <span class="jidoka-space"></span>
        <span v-if="user" class="jidoka-who" data-test="user">{{ user }}</span>
        <button v-if="user" type="button" data-test="sign-out" @click="desk.signOut()">Sign out</button>
        <button v-else type="button" data-test="sign-in" @click="desk.askSignIn()">Sign in</button>
      </header>
      <section v-if="state === 'offline'" class="jidoka-notice bad" role="alert" data-test="offline">
        <strong>Node-RED does not answer</strong>
        <span>
          <template v-if="answeredAt">What is shown is from {{ time(answeredAt) }}.</template>
          The line goes on without this page: look at the machine. It tries again by itself.
        </span>
      </section>
      <section v-if="state === 'not-permitted'" class="jidoka-notice wait" data-test="not-permitted">
        <strong>{{ user }} may not see this</strong>
        <span>Sign in as somebody else, or ask whoever looks after Node-RED for the permission.</span>
      </section>
      <section v-if="state === 'missing'" class="jidoka-notice wait" data-test="missing">
        <strong>There is no station “{{ desk.station }}”</strong>
        <span>Set STATION among the environment variables of the flow’s tab to the name of a station, and deploy.</span>
      </section>
      <section v-if="state === 'signed-out' && !open" class="jidoka-empty" data-test="signed-out">
        <p>Sign in to see this station.</p>
        <button type="button" class="go" @click="desk.askSignIn()">Sign in</button>
      </section>
      <slot v-if="open || !['signed-out', 'not-permitted', 'missing'].includes(state)"></slot>
      <AskDialog :desk="desk" />
    </div>`,
};

/** A figure with three digits that count; a dash for none. */
export function number(value) {
  return value === null || value === undefined ? '–' : String(Number(Number(value).toPrecision(3)));
}

export function milliseconds(value) {
  if (value === null || value === undefined) return '–';
  return value < 1000 ? `${Math.round(value)} ms` : `${(value / 1000).toFixed(1)} s`;
}

/** Rounded up: what is left is never said to be nothing. */
export function duration(ms) {
  const minutes = Math.ceil(ms / 60_000);
  if (minutes < 60) return `${minutes} min`;
  return minutes % 60 === 0 ? `${minutes / 60} h` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

export function time(at) {
  return new Date(at).toLocaleTimeString();
}

export { ParetoChart, TrendChart } from './charts.js';
export { PartPicture } from './picture.js';

/** When the shift began that a moment is in: `starts` like `06:00,14:00,22:00`, in the time of this browser. */
export function shiftStart(starts, now = new Date()) {
  const minutes = String(starts)
    .split(',')
    .map((text) => /^\s*(\d{1,2}):(\d{2})\s*$/.exec(text))
    .filter((match) => match !== null && Number(match[1]) < 24 && Number(match[2]) < 60)
    .map((match) => Number(match[1]) * 60 + Number(match[2]))
    .sort((one, other) => one - other);
  if (minutes.length === 0) minutes.push(0);
  const passed = now.getHours() * 60 + now.getMinutes();
  const start = minutes.filter((each) => each <= passed).at(-1);
  const began = new Date(now);
  // Before the first start of the day it is still the last shift of yesterday.
  if (start === undefined) began.setDate(began.getDate() - 1);
  const at = start ?? minutes.at(-1);
  began.setHours(Math.floor(at / 60), at % 60, 0, 0);
  return began;
}
