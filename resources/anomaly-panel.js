/*
 * The teaching panel in the dialog of anomaly-score: what is under way, what the model that serves is like, what
 * waits to be learnt, and the last parts. It acts on the node as it is deployed, not as it is typed.
 */
(function () {
  'use strict';
  const Jidoka = (window.Jidoka = window.Jidoka || {});

  const BUSY_MS = 500;
  const IDLE_MS = 3000;
  const STAGES = ['features', 'folds', 'bank', 'saving'];

  Jidoka.AnomalyPanel = class AnomalyPanel {
    #root;
    #runtime;
    #text;
    #versions;
    #parts;
    #timer;
    #isClosed = false;
    /** What was drawn last, as text: nothing is drawn anew that has not changed. */
    #drawn = new Map();
    #digest;
    #shownPart;

    constructor({ root, nodeId, text }) {
      this.#root = root;
      this.#text = text;
      this.#runtime = new Jidoka.AnomalyRuntime(nodeId, text);
      const act = (path, body) => this.#act(path, body);
      const shared = { runtime: this.#runtime, text, act };
      this.#versions = new Jidoka.VersionList({ ...shared, root: this.#part('history') });
      this.#parts = new Jidoka.PartGrid({ ...shared, root: this.#part('taught') });
      this.#part('teach').on('click', () => void this.#confirmed('teach', 'teach.ask', 'teach.now'));
      this.#part('cancel').on(
        'click',
        () => void this.#confirmed('cancel', 'teach.askCancel', 'teach.cancel'),
      );
      this.#part('learn').on('click', () => void this.#confirmed('learn', 'waiting.ask', 'waiting.learn'));
      void this.#poll();
    }

    close() {
      this.#isClosed = true;
      clearTimeout(this.#timer);
    }

    /** Looks at the pictures of a folder before anything is taught from them; what is to be said goes to `place`. */
    async check(folder, place) {
      place.empty().append($('<p>', { text: this.#text('check.busy') }));
      try {
        const { pictures, parts, findings } = await this.#runtime.post('check', { folder });
        place.empty().append($('<p>', { text: this.#text('check.found', { pictures, parts }) }));
        if (findings.length > 0) place.append(this.#findings(findings));
        else place.append($('<p>', { class: 'jidoka-hint', text: this.#text('check.fine') }));
      } catch (problem) {
        place.empty().append(Jidoka.problemElement(problem));
      }
    }

    #part(name) {
      return this.#root.find(`.jidoka-${name}`);
    }

    async #poll() {
      clearTimeout(this.#timer);
      let state;
      try {
        state = await this.#runtime.get('state');
        if (!this.#isClosed) this.#show(state);
      } catch (problem) {
        if (!this.#isClosed) this.#draw('note', problem, () => Jidoka.problemElement(problem));
      }
      if (this.#isClosed) return;
      this.#timer = setTimeout(() => void this.#poll(), state?.work ? BUSY_MS : IDLE_MS);
    }

    async #confirmed(path, question, action) {
      const [text, bar] = [this.#text, this.#part('actions')];
      const reason = await Jidoka.askReason(bar, { question: text(question), action: text(action), text });
      if (reason !== undefined) await this.#act(path, { reason });
    }

    async #act(path, body) {
      this.#root.attr('aria-busy', 'true');
      this.#part('outcome').empty();
      // A lesson begins to be told of while it is waited for.
      this.#timer = setTimeout(() => void this.#poll(), BUSY_MS);
      try {
        await this.#runtime.post(path, body);
      } catch (problem) {
        this.#part('outcome').append(Jidoka.problemElement(problem));
      }
      this.#root.attr('aria-busy', 'false');
      if (!this.#isClosed) await this.#poll();
    }

    /** Fills a place, where what it shows is not what it showed. */
    #draw(name, value, make) {
      const said = JSON.stringify(value ?? null);
      if (this.#drawn.get(name) === said) return;
      this.#drawn.set(name, said);
      const content = make();
      this.#part(name)
        .empty()
        .append(content ?? []);
    }

    #show(state) {
      const { deployed, work, model, waiting = [], recent = [], problem, learn } = state;
      const text = this.#text;
      this.#root.attr('data-state', !deployed ? 'away' : work ? 'busy' : model ? 'ready' : 'empty');
      this.#draw('note', [deployed, problem, Boolean(model)], () => {
        if (!deployed) return $('<p>', { class: 'jidoka-hint', text: text('panel.notDeployed') });
        if (problem) return Jidoka.problemElement(problem);
        return model ? undefined : $('<p>', { class: 'jidoka-hint', text: text('panel.noModel') });
      });
      this.#draw('lesson', [state.lesson, state.candidate?.digest, Boolean(work)], () => this.#lesson(state));
      this.#part('actions').toggle(deployed);
      this.#part('teach').prop('disabled', Boolean(work));
      this.#part('cancel').toggle(Boolean(work));
      this.#part('learn')
        .toggle(waiting.length > 0)
        .prop('disabled', Boolean(work) || !model?.learns)
        .text(text('waiting.learnCount', { count: waiting.length }));
      this.#progress(work);
      this.#draw('model', model, () => model && this.#model(model));
      this.#draw('waiting', [waiting, learn], () => this.#waiting(waiting, learn));
      this.#draw('recent', recent, () => this.#recent(recent));
      if (deployed && model?.version !== this.#digest) {
        this.#digest = model?.version;
        void this.#versions.load();
        void this.#parts.load();
      }
    }

    #progress(work) {
      const bar = this.#part('progress').toggle(Boolean(work));
      if (!work) return;
      const text = this.#text;
      const { stage, done, total, fraction, ms, kind, findings } = work;
      const seconds = Math.round(ms / 1000);
      bar.find('progress').val(fraction);
      bar
        .find('.jidoka-stage-text')
        .text(
          [
            text(`work.${kind}`),
            text(`stage.${stage}`, { done, total }),
            text('stage.seconds', { seconds }),
          ].join(' · '),
        );
      bar
        .find('.jidoka-step')
        .text(text('stage.step', { step: STAGES.indexOf(stage) + 1, steps: STAGES.length }));
      this.#draw('pointed-out', findings, () => findings.length > 0 && this.#findings(findings));
    }

    // --- a lesson that a person looks through on the dashboard, and the version that came of it

    #lesson({ lesson, candidate, work }) {
      const text = this.#text;
      if (!candidate) {
        return lesson && $('<p>', { class: 'jidoka-hint', text: text('panel.lesson', lesson) });
      }
      const button = (verb, question) =>
        $('<button>', { type: 'button', class: 'red-ui-button', text: text(`panel.${verb}`) })
          .prop('disabled', Boolean(work))
          .on('click', () => void this.#confirmed(`candidate/${verb}`, `panel.${question}`, `panel.${verb}`));
      return [
        $('<p>', { class: 'jidoka-hint', text: text('panel.candidate', { parts: candidate.parts }) }),
        $('<div>', { class: 'jidoka-bar' }).append(button('serve', 'askServe'), button('drop', 'askDrop')),
      ];
    }

    // --- the model that serves

    #model(model) {
      const text = this.#text;
      const { version, parts, method, why, candidates, thresholds, acceptance, findings, digest } = model;
      const row = (key, ...values) => [
        $('<dt>', { text: text(key) }),
        $('<dd>').append(
          values.map((value) => (typeof value === 'string' ? $('<div>', { text: value }) : value)),
        ),
      ];
      const { width, height } = model.input;
      const list = $('<dl>').append(
        row('model.version', `${model.name} ${version} · ${Jidoka.anomalyDate(model.createdAt)}`),
        row('model.parts', text('model.partsOf', { count: parts, width, height })),
        row('model.method', text(`method.${method}`), $('<small>', { text: why })),
        acceptance.defects > 0 ? row('model.acceptance', this.#accepted(acceptance)) : [],
        row('model.digest', $('<code>', { text: digest })),
      );
      const shown = [list];
      if (candidates.length > 0) shown.push(this.#candidates(candidates, method));
      shown.push($('<h5>', { text: text('chart.title') }), $(Jidoka.scoreChart(model, text)));
      shown.push(this.#thresholds(thresholds));
      if (findings.length > 0)
        shown.push($('<h5>', { text: text('findings.title') }), this.#findings(findings));
      if (!model.learns) shown.push($('<p>', { class: 'jidoka-hint', text: text('model.cannotLearn') }));
      return shown;
    }

    #accepted({ defects, found, missedBound, delta }) {
      return this.#text('model.accepted', {
        defects,
        found,
        bound: Jidoka.percent(missedBound),
        sure: Jidoka.percent(1 - delta),
      });
    }

    #table(heads, rows) {
      const cells = (tag, values) => values.map((value) => $(`<${tag}>`, { text: value }));
      return $('<table>').append(
        $('<thead>').append($('<tr>').append(cells('th', heads))),
        $('<tbody>').append(rows.map((row) => $('<tr>').append(cells('td', row)))),
      );
    }

    #candidates(candidates, chosen) {
      const text = this.#text;
      const heads = ['method', 'auroc', 'escapes', 'located'].map((key) => text(`candidates.${key}`));
      const rows = candidates.map(({ method, auroc, escapes, located }) => [
        text(`method.${method}`) + (method === chosen ? ` (${text('candidates.chosen')})` : ''),
        Jidoka.numberText(auroc, 3),
        Jidoka.percent(escapes),
        Jidoka.percent(located),
      ]);
      return this.#table(heads, rows).attr('aria-label', text('candidates.title'));
    }

    #thresholds(thresholds) {
      const text = this.#text;
      const rows = thresholds.map(({ alpha, threshold }) => [
        Jidoka.percent(alpha),
        threshold === null ? text('thresholds.tooFew') : Jidoka.numberText(threshold, 4),
      ]);
      return this.#table([text('thresholds.budget'), text('thresholds.threshold')], rows);
    }

    #findings(findings) {
      const text = this.#text;
      const list = $('<ul>', { class: 'jidoka-pointed' });
      for (const { kind, part, source, ofSource, leftOut } of findings) {
        const short = (path) => String(path).split(/[/\\]/).pop();
        const said = text(`findings.${kind}`, { of: short(ofSource ?? '') });
        const image = $('<img>', { alt: '' });
        if (/^[0-9a-f]{64}$/.test(part)) void this.#runtime.show(image, `parts/${part}/picture`);
        const words = $('<div>').append(
          $('<strong>', { text: said }),
          $('<span>', { text: short(source) }),
          leftOut ? $('<small>', { text: text('findings.leftOut') }) : [],
        );
        list.append($('<li>', { title: source }).append(image, words));
      }
      return list;
    }

    // --- what waits to be learnt

    #waiting(waiting, learn) {
      const text = this.#text;
      if (learn === 'off') return $('<p>', { class: 'jidoka-hint', text: text('waiting.off') });
      if (waiting.length === 0) return $('<p>', { class: 'jidoka-hint', text: text('waiting.none') });
      const list = $('<ul>', { class: 'jidoka-mistakes' });
      for (const { partId, truth, decision, actor, reason, at } of waiting) {
        const image = $('<img>', { alt: partId });
        void this.#runtime.show(image, `recent/${encodeURIComponent(partId)}/heatmap`);
        const item = $('<li>');
        const dismiss = $('<button>', {
          type: 'button',
          class: 'red-ui-button red-ui-button-small',
          text: text('waiting.dismiss'),
        }).on('click', async () => {
          const question = text('waiting.askDismiss', { part: partId });
          const why = await Jidoka.askReason(item, { question, action: text('waiting.dismiss'), text });
          if (why !== undefined) await this.#act('dismiss', { parts: [partId], reason: why });
        });
        const kind = `${decision ?? 'none'}-${truth}`;
        item.append(
          image,
          $('<div>').append(
            $('<strong>', { text: text(`waiting.${kind}`) }),
            $('<span>', { text: partId }),
            $('<small>', { text: [Jidoka.anomalyDate(at), actor, reason].filter(Boolean).join(' · ') }),
          ),
          dismiss,
        );
        list.append(item);
      }
      return list;
    }

    // --- the last parts

    #recent(recent) {
      const text = this.#text;
      if (recent.length === 0) return $('<p>', { class: 'jidoka-hint', text: text('recent.none') });
      const select = $('<select>', { 'aria-label': text('recent.part') });
      for (const { partId, at, score, suspicious } of recent) {
        const time = new Date(at).toLocaleTimeString(window.RED.i18n.lang());
        const words = [time, Jidoka.numberText(score, 3), suspicious && text('recent.suspicious')];
        $('<option>', { value: partId, text: words.filter(Boolean).join(' · ') }).appendTo(select);
      }
      const image = $('<img>', { class: 'jidoka-explained', alt: text('recent.explained') });
      const facts = $('<p>', { class: 'jidoka-facts' });
      const show = () => {
        const part = recent.find(({ partId }) => partId === select.val()) ?? recent[0];
        this.#shownPart = part.partId;
        void this.#runtime.show(image, `recent/${encodeURIComponent(part.partId)}/explanation`);
        const { score, pValue, boxes } = part;
        const figures = {
          score: Jidoka.numberText(score, 3),
          pValue: Jidoka.numberText(pValue, 2),
          count: boxes.length,
        };
        facts.text(`${part.partId} · ${text('recent.facts', figures)}`);
      };
      if (recent.some(({ partId }) => partId === this.#shownPart)) select.val(this.#shownPart);
      select.on('change', show);
      show();
      const legend = $('<p>', { class: 'jidoka-hint', text: text('recent.legend') });
      return [select, image, legend, facts];
    }
  };
})();
