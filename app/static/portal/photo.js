// Crop to 3:4 and compress to 20-200 KB before the upload; the server checks the result again.
import { all } from './portal.js';

const form = document.querySelector('[data-photo]');
const input = document.getElementById('photo');
const box = document.querySelector('[data-crop]');
const tools = document.querySelector('[data-crop-tools]');
let cropper = null;

function tell(name, good, text) {
  const row = document.querySelector(`[data-check="${name}"]`);
  row.className = good ? 'ok' : 'bad';
  row.lastElementChild.textContent = text;
}

const canvas = () => cropper.getCroppedCanvas({
  width: 480, height: 640, imageSmoothingQuality: 'high', fillColor: '#fff',
});

/** A JPEG of 20-200 KB of the crop: the quality is lowered until it fits. */
async function encode() {
  let best = null;
  for (const quality of [0.92, 0.85, 0.75, 0.65, 0.5]) {
    best = await new Promise((done) => { canvas().toBlob(done, 'image/jpeg', quality); });
    if (best.size <= 200 * 1024) break;
  }
  return best;
}

async function check() {
  const area = cropper.getData(true);
  tell('pixels', area.width >= 144 && area.height >= 192, `${area.width}×${area.height}`);
  tell('ratio', true, '3:4');
  const blob = await encode();
  tell('size', blob.size >= 20 * 1024 && blob.size <= 200 * 1024, `${Math.round(blob.size / 1024)} KB`);
  const pixels = canvas().getContext('2d');
  const corners = [[8, 8], [472, 8], [8, 80], [472, 80]].map(([x, y]) => {
    const [red, green, blue] = pixels.getImageData(x, y, 1, 1).data;
    return (red + green + blue) / 3;
  });
  const light = corners.reduce((sum, value) => sum + value) / 4 > 170;
  const row = document.querySelector('[data-check="background"]');
  tell('background', light, light ? row.dataset.light : row.dataset.dark);
}

function open(file) {
  const picture = box.querySelector('img');
  cropper?.destroy();
  picture.src = URL.createObjectURL(file);
  box.hidden = tools.hidden = false;
  cropper = new window.Cropper(picture, {
    aspectRatio: 3 / 4, viewMode: 1, dragMode: 'move', autoCropArea: 0.95, background: false,
    cropBoxMovable: false, cropBoxResizable: false, toggleDragModeOnDblclick: false,
    ready: check, cropend: check,
  });
}

if (form && window.Cropper) {
  input.addEventListener('change', () => { if (input.files[0]) open(input.files[0]); });
  for (const button of all('[data-zoom]')) {
    button.addEventListener('click', () => { cropper.zoom(Number(button.dataset.zoom)); check(); });
  }
  document.querySelector('[data-rotate]').addEventListener('click', () => { cropper.rotate(90); check(); });
  form.addEventListener('submit', async (event) => {
    if (!cropper) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    const chosen = new DataTransfer();
    chosen.items.add(new File([await encode()], 'photo.jpg', { type: 'image/jpeg' }));
    input.files = chosen.files;
    cropper = null;
    form.submit();
  }, { capture: true });
}
