// The portal's pages work without scripts. This adds: codes sent without leaving the page, the
// countdown, and protection against a form sent twice.

const all = (selector, root = document) => [...root.querySelectorAll(selector)];

/** Disable a button for `seconds`, telling on it how many are left. */
function countDown(button, seconds) {
  const label = button.dataset.label ?? (button.dataset.label = button.textContent);
  const until = Date.now() + seconds * 1000;
  const show = () => {
    const left = Math.ceil((until - Date.now()) / 1000);
    button.disabled = left > 0;
    button.textContent = left > 0 ? button.dataset.again.replace('{seconds}', left) : label;
    if (left <= 0) clearInterval(timer);
  };
  const timer = setInterval(show, 1000);
  show();
}

/** Show a message below the field that a button belongs to. */
function tell(button, text, bad) {
  const field = button.closest('.field');
  const message = field.querySelector('.field-message');
  field.classList.toggle('bad', bad);
  field.classList.toggle('ok', !bad);
  message.setAttribute('role', bad ? 'alert' : 'status');
  message.textContent = text;
}

async function sendCode(event) {
  event.preventDefault();
  const button = event.currentTarget;
  const body = new FormData(button.form);
  body.set('send', '1');
  for (const name of [...body.keys()]) {
    if (name.startsWith('password')) body.delete(name); // not needed to send a code
  }
  button.disabled = true;
  try {
    const answer = await fetch(button.form.action, {
      method: 'POST', body, headers: { Accept: 'application/json' }, credentials: 'same-origin',
    });
    const result = await answer.json();
    tell(button, result.message, !answer.ok);
    if (result.wait) countDown(button, result.wait);
    else button.disabled = false;
    if (answer.ok) document.getElementById('code')?.focus();
  } catch {
    button.disabled = false;
    button.form.requestSubmit(button); // the way without scripts still works
  }
}

for (const button of all('[data-send-code]')) {
  button.addEventListener('click', sendCode);
  if (Number(button.dataset.wait) > 0) countDown(button, Number(button.dataset.wait));
}

// A form that is on its way is not sent again; coming back from the browser's memory frees it.
for (const form of all('form[method=post]')) {
  form.addEventListener('submit', (event) => {
    if (form.dataset.sent) event.preventDefault();
    form.dataset.sent = '1';
  });
}
window.addEventListener('pageshow', () => all('form').forEach((form) => delete form.dataset.sent));

for (const button of all('[data-print]')) {
  button.hidden = false; // without scripts, the browser's own menu prints
  button.addEventListener('click', () => print());
}
