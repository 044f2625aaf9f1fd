// The small editor of rich texts: a textarea[data-kw-editor] gets a toolbar and an editable area
// beside it, and stays what the form sends. Without this script the textarea takes plain text.
(() => {
  'use strict';
  const { all, texts } = window.kw;
  const TOOLS = [
    ['bold', 'fa-bold', 'bold'],
    ['heading', 'fa-heading', 'formatBlock', 'h3'],
    ['paragraph', 'fa-paragraph', 'formatBlock', 'p'],
    ['bullets', 'fa-list-ul', 'insertUnorderedList'],
    ['numbers', 'fa-list-ol', 'insertOrderedList'],
    ['link', 'fa-link', 'link'],
    ['plain', 'fa-text-slash', 'removeFormat'],
  ];
  const make = (tag, values) => Object.assign(document.createElement(tag), values);

  // A refused form echoes what was typed or sent as it is. It is parsed where nothing is loaded and
  // nothing runs, and only what a notice may hold (app/metadata/rich_text.py) gets into the page.
  const TAGS = new Set(('p br b strong i em u s sub sup span blockquote hr h2 h3 h4 ul ol li a '
    + 'table caption thead tbody tr th td').split(' '));
  const BLOCKS = new Set(['div', 'h1', 'h5', 'h6']);
  const DROPPED = new Set(['script', 'style', 'template', 'iframe', 'object', 'svg', 'math', 'title']);
  const KEPT = { a: ['href'], th: ['colspan', 'rowspan'], td: ['colspan', 'rowspan'] };
  const ADDRESS = /^(https?:|mailto:|tel:)/i;

  function harmless(node, target) {
    for (const child of node.childNodes) {
      if (child.nodeType === Node.TEXT_NODE) target.append(child.data);
      if (child.nodeType !== Node.ELEMENT_NODE) continue;
      const tag = child.localName, name = BLOCKS.has(tag) ? 'p' : tag;
      if (DROPPED.has(tag)) continue;
      if (!TAGS.has(name)) { harmless(child, target); continue; }
      const copy = make(name, {});
      for (const attribute of KEPT[name] || []) {
        const value = child.getAttribute(attribute);
        if (value !== null && (attribute !== 'href' || ADDRESS.test(value.trim()))) copy.setAttribute(attribute, value.trim());
      }
      harmless(child, copy);
      target.append(copy);
    }
    return target;
  }
  const parsed = (text) => harmless(make('template', { innerHTML: text }).content, document.createDocumentFragment());

  function edit(source) {
    const name = source.id, label = document.querySelector(`label[for="${CSS.escape(name)}"]`);
    const box = make('div', { className: 'kw-editor' });
    const bar = make('div', { className: 'kw-editor-bar' });
    const area = make('div', { className: 'kw-editor-area kw-prose', id: `${name}-area` });
    area.append(parsed(source.value));
    const limit = Number(source.dataset.kwLimit || 0), line = make('span', { className: 'kw-count' });
    bar.setAttribute('role', 'toolbar');
    bar.setAttribute('aria-label', texts.editor_toolbar);
    area.contentEditable = 'true';
    area.setAttribute('role', 'textbox');
    area.setAttribute('aria-multiline', 'true');
    if (label) {
      label.id = label.id || `l-${name}`;
      area.setAttribute('aria-labelledby', label.id);
      label.addEventListener('click', (event) => { event.preventDefault(); area.focus(); });
    }
    for (const attribute of ['aria-describedby', 'aria-invalid', 'aria-required']) {
      if (source.hasAttribute(attribute)) area.setAttribute(attribute, source.getAttribute(attribute));
    }
    const count = () => {
      const length = area.innerText.replace(/\s+/g, ' ').trim().length;
      line.textContent = limit ? `${length} / ${limit}` : String(length);
      line.classList.toggle('bad', limit > 0 && length > limit);
    };
    const store = () => {
      source.value = area.innerText.trim() ? area.innerHTML : '';
      source.dispatchEvent(new Event('input', { bubbles: true }));
      count();
    };
    const run = (command, value) => {
      area.focus();
      document.execCommand(command, false, value);
      store();
    };

    // the address of a link is asked for below the buttons, with the selection kept
    const ask = make('div', { className: 'kw-editor-link', hidden: true });
    const address = make('input', { type: 'url', className: 'form-control' });
    const done = make('button', { type: 'button', className: 'btn btn-light', textContent: texts.editor_link });
    let kept = null;
    address.setAttribute('aria-label', texts.editor_address);
    ask.append(address, done);
    function link() {
      const selection = getSelection();
      kept = selection.rangeCount && area.contains(selection.anchorNode) ? selection.getRangeAt(0) : null;
      ask.hidden = false;
      address.focus();
    }
    function insert() {
      const url = address.value.trim();
      ask.hidden = true;
      address.value = '';
      area.focus();
      if (!/^(https?:|mailto:|tel:)/.test(url)) return;
      if (kept) {
        const selection = getSelection();
        selection.removeAllRanges();
        selection.addRange(kept);
      }
      if (kept && !kept.collapsed) document.execCommand('createLink', false, url);
      else document.execCommand('insertHTML', false, make('a', { href: url, textContent: url }).outerHTML);
      store();
    }
    done.addEventListener('click', insert);
    address.addEventListener('keydown', (event) => {
      if (event.key === 'Enter') { event.preventDefault(); insert(); }
      if (event.key === 'Escape') { event.stopPropagation(); ask.hidden = true; area.focus(); }
    });

    for (const [key, icon, command, value] of TOOLS) {
      const button = make('button', { type: 'button', className: 'kw-icon-button', title: texts[`editor_${key}`] });
      button.setAttribute('aria-label', texts[`editor_${key}`]);
      button.append(make('i', { className: `fa ${icon}` }));
      button.firstChild.setAttribute('aria-hidden', 'true');
      button.addEventListener('mousedown', (event) => event.preventDefault()); // keep the selection
      button.addEventListener('click', () => (command === 'link' ? link() : run(command, value)));
      bar.append(button);
    }
    area.addEventListener('input', store);
    area.addEventListener('paste', (event) => {
      // pasted text brings no format along: what a word processor writes is not for a notice
      event.preventDefault();
      document.execCommand('insertText', false, event.clipboardData.getData('text/plain'));
    });
    document.execCommand('defaultParagraphSeparator', false, 'p');
    box.append(bar, ask, area, line);
    source.before(box);
    source.hidden = true;
    count();
  }

  const start = (root) => all('textarea[data-kw-editor]', root).forEach((source) => { if (!source.hidden) edit(source); });
  document.addEventListener('DOMContentLoaded', () => start(document));
  document.addEventListener('htmx:afterSwap', (event) => { if (event.detail.target.isConnected) start(event.detail.target); });
})();
