(function () {
  // Written in the oldest dialect on purpose: it must run where nothing else of the page does.
  var d = document;
  if (window.HTMLDialogElement && window.CSS && CSS.supports && CSS.supports('selector(:has(*))')) return;
  var bar = d.createElement('div');
  bar.className = 'kw-old-browser';
  bar.innerHTML = {{ _('您的浏览器版本过低，部分功能无法使用。请使用 Chrome、Edge、火狐或 360 浏览器（极速模式）的新版本。')|tojson }};
  d.body.insertBefore(bar, d.body.firstChild);
})();
