// Which section is shown, the theme, printing, and the beginning of it all.

const SECTIONS = ['overview', 'problems', 'tree', 'prm', 'cost'];

async function route() {
  const [name, place, run, repeat] = location.hash.slice(1).split('/');
  const section = SECTIONS.includes(name) ? name : page.section || 'overview';
  for (const each of SECTIONS) byId(`section-${each}`).hidden = each !== section;
  document.querySelectorAll('nav a').forEach((link) => {
    if (link.getAttribute('href') === `#${section}`) link.setAttribute('aria-current', 'page');
    else link.removeAttribute('aria-current');
  });
  byId('tooltip').hidden = true;
  if (page.section !== section) window.scrollTo(0, 0);
  page.section = section;
  if (section !== 'tree') return;
  try {
    const count = page.index.problems.length;
    const wanted = name !== 'tree' || place === undefined ? [tree.place ?? 0, tree.run, tree.repeat] : [Number(place), Number(run), Number(repeat)];
    const problem = Math.min(Math.max(wanted[0] || 0, 0), count - 1);
    const chosenRun = Math.min(Math.max(wanted[1] || 0, 0), page.index.runs.length - 1);
    if (tree.place !== problem || tree.run !== chosenRun || tree.repeat !== (wanted[2] || 0) || !tree.part) {
      await showSearch(problem, chosenRun, wanted[2] || 0);
    } else applyView();
  } catch (error) {
    fail('The tree cannot be shown', error);
  }
}

function startTheme() {
  const choice = byId('theme');
  const system = matchMedia('(prefers-color-scheme: dark)');
  const apply = () => {
    const theme = choice.value === 'auto' ? (system.matches ? 'dark' : 'light') : choice.value;
    document.documentElement.dataset.theme = theme;
  };
  try {
    choice.value = localStorage.getItem('tt-scale-theme') || 'auto';
  } catch { /* a page from disk may have no storage */ }
  if (!choice.value) choice.value = 'auto';
  choice.addEventListener('change', () => {
    apply();
    try {
      localStorage.setItem('tt-scale-theme', choice.value);
    } catch { /* likewise */ }
  });
  system.addEventListener('change', apply);
  window.addEventListener('beforeprint', () => {
    if (choice.value !== 'mono') document.documentElement.dataset.theme = 'light';
  });
  window.addEventListener('afterprint', apply);
  apply();
}

/** On paper nothing can be opened or moved: everything stands open, and the tree fits. */
function startPrinting() {
  let opened = [];
  window.addEventListener('beforeprint', () => {
    opened = [...document.querySelectorAll('main details:not([open])')];
    opened.forEach((each) => { each.open = true; });
    wholeView();
  });
  window.addEventListener('afterprint', () => {
    opened.forEach((each) => { each.open = false; });
    applyView();
  });
}

async function start() {
  startTheme();
  if (!('DecompressionStream' in window)) throw new Error('this browser is too old: it has no DecompressionStream');
  page.index = await unpacked('index');
  startProblems();
  startViewport();
  startTree();
  startPrinting();
  watchCharts();
  window.addEventListener('hashchange', route);
  byId('skip').addEventListener('click', (event) => { event.preventDefault(); byId('main').focus(); });
  await route();
  document.documentElement.dataset.ready = 'yes';
  drawIdly();
}

start().catch((error) => fail('The page cannot be shown', error));
