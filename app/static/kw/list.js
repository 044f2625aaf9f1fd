// Lists and grids: ticked rows, batch operations, sticky columns, kept scroll place, permission grid.
(() => {
  'use strict';
  const { one, all, texts, fill } = window.kw;

  // --- ticked rows
  const rows = () => all('[data-kw-row]');
  const query = () => one('[data-kw-query]');
  let last = null;

  function wholeQuery(on) {
    const input = query();
    if (!input) return;
    input.disabled = !on;
    rows().forEach((box) => { box.disabled = on; });
  }
  function show() {
    const list = one('[data-kw-list]');
    if (!list) return;
    const boxes = rows(), ticked = boxes.filter((box) => box.checked), total = list.dataset.kwTotal;
    const whole = query() && !query().disabled;
    boxes.forEach((box) => box.closest('tr').classList.toggle('on', box.checked));
    all('[data-kw=batch]').forEach((button) => { button.disabled = !ticked.length && !whole; });
    const head = one('[data-kw-all]'), note = one('.kw-selected'), strip = one('[data-kw-select-all]');
    if (head) {
      head.checked = boxes.length > 0 && ticked.length === boxes.length;
      head.indeterminate = ticked.length > 0 && !head.checked;
    }
    if (note) {
      note.hidden = !ticked.length;
      one('span', note).textContent = fill(texts.selected, { n: whole ? total : ticked.length });
    }
    if (!strip) return;
    strip.hidden = !(head && head.checked);
    const button = document.createElement('button');
    button.type = 'button';
    button.dataset.kw = whole ? 'clear' : 'whole';
    button.textContent = whole ? texts.clear : fill(texts.select_all, { total });
    strip.replaceChildren(fill(whole ? texts.selected_all : texts.selected_page, { n: ticked.length, total }), button);
  }
  function clear() {
    wholeQuery(false);
    rows().forEach((box) => { box.checked = false; });
    show();
  }
  // The operation's dialog is asked for with GET: the ids of the page (at most 200), or the query.
  function batch(button, event) {
    event.preventDefault();
    const data = new FormData(one('#kw-batch')), values = {};
    for (const name of new Set(data.keys())) values[name] = data.getAll(name);
    if (values.query) delete values.ids;
    window.kw.open(button.getAttribute('formaction'), values);
  }
  document.addEventListener('click', (event) => {
    const target = event.target, button = target.closest('[data-kw]');
    if (target.dataset?.kwRow !== undefined) {
      const boxes = rows();
      if (event.shiftKey && last && boxes.includes(last)) {
        const [from, to] = [boxes.indexOf(last), boxes.indexOf(target)].sort((a, b) => a - b);
        boxes.slice(from, to + 1).forEach((box) => { box.checked = target.checked; });
      }
      last = target;
      show();
    } else if (button?.dataset.kw === 'batch') batch(button, event);
    else if (button?.dataset.kw === 'clear') clear();
    else if (button?.dataset.kw === 'whole') { wholeQuery(true); show(); }
  });
  document.addEventListener('change', (event) => {
    if (event.target.dataset.kwAll === undefined) return;
    wholeQuery(false);
    all('[data-kw-row]', event.target.closest('table')).forEach((box) => { box.checked = event.target.checked; });
    show();
  });

  // --- sticky columns: offsets are the widths before them, and they never take over half the width
  function stick(root) {
    for (const table of all('table.kw-table', root)) {
      const heads = all('thead tr:first-child > .sticky-left', table), room = table.parentElement.clientWidth * 0.55;
      let left = 0, lastKept = null;
      const columns = heads.map((head) => {
        const kept = left + head.offsetWidth <= room || lastKept === null;
        const column = { index: head.cellIndex, left, kept };
        if (kept) lastKept = column;
        left += head.offsetWidth;
        return column;
      });
      for (const row of table.rows) {
        if (row.parentElement.tagName === 'THEAD' && row.rowIndex > 0) continue;
        for (const column of columns) {
          const cell = row.cells[column.index];
          if (!cell || !cell.classList.contains('sticky-left')) continue;
          cell.style.left = `${column.left}px`;
          cell.classList.toggle('loose', !column.kept);
          cell.classList.toggle('last', column === lastKept);
        }
      }
    }
  }
  document.addEventListener('kw:layout', (event) => { stick(event.detail || document); show(); });
  addEventListener('resize', () => stick(document));

  // --- the list stands where it stood when its tab is opened again
  const pane = one('.kw-list .kw-scroll'), placeKey = `kw.scroll.${location.pathname}${location.search}`;
  if (pane && sessionStorage[placeKey]) pane.scrollTo(...sessionStorage[placeKey].split(',').map(Number));
  addEventListener('pagehide', () => { if (pane) sessionStorage[placeKey] = `${pane.scrollLeft},${pane.scrollTop}`; });
  addEventListener('pageshow', (event) => { if (event.persisted) show(); });

  // --- permission grid: whole row, whole column of a group, filter by name, number of changes
  const grid = one('[data-kw-matrix]');
  if (!grid) return;
  const cells = (selector = '') => all(`input[data-kw-cell]${selector}`, grid).filter((box) => !box.disabled);
  const flip = (boxes) => {
    const on = boxes.some((box) => !box.checked);
    boxes.forEach((box) => { box.checked = on; });
    changed();
  };
  function changed() {
    const boxes = all('input[data-kw-cell]', grid), touched = boxes.filter((box) => box.checked !== box.defaultChecked);
    boxes.forEach((box) => box.closest('td').classList.toggle('changed', box.checked !== box.defaultChecked));
    const line = one('[data-kw-changed]', grid);
    if (line) line.textContent = touched.length ? fill(texts.changed, { n: touched.length }) : '';
    for (const head of all('input[data-kw-column]', grid)) {
      const own = cells(`[data-kw-cell="${head.dataset.kwColumn}"]`);
      head.checked = own.length > 0 && own.every((box) => box.checked);
      head.indeterminate = !head.checked && own.some((box) => box.checked);
    }
  }
  grid.addEventListener('change', (event) => {
    const column = event.target.dataset.kwColumn;
    if (column !== undefined) {
      cells(`[data-kw-cell="${column}"]`).forEach((box) => { box.checked = event.target.checked; });
    }
    changed();
  });
  grid.addEventListener('click', (event) => {
    if (event.target.dataset.kw === 'row') flip(all('input[data-kw-cell]', event.target.closest('tr')).filter((box) => !box.disabled));
  });
  grid.addEventListener('input', (event) => {
    if (event.target.dataset.kw !== 'filter') return;
    const text = event.target.value.trim();
    all('tr[data-name]', grid).forEach((row) => { row.hidden = text !== '' && !row.dataset.name.includes(text); });
  });
  changed();
})();
