// Registration pages: reading time of the notices, live check of the ID number, drafts, live seats,
// countdown of an order. Everything is checked again by the server, and works without this.
// No import: a module's address must carry its digest, or it is loaded twice.
const all = (selector, root = document) => [...root.querySelectorAll(selector)];
// “{count} [count: subject|subjects]”: the words agree with the number, as in app/metadata/agreement.py
const fill = (text, values) => text
  .replace(/\[(\w+): ([^|\]]*)\|([^|\]]*)\]/g, (whole, name, single, others) => (values[name] === 1 ? single : others))
  .replace(/\{(\w+)\}/g, (whole, name) => values[name]);

const WEIGHTS = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];

/** GB 11643: what is wrong ("digit", "date") or empty, and birth and sex ("1" male, "2" female). */
export function checkIdNumber(text) {
  const digits = text.normalize('NFKC').replace(/\s/g, '').toUpperCase();
  if (!/^\d{17}[\dX]$/.test(digits)) return { digits, complete: false };
  const sum = [...digits.slice(0, 17)].reduce((total, digit, at) => total + digit * WEIGHTS[at], 0);
  const birth = `${digits.slice(6, 10)}-${digits.slice(10, 12)}-${digits.slice(12, 14)}`;
  const day = new Date(`${birth}T00:00:00Z`);
  const real = !Number.isNaN(day.valueOf()) && day.toISOString().startsWith(birth);
  const wrong = real ? ('10X98765432'[sum % 11] === digits[17] ? '' : 'digit') : 'date';
  return { digits, complete: true, wrong, birth, sex: digits[16] % 2 ? '1' : '2' };
}

/** Full years today. */
function ageOf(birth) {
  const [year, month, day] = birth.split('-').map(Number);
  const now = new Date();
  const before = now.getMonth() + 1 < month || (now.getMonth() + 1 === month && now.getDate() < day);
  return now.getFullYear() - year - Number(before);
}

const messageOf = (control) => control.closest('.field').querySelector('.field-message');

function watchIdNumber(form) {
  const input = form.elements.id_number;
  const { birth, sex, id_type: type } = form.elements;
  const help = messageOf(birth).textContent;
  const says = (found) => {
    if (found.wrong) return form.dataset[found.wrong === 'date' ? 'wrongDate' : 'wrongDigit'];
    const age = ageOf(found.birth);
    return age < form.dataset.ageMin || age > form.dataset.ageMax ? form.dataset.wrongAge : '';
  };
  const check = () => {
    const tells = form.dataset.telling.split(',').includes(type.value);
    birth.readOnly = tells;
    sex.disabled = tells; // sent all the same, see `formdata`
    messageOf(birth).textContent = messageOf(sex).textContent = tells ? form.dataset.told : help;
    if (!tells) messageOf(sex).textContent = '';
    const field = input.closest('.field');
    field.classList.remove('ok', 'bad');
    input.removeAttribute('aria-invalid');
    messageOf(input).textContent = '';
    if (!tells || !input.value) return;
    const found = checkIdNumber(input.value);
    if (!found.complete) {
      messageOf(input).textContent = fill(form.dataset.count, { count: found.digits.length });
      return;
    }
    input.value = found.digits;
    const wrong = says(found);
    field.classList.add(wrong ? 'bad' : 'ok');
    if (wrong) input.setAttribute('aria-invalid', 'true');
    messageOf(input).textContent = wrong || `✓ ${form.dataset.right}`;
    if (!found.wrong) [birth.value, sex.value] = [found.birth, found.sex];
  };
  messageOf(input).setAttribute('role', 'status');
  input.addEventListener('input', check);
  type.addEventListener('change', check);
  form.addEventListener('formdata', (event) => event.formData.set('sex', sex.value));
  // errors that the server has found stay until something is typed
  if (!form.querySelector('.field.bad')) check();
}

// A half-typed form survives a reload; ID number and telephones are left out on purpose. The draft
// goes with the tab, or when the data were taken (photo.js).
function keepDraft(form) {
  const key = `draft:${form.dataset.draft}`;
  const secret = ['id_number', 'mobile', 'guardian_mobile', 'birth', 'sex'];
  const kept = [...form.elements].filter((element) => element.name
    && !['hidden', 'submit'].includes(element.type) && !secret.includes(element.name));
  const keep = () => sessionStorage.setItem(
    key, JSON.stringify(Object.fromEntries(kept.map((element) => [element.name, element.value]))));
  const saved = JSON.parse(sessionStorage.getItem(key) ?? '{}');
  if ('served' in form.dataset) keep(); // what the server has filled in goes before the draft
  else if (!form.querySelector('.field.bad')) {
    for (const element of kept) if (saved[element.name]) element.value = saved[element.name];
  }
  form.addEventListener('input', keep);
}

