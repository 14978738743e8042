/* Buttons beside the fields for tags, and what taking a tag writes into the fields of a dialog. */
(function () {
  'use strict';
  const Jidoka = (window.Jidoka = window.Jidoka || {});

  const text = (key, values) => Jidoka.browseText(key, values);
  const MEMBERS = {
    'plc-write': {
      tag: 'Value',
      ttlTag: 'TtlMs',
      referenceTag: 'DecisionRef',
      commandIdTag: 'CmdId',
      ackIdTag: 'AckId',
      ackResultTag: 'AckResult',
      appliedTag: 'AppliedValue',
    },
    'plc-endpoint': {
      heartbeatTag: 'Heartbeat',
      armTag: 'Arm',
      manualTag: 'ModeManual',
      interlockTag: 'InterlockOk',
    },
  };

  function labelOf(input) {
    const id = input.attr('id');
    const label = id ? $(`label[for="${id}"]`).text().trim() : '';
    return label || input.attr('aria-label') || '';
  }

  function set(input, value) {
    input.val(value).trigger('change').trigger('input');
  }

  function change(label, input, to) {
    const shown = (value) =>
      input.is('select') ? input.find(`option[value="${value}"]`).text() || value : value;
    const from = String(input.val() ?? '');
    return { label, from: shown(from), to: shown(String(to)), apply: () => set(input, to) };
  }

  /** Limits that lie within those that are there: what the engineer has narrowed stays narrow. */
  Jidoka.narrowed = (range, min, max) => {
    const low = min === '' ? range.min : Math.max(Number(min), range.min);
    const high = max === '' ? range.max : Math.min(Number(max), range.max);
    return low <= high ? { min: low, max: high } : undefined;
  };

  /** What taking a tag to write means for type, limits and value. */
  function writePlan(fields, entry) {
    const plan = [];
    const { dataType, min, max, value, valueType } = fields;
    plan.push({
      ...change(dataType.label, dataType.input, entry.tagType),
    });
    if (entry.access && !entry.access.write)
      plan.push({ label: text('browse.access'), note: text('browse.cannotWrite') });
    if (entry.range) {
      const within = Jidoka.narrowed(entry.range, String(min.input.val()), String(max.input.val()));
      if (within) {
        plan.push(change(min.label, min.input, within.min), change(max.label, max.input, within.max));
      } else plan.push({ label: text('browse.range'), note: text('browse.disjoint', entry.range) });
    }
    const wanted = entry.tagType === 'Boolean' ? 'bool' : entry.tagType === 'String' ? 'str' : 'num';
    const has = valueType.input.val();
    if (has !== 'msg' && has !== wanted) {
      const fresh = wanted === 'bool' ? 'true' : '';
      plan.push({
        label: value.label,
        from: String(value.input.typedInput('value')),
        to: fresh || text('browse.giveValue'),
        apply: () => value.input.typedInput('type', wanted).typedInput('value', fresh),
      });
    }
    return plan;
  }

  /**
   * Puts a button beside each field for a tag.
   *
   * @param fields jQuery elements, or a function that finds those of a row
   * @param endpoint gives the settings of the endpoint, or undefined where none is chosen
   * @param type of the node, where its dialog has fields for a command block
   * @param written fields that a tag to write fills besides, for the field `tag`
   */
  Jidoka.tagFields = ({ fields, endpoint, type, prefix = '#node-input-', written }) => {
    fields.each(function () {
      const input = $(this);
      if (input.parent().is('.jidoka-tag-field')) return;
      input.wrap($('<span>', { class: 'jidoka-tag-field' }));
      const isMain = written && input.is(`${prefix}tag`);
      const button = $('<button>', {
        type: 'button',
        class: 'red-ui-button jidoka-pick',
        title: text('browse.open'),
        'aria-label': `${labelOf(input)}: ${text('browse.open')}`,
      }).append($('<i>', { class: 'fa fa-search', 'aria-hidden': 'true' }));
      button.insertAfter(input).on('click', () => {
        const settings = endpoint();
        if (!settings) {
          RED.notify(text('browse.noEndpoint'), 'warning');
          return;
        }
        const label = labelOf(input);
        // Looked up now: the dialog is taken out of the page while the picker stands in its place.
        const found = (name) => ({ input: $(prefix + name), label: labelOf($(prefix + name)) });
        const others = isMain ? Object.fromEntries(written.map((name) => [name, found(name)])) : undefined;
        const extra = (entry) => (others ? writePlan(others, entry) : []);
        const block =
          MEMBERS[type] &&
          Object.entries(MEMBERS[type]).map(([name, member]) => ({
            member,
            isTag: name === 'tag',
            ...found(name),
          }));
        const profile = type === 'plc-write' ? found('profile') : undefined;
        const main =
          block && type === 'plc-write'
            ? Object.fromEntries((written ?? []).map((name) => [name, found(name)]))
            : undefined;
        Jidoka.pickTag({
          settings,
          input,
          tag: String(input.val() ?? '').trim(),
          plan: (entry) => [change(label, input, entry.id), ...extra(entry)],
          planBlock:
            block &&
            ((members) => [
              ...(profile && members.CmdId ? [change(profile.label, profile.input, 'handshake')] : []),
              ...block.flatMap((each) => {
                const entry = members[each.member];
                if (!entry)
                  return [{ label: each.label, note: text('browse.noMember', { member: each.member }) }];
                return [
                  change(each.label, each.input, entry.id),
                  ...(each.isTag && main ? writePlan(main, entry) : []),
                ];
              }),
            ]),
        });
      });
    });
  };
})();
