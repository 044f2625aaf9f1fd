// Copies the pinned browser assets from node_modules into the repository and writes a manifest.
//
//   npm ci --ignore-scripts && node tools/vendor.mjs
//
// The copies are committed, so neither installing nor running the product needs node. Each manifest
// entry names package, version, licence, bytes and sha256; tests/theme/test_vendor.py recomputes them.
import { createHash } from 'node:crypto';
import { copyFileSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = join(dirname(fileURLToPath(import.meta.url)), '..');
const MODULES = join(ROOT, 'node_modules');

/** target folder -> [package, file in the package, name of the copy] */
const SETS = {
  'app/static/vendor': [
    ['bootstrap', 'dist/css/bootstrap.min.css', 'bootstrap.min.css'],
    ['htmx.org', 'dist/htmx.min.js', 'htmx.min.js'],
    ['tom-select', 'dist/js/tom-select.popular.min.js', 'tom-select.popular.min.js'],
    ['tom-select', 'dist/css/tom-select.bootstrap5.min.css', 'tom-select.bootstrap5.min.css'],
    ['flatpickr', 'dist/flatpickr.min.js', 'flatpickr.min.js'],
    ['flatpickr', 'dist/flatpickr.min.css', 'flatpickr.min.css'],
    ['flatpickr', 'dist/l10n/zh.js', 'flatpickr.zh.js'],
    ['cropperjs', 'dist/cropper.min.js', 'cropper.min.js'],
    ['cropperjs', 'dist/cropper.min.css', 'cropper.min.css'],
    ['echarts', 'dist/echarts.common.min.js', 'echarts.common.min.js'],
    ['@fortawesome/fontawesome-free', 'css/fontawesome.min.css', 'fontawesome.min.css'],
    ['@fortawesome/fontawesome-free', 'css/solid.min.css', 'fontawesome-solid.min.css'],
    ['@fortawesome/fontawesome-free', 'webfonts/fa-solid-900.woff2', 'fa-solid-900.woff2'],
  ],
  'tests/theme/vendor': [['axe-core', 'axe.min.js', 'axe.min.js']],
};

/** Text fixes: no source maps (they are not shipped), fonts beside the style sheet, woff2 only. */
function cleaned(name, bytes) {
  if (!/\.(js|css)$/.test(name)) return bytes;
  const text = bytes
    .toString('utf8')
    .replace(/\n?\/[/*][#@] sourceMappingURL=[^\n]*/g, '')
    .replace(/,url\(\.\.\/webfonts\/[^)]*\.ttf\) format\("truetype"\)/g, '')
    .replaceAll('../webfonts/', '');
  return Buffer.from(text.endsWith('\n') ? text : `${text}\n`);
}

for (const [folder, files] of Object.entries(SETS)) {
  const target = join(ROOT, folder);
  mkdirSync(join(target, 'licences'), { recursive: true });
  const manifest = {};
  for (const [name, source, copy] of files) {
    const meta = JSON.parse(readFileSync(join(MODULES, name, 'package.json'), 'utf8'));
    const bytes = cleaned(copy, readFileSync(join(MODULES, name, source)));
    writeFileSync(join(target, copy), bytes);
    manifest[copy] = {
      package: name,
      version: meta.version,
      licence: meta.license,
      bytes: bytes.length,
      sha256: createHash('sha256').update(bytes).digest('hex'),
    };
  }
  for (const name of new Set(files.map(([name]) => name))) {
    for (const file of readdirSync(join(MODULES, name)).filter((file) => /^(licence|license|notice)\b/i.test(file))) {
      copyFileSync(join(MODULES, name, file), join(target, 'licences', `${name.replace(/^.*\//, '')}-${file}`));
    }
  }
  writeFileSync(join(target, 'manifest.json'), `${JSON.stringify(manifest, null, 1)}\n`);
}
