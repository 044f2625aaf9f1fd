// Grids: moving by keys, pasting a block of a spreadsheet, filling down, number of changes. Without
// this script the grid is a plain form.
(() => {
  'use strict';
  const { one, all, texts, fill } = window.kw;
  const form = one('[data-kw-grid]');
  if (!form) return;
  const cells = (root = form) => all('[data-kw-cell]', root);
  const rows = all('tbody tr', form).filter((row) => one('[data-kw-cell]', row));
  const before = (cell) => JSON.parse(one('[name^="seen:"]', cell.closest('tr')).value)[cell.dataset.kwCell] ?? '';
  const at = (row, column) => one(`[data-kw-cell="${CSS.escape(column)}"]`, row);

  // A draft keeps changed cells alone: what others save meanwhile must not be taken for typed here.
  function mark(cell) {
    const changed = cell.value.trim() !== before(cell);
    cell.closest('td').classList.toggle('changed', changed);
    if (changed) delete cell.dataset.kwNoDraft;
    else cell.dataset.kwNoDraft = '';
  }
  function count() {
    const changed = all('td.changed', form).length;
    one('[data-kw-changed]').textContent = changed ? fill(texts.changed, { n: changed }) : '';
  }
  function put(cell, text) {
    if (cell.tagName === 'SELECT') {
      const wanted = [...cell.options].find((option) => option.value === text || option.text === text);
      if (wanted) cell.value = wanted.value;
    } else cell.value = text;
    mark(cell);
    form.dataset.dirty = '1';
  }

  // --- moving
  function beside(cell, down, right) {
    const number = rows.indexOf(cell.closest('tr'));
    if (!down) {
      const line = cells(rows[number]);
      return line[line.indexOf(cell) + right];
    }
    for (let row = number + down; rows[row]; row += down) {
      const found = at(rows[row], cell.dataset.kwCell);
      if (found) return found;
    }
    return undefined;
  }
  const STEPS = { ArrowUp: [-1, 0], ArrowDown: [1, 0], Enter: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
  // Left and right leave a cell only from the end of its text; a choice keeps its own arrows.
  function leaves(cell, key) {
    if (cell.tagName === 'SELECT') return key === 'Enter' || key === 'ArrowLeft' || key === 'ArrowRight';
    if (key === 'ArrowLeft') return cell.selectionEnd === 0 || cell.selectionEnd - cell.selectionStart === cell.value.length;
    if (key === 'ArrowRight') return cell.selectionStart === cell.value.length || cell.selectionEnd - cell.selectionStart === cell.value.length;
    return true;
  }
  form.addEventListener('keydown', (event) => {
    const cell = event.target;
    if (cell.dataset.kwCell === undefined) {
      if (event.key === 'Enter' && cell.dataset.kwFillColumn !== undefined) {
        event.preventDefault();
        fillPage();
      }
      return;
    }
    if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === 'd') {
      event.preventDefault();
      for (let next = beside(cell, 1, 0); next; next = beside(next, 1, 0)) put(next, cell.value);
      count();
      return;
    }
    if (!STEPS[event.key] || event.ctrlKey || event.altKey || event.isComposing || !leaves(cell, event.key)) return;
    event.preventDefault(); // also: Enter must not send the form
    const [down, right] = STEPS[event.key], next = beside(cell, event.shiftKey && event.key === 'Enter' ? -1 : down, right);
    if (!next) return;
    next.focus();
    next.select?.();
  });
  // Who set a cell and when stands below the table while the cell is edited; for a reader of the
  // screen it is the description of the input (its title).
  const told = one('[data-kw-told]');
  form.addEventListener('focusin', ({ target }) => {
    if (target.dataset.kwCell === undefined) return;
    target.select?.();
    told.hidden = false;
    told.textContent = [target.getAttribute('aria-label'), target.title].filter(Boolean).join('　');
  });

  // --- a block of a spreadsheet: its rows and columns go into the cells from here on
  form.addEventListener('paste', (event) => {
    const cell = event.target, text = event.clipboardData?.getData('text') || '';
    if (cell.dataset.kwCell === undefined || !/[\t\n]/.test(text.trim())) return;
    event.preventDefault();
    const columns = all('[data-kw-fill-column]', form).map((item) => item.dataset.kwFillColumn);
    const names = columns.length ? columns : cells(cell.closest('tr')).map((item) => item.dataset.kwCell);
    const left = names.indexOf(cell.dataset.kwCell), top = rows.indexOf(cell.closest('tr'));
    text.replace(/\r/g, '').replace(/\n$/, '').split('\n').forEach((line, down) => {
      line.split('\t').forEach((value, right) => {
        const target = rows[top + down] && names[left + right] && at(rows[top + down], names[left + right]);
        if (target) put(target, value.trim());
      });
    });
    count();
  });

  // --- one value for a whole column of this page
  function fillPage() {
    const onlyUnset = one('[data-kw-only-unset]', form).checked;
    for (const source of all('[data-kw-fill-column]', form)) {
      if (!source.value.trim()) continue;
      for (const row of rows) {
        const cell = at(row, source.dataset.kwFillColumn);
        if (cell && !(onlyUnset && before(cell) !== '')) put(cell, source.value.trim());
      }
    }
    count();
  }
  const button = one('[data-kw-fill]', form);
  if (button) {
    button.hidden = false;
    button.addEventListener('click', fillPage);
  }

  document.addEventListener('click', (event) => {
    const link = event.target.closest('[data-kw-problem]');
    if (!link) return;
    event.preventDefault();
    const cell = document.getElementById(link.hash.slice(1));
    cell.focus();
    cell.scrollIntoView({ block: 'center', inline: 'center' });
  });
  // Another page of rows, or another choice of sites, would lose what is typed here.
  async function mayLeave(event, go) {
    if (!one('td.changed', form)) return;
    event.preventDefault();
    event.stopPropagation();
    if (!(await window.kw.confirm(texts.unsaved))) return;
    window.kw.leave();
    go();
  }
  document.addEventListener('click', (event) => {
    const link = event.target.closest('.kw-foot a, .kw-search a');
    if (link && !event.ctrlKey && !event.metaKey) mayLeave(event, () => { location.href = link.href; });
  }, true);
  document.addEventListener('change', (event) => {
    const select = event.target;
    if (select.dataset.kw === 'goto') mayLeave(event, () => { location.href = select.value; });
  }, true);
  document.addEventListener('submit', (event) => {
    const other = event.target;
    if (other.matches('.kw-search, .kw-grid-bar form')) mayLeave(event, () => other.submit());
  }, true);
  form.addEventListener('input', (event) => {
    if (event.target.dataset.kwCell === undefined) return;
    mark(event.target);
    count();
  });
  cells().forEach(mark);
  count();
  one('[data-kw-errors]')?.focus();
})();
