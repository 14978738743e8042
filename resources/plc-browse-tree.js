/*
 * A tree of what a PLC offers, after the ARIA pattern for trees: one stop of the tab key, arrows, Home and End,
 * and letters that jump to a name. Names are text of anybody and are shown as such.
 */
(function () {
  'use strict';
  const Jidoka = (window.Jidoka = window.Jidoka || {});

  /** Letters typed within this time make one word. */
  const WORD_MS = 700;

  Jidoka.TagTree = class TagTree {
    #root;
    #load;
    #chosen;
    #taken;
    #text;
    #word = '';
    #typedAt = 0;

    /**
     * @param root jQuery element of the tree
     * @param load gives a page of children: (id, from) → {entries, total, isCut}
     * @param chosen told of the entry that is looked at
     * @param taken told that the entry is wanted
     * @param text gives the text of a key
     */
    constructor({ root, load, chosen, taken, text }) {
      this.#root = root.attr({ role: 'tree', 'aria-label': text('browse.tree') });
      this.#load = load;
      this.#chosen = chosen;
      this.#taken = taken;
      this.#text = text;
      root.on('keydown', (event) => this.#key(event));
      root.on('click', '[role=treeitem]', (event) => {
        event.stopPropagation();
        const item = $(event.currentTarget);
        const isTwisty = $(event.target).closest('.jidoka-twisty').length > 0;
        if (item.data('more')) item.data('more')();
        else {
          this.#focus(item);
          if (isTwisty) this.#toggle(item);
        }
      });
      root.on('dblclick', '[role=treeitem]', (event) => {
        event.stopPropagation();
        this.#enter($(event.currentTarget));
      });
    }

    /** Shows entries that are known, e.g. those of a search. */
    show(entries) {
      this.#root.empty();
      for (const entry of entries) this.#item(entry, 1).appendTo(this.#root);
      this.#stop(this.#items().first());
    }

    /** Begins at the top; resolves to how many there are, rejects as `load` does. */
    async open(id) {
      this.#root.empty().attr('aria-busy', 'true');
      try {
        return await this.#fill(this.#root, id, 1, 0);
      } finally {
        this.#root.removeAttr('aria-busy');
        this.#stop(this.#items().first());
      }
    }

    focus() {
      this.#focus(this.#items().filter('[tabindex=0]').first());
    }

    get isEmpty() {
      return this.#items().length === 0;
    }

    async #fill(list, id, level, from) {
      const { entries, total, isCut } = await this.#load(id, from);
      for (const entry of entries) this.#item(entry, level).appendTo(list);
      const shown = from + entries.length;
      if (shown < total) this.#more(list, id, level, shown, total);
      else if (isCut) this.#note(list, level, this.#text('browse.cut', { count: total }));
      if (total === 0 && level > 1) this.#note(list, level, this.#text('browse.nothing'));
      return total;
    }

    #item(entry, level) {
      const row = $('<div>', { class: 'jidoka-row' }).css('--level', level);
      const twisty = $('<i>', { class: 'jidoka-twisty fa', 'aria-hidden': 'true' });
      twisty.addClass(entry.hasChildren ? 'fa-caret-right' : '');
      const icon = { folder: 'fa-folder-o', object: 'fa-cube', variable: 'fa-tag' }[entry.kind];
      const name = $('<span>', { class: 'jidoka-name' }).append($('<span>', { text: entry.name }));
      if (entry.path && entry.path.length > 0) {
        $('<small>', { text: `${entry.path.join(' › ')} › ` }).prependTo(name);
      }
      const facts = [entry.dataType, Jidoka.valueText(entry)].filter(Boolean).join(' · ');
      row.append(
        twisty,
        $('<i>', { class: `fa ${icon}`, 'aria-hidden': 'true' }),
        name,
        $('<span>', { class: 'jidoka-facts-short', text: facts }),
      );
      const item = $('<li>', {
        role: 'treeitem',
        tabindex: -1,
        'aria-level': level,
        'aria-selected': 'false',
      });
      item.attr('aria-label', [entry.name, facts].filter(Boolean).join(', '));
      if (entry.hasChildren) item.attr('aria-expanded', 'false');
      if (!entry.tagType) item.addClass('jidoka-no-tag');
      return item.data('entry', entry).append(row);
    }

    #more(list, id, level, from, total) {
      const label = this.#text('browse.more', { shown: from, total });
      const item = this.#note(list, level, label).addClass('jidoka-more');
      item.data('more', async () => {
        item.attr('aria-busy', 'true');
        const before = item.prev();
        try {
          await this.#fill(list, id, level, from);
          item.remove();
          this.#focus(before.next());
        } catch (problem) {
          item.removeAttr('aria-busy').text(problem.message);
        }
      });
    }

    #note(list, level, text) {
      const item = $('<li>', {
        role: 'treeitem',
        tabindex: -1,
        'aria-level': level,
        class: 'jidoka-note',
        text,
      });
      return item.css('--level', level).appendTo(list);
    }

    async #toggle(item, opens = item.attr('aria-expanded') === 'false') {
      if (!item.is('[aria-expanded]')) return;
      item.attr('aria-expanded', String(opens));
      item
        .find('> .jidoka-row .jidoka-twisty')
        .toggleClass('fa-caret-right', !opens)
        .toggleClass('fa-caret-down', opens);
      if (!opens) {
        item.children('[role=group]').remove();
        return;
      }
      const level = Number(item.attr('aria-level')) + 1;
      const group = $('<ul>', { role: 'group' }).appendTo(item);
      item.attr('aria-busy', 'true');
      try {
        await this.#fill(group, item.data('entry').id, level, 0);
      } catch ({ code, message }) {
        this.#note(group, level, `${code}: ${message}`).addClass('jidoka-failed');
      }
      item.removeAttr('aria-busy');
    }

    #items() {
      return this.#root.find('[role=treeitem]');
    }

    #stop(item) {
      this.#items().attr('tabindex', -1);
      item.attr('tabindex', 0);
    }

    #focus(item) {
      if (item.length === 0) return;
      this.#stop(item);
      item.trigger('focus');
      item[0].scrollIntoView({ block: 'nearest' });
      const entry = item.data('entry');
      if (!entry) return;
      this.#items().attr('aria-selected', 'false');
      item.attr('aria-selected', 'true');
      this.#chosen(entry);
    }

    #enter(item) {
      if (item.data('more')) item.data('more')();
      else if (item.data('entry')?.tagType) this.#taken(item.data('entry'));
      else void this.#toggle(item);
    }

    #key(event) {
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      const item = $(document.activeElement).closest('[role=treeitem]');
      if (item.length === 0) return;
      const items = this.#items();
      const at = items.index(item);
      const isOpen = item.attr('aria-expanded') === 'true';
      const moves = {
        ArrowDown: () => this.#focus(items.eq(at + 1)),
        ArrowUp: () => at > 0 && this.#focus(items.eq(at - 1)),
        Home: () => this.#focus(items.first()),
        End: () => this.#focus(items.last()),
        ArrowRight: () => {
          if (isOpen) this.#focus(item.find('[role=treeitem]').first());
          else void this.#toggle(item, true);
        },
        ArrowLeft: () => {
          if (isOpen) void this.#toggle(item, false);
          else this.#focus(item.parent().closest('[role=treeitem]'));
        },
        Enter: () => this.#enter(item),
        ' ': () => this.#focus(item),
      };
      const move = moves[event.key];
      if (move) move();
      else if (event.key.length === 1) this.#jump(event.key, items, at);
      else return;
      event.preventDefault();
      event.stopPropagation();
    }

    /** To the next name that begins with what was typed. */
    #jump(letter, items, at) {
      const isLater = Date.now() - this.#typedAt > WORD_MS;
      this.#word = (isLater ? '' : this.#word) + letter.toLowerCase();
      this.#typedAt = Date.now();
      const from = this.#word.length === 1 ? at + 1 : at;
      const turned = [...items.slice(from), ...items.slice(0, from)];
      const next = turned.find((each) => $(each).data('entry')?.name.toLowerCase().startsWith(this.#word));
      if (next) this.#focus($(next));
    }
  };

  /** What a tag holds, with its unit, and what a value of an enumeration means. */
  Jidoka.valueText = ({ reading, unit, choices }) => {
    if (!reading || reading.value === '') return '';
    const choice = (choices || []).find(({ value }) => value === reading.value);
    const { value } = reading;
    const shown =
      typeof value === 'number' && !Number.isInteger(value) ? Number(value.toPrecision(7)) : value;
    return [String(shown).slice(0, 60), unit, choice && `(${choice.name})`].filter(Boolean).join(' ');
  };
})();
