// Crop to 3:4 and compress to 20-200 KB before the upload; the server checks the result again.
// No import: a module's address must carry its digest, or it is loaded twice.
const all = (selector, root = document) => [...root.querySelectorAll(selector)];

const LEAST = 20 * 1024;
const MOST = 200 * 1024;
/** Widths in pixels that are tried until the file is large enough; the height is 4/3 of it. */
const WIDTHS = [480, 720, 960, 1440];
const QUALITIES = [0.92, 0.85, 0.75, 0.65, 0.5, 0.35];

const form = document.querySelector('[data-photo]');
const input = document.getElementById('photo');
const box = document.querySelector('[data-crop]');
const tools = document.querySelector('[data-crop-tools]');
const pick = document.querySelector('[data-pick]');
const message = document.getElementById('photo-message');
const help = message?.textContent;
let cropper = null;

// what was kept of the personal data has been taken by now
for (const key of Object.keys(sessionStorage)) {
  if (key.startsWith('draft:')) sessionStorage.removeItem(key);
}

function tell(name, good, text) {
  const row = document.querySelector(`[data-check="${name}"]`);
  row.className = good ? 'ok' : 'bad';
  row.lastElementChild.textContent = text;
}

const drawn = (width) => cropper.getCroppedCanvas({
  width, height: width * 4 / 3, imageSmoothingQuality: 'high', fillColor: '#fff',
});

/** The bytes of a canvas as JPEG. Not toBlob: browsers put that off until they are idle. */
function jpeg(canvas, quality) {
  const text = atob(canvas.toDataURL('image/jpeg', quality).split(',')[1]);
  return Uint8Array.from(text, (letter) => letter.charCodeAt(0));
}

/** The crop as a JPEG of 20-200 KB: less quality if too large, more pixels if too small. */
function encode() {
  let best = null;
  for (const width of WIDTHS) {
    const canvas = drawn(width);
    for (const quality of QUALITIES) {
      best = jpeg(canvas, quality);
      if (best.length <= MOST) break;
    }
    if (best.length >= LEAST) break;
  }
  return best;
}

/** Mean brightness (0-255) of the upper corners and of both sides: where the background is. */
function background(canvas) {
  const { width, height } = canvas;
  const { data } = canvas.getContext('2d').getImageData(0, 0, width, height);
  const places = [[8, 8], [width - 9, 8], [8, height / 4], [width - 9, height / 4]];
  const values = places.map(([x, y]) => {
    const at = (Math.round(y) * width + x) * 4;
    return (data[at] + data[at + 1] + data[at + 2]) / 3;
  });
  return values.reduce((sum, value) => sum + value) / values.length;
}

/** Tell what is right with the crop as it stands now. */
function check() {
  const area = cropper.getData(true);
  tell('pixels', area.width >= 144 && area.height >= 192, `${area.width}×${area.height}`);
  tell('ratio', true, '3:4');
  const row = document.querySelector('[data-check="background"]');
  const light = background(drawn(240)) > 170;
  tell('background', light, light ? row.dataset.light : row.dataset.dark);
  const size = encode().length;
  tell('size', size >= LEAST && size <= MOST, `${Math.round(size / 1024)} KB`);
}

let waiting = 0;
/** Zooming tells before it is done, and many times. */
function checkSoon() {
  clearTimeout(waiting);
  waiting = setTimeout(() => { if (cropper) check(); }, 150);
}

function close() {
  cropper?.destroy();
  cropper = null;
  box.hidden = tools.hidden = true;
  pick.hidden = false;
  for (const row of all('[data-check]')) {
    row.className = '';
    row.lastElementChild.textContent = '';
  }
}

function unreadable() {
  close();
  input.value = '';
  message.textContent = form.dataset.unreadable;
  message.setAttribute('role', 'alert');
}

function open(file) {
  close();
  message.textContent = help;
  const picture = box.querySelector('img');
  picture.onerror = unreadable;
  picture.onload = () => {
    picture.onload = picture.onerror = null;
    box.hidden = tools.hidden = false;
    pick.hidden = true;
    document.querySelector('[data-photo-now]')?.remove();
    cropper = new window.Cropper(picture, {
      aspectRatio: 3 / 4, viewMode: 1, dragMode: 'move', autoCropArea: 0.95, background: false,
      cropBoxMovable: false, cropBoxResizable: false, toggleDragModeOnDblclick: false,
      checkOrientation: false, // browsers turn pictures upright themselves
      ready: check, cropend: check, zoom: checkSoon,
    });
  };
  picture.src = URL.createObjectURL(file);
}

if (form && window.Cropper) {
  input.closest('[data-file]').classList.add('picked-by-button');
  pick.hidden = false;
  const choose = () => input.click();
  pick.addEventListener('click', choose);
  document.querySelector('[data-again]').addEventListener('click', choose);
  const opened = () => { if (input.files[0]) open(input.files[0]); };
  input.addEventListener('change', opened);
  opened(); // on a slow line a file may have been chosen before this script came
  for (const button of all('[data-zoom]')) {
    button.addEventListener('click', () => cropper.zoom(Number(button.dataset.zoom)));
  }
  document.querySelector('[data-rotate]').addEventListener('click', () => {
    cropper.rotate(90);
    check();
  });
  // the file that was chosen is replaced by the crop just before the form leaves
  form.addEventListener('submit', () => {
    if (!cropper || form.dataset.sent) return;
    const chosen = new DataTransfer();
    chosen.items.add(new File([encode()], 'photo.jpg', { type: 'image/jpeg' }));
    input.files = chosen.files;
  }, { capture: true });
}
