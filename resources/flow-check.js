/* Looks through the flows as they are in the editor, deployed or not, and shows what would go wrong unseen. */
(function () {
  'use strict';
  const Jidoka = (window.Jidoka = window.Jidoka || {});
  const ACTION = 'jidoka:check-flows';

  let notice;

  const text = (key, options) => RED._(`@jidoka/node-red/jidoka-editor:${key}`, options);

  function show(id) {
    const node = RED.nodes.node(id);
    if (node && node._def.category === 'config') RED.editor.editConfig('', node.type, id);
    else RED.view.reveal(id);
  }

  function itemOf({ level, node, nodeId, message, hint }) {
    return $('<li>', { class: `jidoka-check-${level}` }).append(
      $('<button>', { type: 'button', class: 'red-ui-button red-ui-button-small', title: text('check.show') })
        .text(node)
        .on('click', () => show(nodeId)),
      $('<span>').text(`${text(`check.${level}`)}: ${message}`),
      $('<small>').text(hint),
    );
  }

  function contentOf(findings) {
    const errors = findings.filter(({ level }) => level === 'error').length;
    const counts = { errors, warnings: findings.length - errors };
    const content = $('<div>', { class: 'jidoka-check' });
    if (findings.length === 0) return content.append($('<p>').text(text('check.clean')));
    return content.append(
      $('<p>').append($('<strong>').text(text('check.found', counts))),
      $('<ul>').append(findings.map(itemOf)),
    );
  }

  function tell(content, type) {
    notice?.close();
    notice = RED.notify(content[0], {
      type,
      fixed: true,
      modal: false,
      buttons: [{ text: text('check.close'), class: 'primary', click: () => notice.close() }],
    });
  }

  function check() {
    const flow = RED.nodes.createCompleteNodeSet({ credentials: false });
    $.ajax({
      url: 'jidoka/flow-check',
      method: 'POST',
      contentType: 'application/octet-stream',
      processData: false,
      data: JSON.stringify(flow),
    }).then(
      (findings) => {
        const isWrong = findings.some(({ level }) => level === 'error');
        tell(contentOf(findings), isWrong ? 'error' : findings.length > 0 ? 'warning' : 'success');
      },
      (xhr) => tell(Jidoka.problemElement(Jidoka.problemOf(xhr, text)), 'error'),
    );
  }

  Jidoka.addFlowCheck = () => {
    RED.actions.add(ACTION, check, { label: text('check.menu') });
    RED.menu.addItem('red-ui-header-button-sidemenu', {
      id: 'menu-item-jidoka-check',
      label: text('check.menu'),
      onselect: ACTION,
    });
  };
})();