for (const form of all('form[data-person]')) {
  if (form.dataset.draft) keepDraft(form);
  if (!form.querySelector('fieldset:disabled')) watchIdNumber(form);
  form.querySelector('.field.bad :is(input, select)')?.focus();
}

for (const box of all('[data-read-first]')) {
  const left = document.querySelector('[data-read-left]');
  const next = document.querySelector(`button[form="${box.form.id}"]`);
  const until = Date.now() + Number(box.dataset.readFirst) * 1000;
  const show = () => {
    const seconds = Math.ceil((until - Date.now()) / 1000);
    box.disabled = seconds > 0;
    left.textContent = seconds > 0 ? fill(left.dataset.text, { seconds }) : '';
    if (seconds <= 0) clearInterval(timer);
  };
  const timer = setInterval(show, 250);
  show();
  next.disabled = !box.checked;
  box.addEventListener('change', () => { next.disabled = !box.checked; });
}

/** Tick, count and price of the subjects; seats are asked for every ten seconds. */
function watchSubjects(form) {
  const boxes = all('input[name=subject]', form);
  const { maximum, personFee, rest, full } = form.dataset;
  const show = () => {
    const chosen = boxes.filter((box) => box.checked);
    const fresh = chosen.filter((box) => !('paid' in box.dataset));
    const fees = fresh.reduce((sum, box) => sum + Number(box.dataset.fee), 0);
    const told = document.querySelector('[data-count]');
    told.textContent = fill(told.dataset.count, { count: chosen.length });
    document.querySelector('[data-sum]').textContent = (
      (fees + (fresh.length ? Number(personFee) : 0)) / 100).toFixed(2);
    for (const box of boxes) {
      const days = form.querySelector(`[data-days="${box.value}"]`);
      if (days) days.hidden = !box.checked;
      if (box.checked || 'paid' in box.dataset) continue;
      box.disabled = box.closest('.full') !== null || chosen.length >= Number(maximum);
    }
  };
  const showSeats = (code, left) => {
    const tag = form.querySelector(`[data-left="${code}"]`);
    if (!tag || left === null) return;
    const subject = tag.closest('.subject');
    const box = subject.querySelector('input');
    const meter = subject.querySelector('progress');
    const scarce = left * 10 <= meter.max;
    const gone = left <= 0 && !('held' in box.dataset);
    tag.textContent = left > 0 ? fill(rest, { left }) : full;
    tag.className = `tag ${gone ? '' : scarce ? 'warn' : 'ok'}`;
    meter.value = meter.max - left;
    subject.classList.toggle('low', scarce);
    subject.classList.toggle('full', gone && !box.checked);
  };
  const ask = async () => {
    const answer = await fetch(form.dataset.seats, { headers: { Accept: 'application/json' } });
    if (!answer.ok) return;
    const seats = await answer.json();
    for (const [code, left] of Object.entries(seats.subjects)) showSeats(code, left);
    for (const [day, left] of Object.entries(seats.days)) {
      for (const small of all(`[data-day-left="${day}"]`, form)) {
        small.textContent = left > 0 ? fill(rest, { left }) : full;
        const radio = small.closest('.chip').querySelector('input');
        radio.disabled = left <= 0 && !radio.checked;
        small.closest('.chip').classList.toggle('full', radio.disabled);
      }
    }
    show();
  };
  form.addEventListener('change', show);
  show();
  setInterval(() => { if (!document.hidden) ask().catch(() => {}); }, 10_000);
}

for (const form of all('form[data-subjects]')) {
  if (!form.querySelector('fieldset:disabled')) watchSubjects(form);
}

for (const line of all('[data-due]')) {
  const until = Date.now() + Number(line.dataset.due) * 1000;
  const clock = document.createElement('b');
  clock.setAttribute('role', 'timer');
  const [before, after] = line.dataset.text.split('{left}');
  line.replaceChildren(before, clock, after);
  const show = () => {
    const seconds = Math.round((until - Date.now()) / 1000);
    if (seconds <= 0) {
      clearInterval(timer);
      line.textContent = line.dataset.over;
      return;
    }
    const parts = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
    clock.textContent = (parts[0] ? parts : parts.slice(1))
      .map((part) => String(part).padStart(2, '0')).join(':');
  };
  const timer = setInterval(show, 1000);
  show();
}

// While an order waits: our own records are asked whether the gateway has told the result.
for (const note of all('[data-poll]')) {
  const ask = async () => {
    const answer = await fetch(note.dataset.poll, { headers: { Accept: 'application/json' } });
    if (answer.ok && (await answer.json()).state !== 'open') location.reload();
  };
  setInterval(() => { if (!document.hidden) ask().catch(() => {}); }, 5000);
}

for (const button of all('[data-ask]')) {
  button.addEventListener('click', (event) => {
    if (!confirm(button.dataset.ask)) event.preventDefault();
  });
}
