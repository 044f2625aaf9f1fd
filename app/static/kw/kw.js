// Shell, dialogs, confirmation, forms. Every behaviour is delegated from the document, so that
// content swapped in by htmx needs no binding. Without this script all links and forms still work.
(() => {
  'use strict';
  const one = (selector, root = document) => root.querySelector(selector);
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const texts = JSON.parse(one('#kw-texts')?.textContent || '{}');
  const csrf = one('meta[name=csrf-token]')?.content || '';
  const narrow = () => innerWidth <= 860;
  const dialog = one('#kw-dialog'), body = one('#kw-dialog-body'), question = one('#kw-confirm');
  let leaving = false, opener = null;

  // “{n} [n: change|changes]”: the words agree with the number, as in app/metadata/agreement.py
  const fill = (text, values) => text
    .replace(/\[(\w+): ([^|\]]*)\|([^|\]]*)\]/g, (whole, name, single, others) => (String(values[name]) === '1' ? single : others))
    .replace(/\{(\w+)\}/g, (whole, name) => values[name]);

  // --- shell: remembered choices of this browser
  if (localStorage.kwSide === '1' && !narrow()) document.body.classList.add('kw-collapsed');
  if (localStorage.kwDense === '1') document.body.classList.add('kw-compact');

  // --- questions and messages
  const confirm = (text, danger = false) => new Promise((answer) => {
    const yes = one('[data-kw-yes]', question);
    one('#kw-confirm-text').textContent = text;
    yes.classList.toggle('btn-danger', danger);
    yes.classList.toggle('btn-primary', !danger);
    question.returnValue = 'no';
    question.addEventListener('close', () => answer(question.returnValue === 'yes'), { once: true });
    question.showModal();
  });
  const toast = (text, bad = false) => {
    const box = document.createElement('div');
    box.className = bad ? 'kw-toast bad' : 'kw-toast';
    box.textContent = text;
    one('.kw-toasts')?.append(box);
    setTimeout(() => box.remove(), bad ? 6000 : 3000);
  };
  if (sessionStorage['kw.toast']) {
    toast(sessionStorage['kw.toast']);
    delete sessionStorage['kw.toast'];
  }

  // --- forms with unsaved input
  const dirtyForms = (root = document) => all('form[data-kw-form]', root).filter((form) => form.dataset.dirty);
  const dirty = (root) => dirtyForms(root).length > 0;
  document.addEventListener('input', (event) => {
    const form = event.target.closest('form[data-kw-form]');
    if (form) form.dataset.dirty = '1';
    const limit = event.target.maxLength;
    if (event.target.dataset?.kwCounter !== undefined && limit > 0) count(event.target);
  });
  function count(area) {
    let line = area.parentElement.querySelector('.kw-count');
    if (!line) {
      line = document.createElement('span');
      line.className = 'kw-count';
      area.after(line);
    }
    line.textContent = `${area.value.length} / ${area.maxLength}`;
  }

  // A page form left through a tab keeps a draft in this browser tab. Secrets, files and hidden
  // values are never kept; the draft dies with the browser tab, the log-out and the exam session.
  const draftKey = `kw.draft.${location.pathname}`;
  const draftable = (form) => [...form.elements].filter((item) => item.name && item.dataset.kwNoDraft === undefined
    && !['password', 'file', 'hidden', 'submit', 'button'].includes(item.type));
  addEventListener('pagehide', () => {
    document.body.classList.add('kw-busy');
    if (leaving) return;
    for (const form of dirtyForms(one('main') || document)) {
      sessionStorage[draftKey] = JSON.stringify(draftable(form).map((item) => [item.name, item.value, item.checked]));
    }
  });
  addEventListener('pageshow', () => document.body.classList.remove('kw-busy'));
  function restoreDraft() {
    const form = one('main form[data-kw-form]'), kept = sessionStorage[draftKey];
    if (!form || !kept) return;
    delete sessionStorage[draftKey];
    const items = draftable(form);
    JSON.parse(kept).forEach(([name, value, checked], index) => {
      const item = items[index]?.name === name ? items[index] : items.find((other) => other.name === name);
      if (!item) return;
      if (/checkbox|radio/.test(item.type)) item.checked = checked;
      else item.value = value;
    });
    form.dataset.dirty = '1';
    toast(texts.restored);
  }
  addEventListener('beforeunload', (event) => {
    if (!leaving && dialog?.open && dirty(dialog)) event.preventDefault();
  });

  document.addEventListener('submit', async (event) => {
    const form = event.target, ask = form.dataset.kwConfirm;
    if (ask && !form.dataset.answered) {
      event.preventDefault();
      const button = event.submitter;
      if (!(await confirm(ask, form.dataset.kwDanger !== undefined))) return;
      form.dataset.answered = '1';
      form.requestSubmit(button);
      return;
    }
    if (form.dataset.kwLogout !== undefined) sessionStorage.clear();
    if (form.dataset.kwSearch !== undefined) {
      all('input, select', form).forEach((item) => { item.disabled = item.disabled || !item.value; });
    }
    if (form.method === 'post' && !form.hasAttribute('hx-post') && !form.closest('dialog')) {
      leaving = true;
      // A second click must not send twice; after this event so that the submitter's value is sent.
      setTimeout(() => all('button', form).forEach((button) => { button.disabled = true; }));
    }
  });

  // --- dialog
  async function open(url, values) {
    opener = document.activeElement;
    await htmx.ajax('GET', url, { target: body, swap: 'innerHTML', values });
  }
  function close() {
    dialog.close();
    body.replaceChildren();
    opener?.focus?.();
  }
  async function tryClose() {
    if (!dirty(dialog) || await confirm(texts.unsaved)) close();
  }
  dialog?.addEventListener('cancel', (event) => {
    event.preventDefault();
    tryClose();
  });
  function shown() {
    const title = one('template[data-kw-title]', body);
    if (title) {
      one('#kw-dialog-title').textContent = title.content.textContent.trim();
      dialog.className = `kw-dialog ${title.dataset.kwSize}`;
    }
    if (!dialog.open) dialog.showModal();
    dialog.scrollTop = 0;
    const first = one('[aria-invalid=true], [autofocus]', body)
      || (matchMedia('(pointer: fine)').matches && one('.kw-field :is(input:not([type=hidden], [type=file]), select, textarea):not([readonly], :disabled)', body));
    (first || one('.btn-close', dialog)).focus();
    first?._flatpickr?.close(); // the calendar would cover the form before anybody asked for it
  }

  // --- clicks
  const actions = {
    side(button) {
      const wide = !narrow();
      const on = document.body.classList.toggle(wide ? 'kw-collapsed' : 'kw-side-open');
      if (wide) localStorage.kwSide = on ? '1' : '0';
      button.setAttribute('aria-expanded', String(wide ? !on : on));
    },
    'side-close': () => document.body.classList.remove('kw-side-open'),
    dialog(link, event) {
      if (event.ctrlKey || event.metaKey || event.shiftKey || !dialog) return;
      event.preventDefault();
      open(link.href);
    },
    'dialog-close': () => tryClose(),
    'flash-close': (button) => button.parentElement.remove(),
    more(button) {
      const part = document.getElementById(button.getAttribute('aria-controls'));
      part.hidden = !part.hidden;
      button.setAttribute('aria-expanded', String(!part.hidden));
      button.firstElementChild.textContent = part.hidden ? texts.expand : texts.collapse;
    },
    refresh(link, event) {
      event.preventDefault();
      location.reload();
    },
    density() {
      localStorage.kwDense = document.body.classList.toggle('kw-compact') ? '1' : '0';
      document.dispatchEvent(new Event('kw:layout'));
    },
    print: () => print(),
    finish() {
      leaving = true;
      location.reload();
    },
  };
  document.addEventListener('click', (event) => {
    const target = event.target.closest('[data-kw]');
    if (target && actions[target.dataset.kw]) actions[target.dataset.kw](target, event);
    all('details.kw-drop[open]').forEach((drop) => { if (!drop.contains(event.target)) drop.open = false; });
  });
  document.addEventListener('keydown', (event) => {
    if (event.key !== 'Escape') return;
    const drop = one('details.kw-drop[open]');
    if (drop) {
      drop.open = false;
      one('summary', drop).focus();
    }
    document.body.classList.remove('kw-side-open');
  });
  document.addEventListener('change', (event) => {
    const item = event.target;
    if (item.dataset.kw === 'goto') location.href = item.value;
    if (item.type === 'file' && item.closest('.kw-file')) {
      one('output', item.closest('.kw-file')).textContent = [...item.files]
        .map((file) => `${file.name}（${(file.size / 1048576).toFixed(1)} MB）`).join('、') || texts.no_file;
    }
  });

  // --- fields that need more than the browser gives
  // Inside <dialog> (top layer) the calendar must be fixed, or the dialog's own scrolling cuts it off.
  function place(picker, node) {
    const box = (node || picker._input).getBoundingClientRect(), calendar = picker.calendarContainer;
    const height = calendar.offsetHeight || 320, below = box.bottom + 4;
    Object.assign(calendar.style, {
      position: 'fixed', right: 'auto', left: `${Math.max(4, Math.min(box.left, innerWidth - 320))}px`,
      top: `${below + height > innerHeight ? Math.max(4, box.top - height - 4) : below}px`,
    });
  }
  const FORMATS = { date: 'Y-m-d', datetime: 'Y-m-d H:i', time: 'H:i' };
  function pick(input) {
    const kind = input.dataset.kwPicker, inside = input.closest('dialog');
    flatpickr(input, {
      locale: { ...flatpickr.l10ns.zh, yearAriaLabel: texts.year, monthAriaLabel: texts.month, hourAriaLabel: texts.hour, minuteAriaLabel: texts.minute },
      allowInput: true, disableMobile: true, time_24hr: true, dateFormat: FORMATS[kind], enableTime: kind !== 'date', noCalendar: kind === 'time',
      minDate: input.dataset.min, maxDate: input.dataset.max,
      appendTo: inside || undefined, position: inside ? place : 'auto',
    });
  }
  function enrich(select) {
    const remote = select.dataset.kwSearchUrl;
    if (select.disabled || (!remote && !select.multiple && select.options.length <= 12)) return;
    const load = async (text, done) => {
      const url = new URL(remote, location.href);
      url.searchParams.set('q', text);
      try {
        const answer = await fetch(url, { headers: { Accept: 'application/json' } });
        done(answer.ok ? await answer.json() : []);
      } catch { done([]); }
    };
    select.setAttribute('aria-hidden', 'true'); // the label is moved to the new input
    new TomSelect(select, {
      maxOptions: 500, plugins: select.multiple ? { remove_button: { title: texts.remove } } : [],
      ...(remote ? { load, valueField: 'id', labelField: 'text', searchField: 'text', preload: 'focus' } : {}),
      render: {
        no_results: () => `<div class="no-results">${texts.no_match}</div>`,
        loading: () => `<div class="no-results">${texts.loading}</div>`,
      },
    });
  }
  function enhance(root) {
    if (window.flatpickr) all('[data-kw-picker]', root).forEach((input) => { if (!input._flatpickr) pick(input); });
    if (window.TomSelect) all('select[data-kw-select]', root).forEach((select) => { if (!select.tomselect) enrich(select); });
    all('textarea[data-kw-counter]', root).forEach(count);
    document.dispatchEvent(new CustomEvent('kw:layout', { detail: root }));
  }

  // --- htmx
  document.addEventListener('htmx:configRequest', (event) => { event.detail.headers['X-CSRFToken'] = csrf; });
  document.addEventListener('htmx:beforeSwap', (event) => {
    // The session ended meanwhile: the answer is the log-in page, which belongs in the window.
    if (/data-kw-login/.test(event.detail.xhr.responseText)) {
      event.detail.shouldSwap = false;
      location.reload();
    }
  });
  document.addEventListener('htmx:afterSwap', (event) => {
    enhance(event.detail.target.isConnected ? event.detail.target : document);
    if (event.detail.target === body) shown();
  });
  document.addEventListener('kw:saved', (event) => {
    leaving = true;
    sessionStorage['kw.toast'] = event.detail?.message || texts.saved;
    if (dialog.open) close();
    if (event.detail?.url) location.href = event.detail.url;
    else location.reload();
  });
  document.addEventListener('htmx:responseError', (event) => {
    toast(event.detail.xhr.getResponseHeader('X-Kw-Message')
      ? decodeURIComponent(event.detail.xhr.getResponseHeader('X-Kw-Message')) : texts.failed, true);
  });
  document.addEventListener('htmx:sendError', () => toast(texts.offline, true));

  window.kw = { all, one, texts, fill, confirm, toast, dirty, open, leave: () => { leaving = true; } };
  restoreDraft();
  document.addEventListener('DOMContentLoaded', () => enhance(document));
})();
