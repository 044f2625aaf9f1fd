// Registration pages: reading time of the notices, live check of the ID number, drafts, live seats,
// countdown of an order. Everything is checked again by the server.
import { all } from './portal.js';

const WEIGHTS = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];

/** GB 11643: state and, when right, birth and sex ("1" male, "2" female). */
export function checkIdNumber(text) {
  const digits = text.normalize('NFKC').replace(/\s/g, '').toUpperCase();
  if (!/^\d{17}[\dX]$/.test(digits)) return { digits, complete: false };
  const sum = [...digits.slice(0, 17)].reduce((total, digit, at) => total + digit * WEIGHTS[at], 0);
  const birth = `${digits.slice(6, 10)}-${digits.slice(10, 12)}-${digits.slice(12, 14)}`;
  const day = new Date(`${birth}T00:00:00Z`);
  const real = !Number.isNaN(day.valueOf()) && day.toISOString().startsWith(birth);
  const right = real && '10X98765432'[sum % 11] === digits[17];
  return { digits, complete: true, right, birth, sex: digits[16] % 2 ? '1' : '2' };
}

function watchIdNumber(input) {
  const form = input.form;
  const field = input.closest('.field');
  const message = field.querySelector('.field-message');
  const check = () => {
    field.classList.remove('ok', 'bad');
    if (!['1', '6'].includes(form.elements.id_type.value) || !input.value) return;
    const found = checkIdNumber(input.value);
    if (!found.complete) {
      message.textContent = `${found.digits.length}/18`;
      return;
    }
    input.value = found.digits;
    field.classList.add(found.right ? 'ok' : 'bad');
    input.setAttribute('aria-invalid', String(!found.right));
    message.textContent = found.right ? '✓' : input.dataset.wrong ?? '校验位不正确，请核对后重新输入';
    if (found.right) {
      form.elements.birth.value = found.birth;
      form.elements.sex.value = found.sex;
    }
  };
  input.addEventListener('input', check);
  form.elements.id_type.addEventListener('change', check);
}

const idNumber = document.getElementById('id_number');
if (idNumber) watchIdNumber(idNumber);

// A half-typed form survives a closed page; ID number and telephones are left out on purpose.
for (const form of all('form[data-draft]')) {
  const key = `draft:${form.dataset.draft}`;
  const kept = [...form.elements].filter((element) => element.name
    && !['hidden', 'password'].includes(element.type)
    && !['id_number', 'mobile', 'guardian_mobile'].includes(element.name));
  const saved = JSON.parse(sessionStorage.getItem(key) ?? '{}');
  for (const element of kept) if (!element.value && saved[element.name]) element.value = saved[element.name];
  form.addEventListener('input', () => sessionStorage.setItem(
    key, JSON.stringify(Object.fromEntries(kept.map((element) => [element.name, element.value])))));
  form.addEventListener('submit', () => sessionStorage.removeItem(key));
}

for (const box of all('[data-read-first]')) {
  const left = document.querySelector('[data-read-left]');
  const until = Date.now() + Number(box.dataset.readFirst) * 1000;
  box.disabled = true;
  const timer = setInterval(() => {
    const seconds = Math.ceil((until - Date.now()) / 1000);
    left.textContent = seconds > 0 ? left.dataset.text.replace('{seconds}', seconds) : '';
    if (seconds <= 0) { box.disabled = false; clearInterval(timer); }
  }, 250);
}

for (const form of all('form[data-subjects]')) {
  const boxes = all('input[name=subject]', form);
  const show = () => {
    const chosen = boxes.filter((box) => box.checked);
    const fresh = chosen.filter((box) => !box.disabled);
    const fen = fresh.reduce((sum, box) => sum + Number(box.dataset.fee), 0)
      + (fresh.length ? Number(form.dataset.personFee) : 0);
    document.querySelector('[data-count]').textContent = chosen.length;
    document.querySelector('[data-sum]').textContent = (fen / 100).toFixed(2);
    for (const box of boxes) {
      const days = form.querySelector(`[data-days="${box.value}"]`);
      if (days) days.hidden = !box.checked;
      if (!box.checked && !box.dataset.fixed) {
        box.disabled = box.closest('.full') !== null || chosen.length >= Number(form.dataset.maximum);
      }
    }
  };
  form.addEventListener('change', show);
  show();
  const ask = async () => {
    const answer = await fetch(form.dataset.seats, { headers: { Accept: 'application/json' } });
    if (!answer.ok) return;
    const seats = await answer.json();
    for (const [code, left] of Object.entries(seats.subjects)) {
      const tag = form.querySelector(`[data-left="${code}"]`);
      if (!tag || left === null) continue;
      tag.textContent = left > 0 ? form.dataset.rest.replace('{left}', left) : form.dataset.full;
      tag.closest('.subject').classList.toggle('full', left <= 0 && !tag.closest('.subject').querySelector('input').checked);
    }
    show();
  };
  setInterval(() => { if (!document.hidden) ask().catch(() => {}); }, 10_000);
}

for (const clock of all('[data-due]')) {
  const until = Date.now() + Number(clock.dataset.due) * 1000;
  const show = () => {
    const seconds = Math.max(0, Math.round((until - Date.now()) / 1000));
    const parts = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
    clock.textContent = (parts[0] ? parts : parts.slice(1)).map((part) => String(part).padStart(2, '0')).join(':');
  };
  show();
  setInterval(show, 1000);
}

for (const button of all('[data-ask]')) {
  button.addEventListener('click', (event) => { if (!confirm(button.dataset.ask)) event.preventDefault(); });
}
if (/MicroMessenger/i.test(navigator.userAgent)) all('[data-wechat]').forEach((note) => { note.hidden = false; });
