(function () {
  // Runs before <main> so that the strip is in the first paint. Every tab is a plain URL; the strip
  // lives in sessionStorage, belongs to one exam session, and starts anew when the session changes.
  var strip = document.getElementById('kw-tabs'), set = strip.dataset, MAX = 12, STORE = 'kw.tabs';
  var home = { key: 'home', title: set.homeTitle, url: set.home };
  var here = { key: set.key, title: set.title, url: set.url || location.pathname + location.search };
  if (location.pathname === set.home) here.key = 'home';
  var state = null;
  try { state = JSON.parse(sessionStorage.getItem(STORE)); } catch (error) { state = null; }
  if (!state || state.session !== set.session) {
    state = { session: set.session, tabs: [] };
    Object.keys(sessionStorage).forEach(function (key) { if (/^kw\.(draft|scroll)\./.test(key)) sessionStorage.removeItem(key); });
  }
  var tabs = state.tabs.filter(function (tab) { return tab.key !== 'home'; });
  tabs.unshift(home);
  function find(key) { return tabs.findIndex(function (tab) { return tab.key === key; }); }
  if (find(here.key) < 0) {
    tabs.push(here);
    if (tabs.length > MAX) tabs.splice(1, 1);
  } else if (here.key !== 'home') {
    tabs[find(here.key)] = here;
  }
  function save() { sessionStorage.setItem(STORE, JSON.stringify({ session: set.session, tabs: tabs })); }
  function element(name, attributes, text) {
    var node = document.createElement(name);
    Object.keys(attributes).forEach(function (key) { node.setAttribute(key, attributes[key]); });
    if (text) node.append(text);
    return node;
  }
  function draw() {
    var list = element('ul', {});
    tabs.forEach(function (tab, index) {
      var current = tab.key === here.key, item = element('li', current ? { class: 'on' } : {});
      var link = element('a', current ? { href: tab.url, 'aria-current': 'page' } : { href: tab.url }, tab.title);
      if (!index) link.prepend(element('i', { class: 'fa fa-house', 'aria-hidden': 'true' }), ' ');
      item.append(link);
      if (index) item.append(element('button', { type: 'button', 'data-index': index, 'aria-label': set.close + ' ' + tab.title }, '×'));
      list.append(item);
    });
    var more = element('div', { class: 'kw-tabs-more' });
    more.append(element('button', { type: 'button', 'data-others': '' }, set.others));
    strip.replaceChildren(list, more);
    // Only the strip itself is scrolled: scrollIntoView would move the page as well.
    var on = list.querySelector('.on');
    if (on) list.scrollLeft = Math.max(0, on.offsetLeft + on.offsetWidth - list.clientWidth);
  }
  async function close(index) {
    var tab = tabs[index], current = tab.key === here.key, kw = window.kw;
    if (current && kw && kw.dirty() && !(await kw.confirm(set.unsaved))) return;
    tabs.splice(index, 1);
    save();
    if (!current) { draw(); return; }
    if (kw) kw.leave();
    location.href = (tabs[index] || tabs[index - 1] || home).url;
  }
  save();
  draw();
  strip.addEventListener('click', function (event) {
    var button = event.target.closest('button');
    if (!button) return;
    if (button.dataset.index) { close(Number(button.dataset.index)); return; }
    tabs = tabs.filter(function (tab, index) { return !index || tab.key === here.key; });
    save();
    draw();
  });
  strip.addEventListener('auxclick', function (event) {
    var item = event.target.closest('li'), index = item ? Array.from(item.parentNode.children).indexOf(item) : 0;
    if (event.button === 1 && index > 0) { event.preventDefault(); close(index); }
  });
})();
