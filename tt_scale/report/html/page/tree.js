// The tree of a search: Vega lays it out and draws it; folding, choosing and the replay change its data and signals.

const QUESTION = -1;
const MANY = 150;
const READABLE = 0.4;
const READABLE_TEXTS = 0.7;
const COLUMN = 64;
const LEAST_COLUMN = 112;
const ROWS = [24, 34];
const LABEL = 24;
const BESIDE = 28;
const NARROW_STAGE = 560;

const tree = { place: null, run: 0, repeat: 0, part: null, search: null, view: null, folded: new Set(), selected: null };

const steps = () => tree.search.steps;
const stepCount = () => (tree.search && tree.search.steps ? tree.search.steps.id.length : 0);
const shortened = (text, most = LABEL) => (text.length > most ? `${text.slice(0, most - 1)}…` : text);

/** What is needed to walk: children of each step, and the event with which each step came. */
function prepare() {
  const { parent, order } = steps();
  tree.children = new Map([[QUESTION, []]]);
  parent.forEach((_, place) => tree.children.set(place, []));
  parent.forEach((above, place) => tree.children.get(above).push(place));
  const grown = tree.search.frames.map(([kind, , , created], place) => [kind, created, place]).filter(([kind]) => kind === 'grow');
  tree.frameOf = order.map((born) => (grown.find(([, created]) => created > born) || [0, 0, tree.search.frames.length])[2] + 1);
}

const equalFolded = () => byId('fold-equal').checked;
const isCopy = (place) => equalFolded() && steps().copies[place] === 0;
const shownChildren = (place) => (tree.folded.has(place) ? [] : tree.children.get(place).filter((child) => !isCopy(child)));

function descendants(place) {
  let count = 0;
  const waiting = [...tree.children.get(place)];
  while (waiting.length) {
    count += 1;
    waiting.push(...tree.children.get(waiting.pop()));
  }
  return count;
}

function signsOf(place) {
  return page.index.marks.filter((_, bit) => steps().marks[place] & (1 << bit)).map(([, , sign]) => sign).join('');
}

function itemOf(place, parent) {
  const { kind, score, tokens, useful, copies, member, text } = steps();
  const hidden = tree.folded.has(place) ? `+${number(descendants(place))}` : '';
  const times = equalFolded() && copies[place] > 1 ? `×${copies[place]}` : '';
  const answer = member[place] === null ? '' : shortened(member[place]);
  const words = plainText(tree.part, text[place]).trim().replace(/\s+/g, ' ').slice(0, 2 * LABEL);
  const more = [times, hidden].filter(Boolean).join(' ');
  return {
    id: place, parent, kind: page.index.kinds[kind[place]][0], score: score[place], tokens: tokens[place],
    frame: tree.frameOf[place], useful: useful[place] > 0, chosen: useful[place] > 1, signs: signsOf(place),
    leaf: !shownChildren(place).length,
    words, more, short: `${answer} ${more}`.trim(), label: `${shortened(words)} ${more}`.trim(),
  };
}

/** The steps that are shown, parents first. */
function items() {
  const found = [{
    id: QUESTION, parent: null, kind: 'question', score: null, tokens: 0, frame: 0, useful: true, chosen: false,
    signs: '', leaf: false, words: '', more: '', short: tree.folded.has(QUESTION) ? `+${number(stepCount())}` : '', label: '',
  }];
  const waiting = [QUESTION];
  while (waiting.length) {
    const parent = waiting.shift();
    for (const child of shownChildren(parent)) {
      found.push(itemOf(child, parent));
      waiting.push(child);
    }
  }
  return found;
}

const drawnItems = () => tree.view.data('steps');

/** What the longest text beside a step takes. */
function textWidth(drawn) {
  const pen = document.createElement('canvas').getContext('2d');
  pen.font = `12px ${getComputedStyle(document.body).fontFamily}`;
  return BESIDE + Math.max(...drawn.map((item) => pen.measureText(item.label).width), 40);
}

function measure() {
  const drawn = drawnItems();
  const room = byId('show-texts').checked ? textWidth(drawn) : 60;
  const xs = drawn.map((item) => item.x);
  const ys = drawn.map((item) => item.y);
  viewport.bounds = [Math.min(...xs) - 24, Math.min(...ys) - 24, Math.max(...xs) + room, Math.max(...ys) + 24];
  const shown = drawn.length - 1;
  byId('tree-count').textContent = `${number(shown)} of ${number(stepCount())} steps shown`;
}

/** What is drawn of each step, by the event with which it came, so that the replay need only hide and show. */
function indexDrawn() {
  tree.drawn = [...byId('stage').querySelectorAll('path, text')]
    .map((element) => {
      const datum = element.__data__ && element.__data__.datum;
      return [datum ? (datum.target || datum).frame : undefined, element];
    })
    .filter(([frame]) => frame !== undefined)
    .sort(([one], [other]) => one - other);
  tree.shown = tree.drawn.length;
}

/** Hide what came later than an event. */
function hideLater(frame) {
  const visible = (place) => tree.drawn[place][0] <= frame;
  while (tree.shown > 0 && !visible(tree.shown - 1)) {
    tree.shown -= 1;
    tree.drawn[tree.shown][1].style.visibility = 'hidden';
  }
  while (tree.shown < tree.drawn.length && visible(tree.shown)) {
    tree.drawn[tree.shown][1].style.visibility = '';
    tree.shown += 1;
  }
}

/** Rings around the chosen step and around those that an event concerns. */
function drawRings() {
  const frame = currentFrame();
  const [kind, , places] = tree.search.frames[frame - 1] || ['grow', '', []];
  const concerned = kind === 'grow' || frame === tree.search.frames.length ? [] : places;
  const rings = drawnItems()
    .filter((item) => item.id === tree.selected || concerned.includes(item.id))
    .map((item) => ({ x: item.x, y: item.y, chosen: item.id === tree.selected }));
  tree.view.data('picked', rings).run();
}

const within = (value, [least, most]) => Math.min(Math.max(value, least), most);

/** Distances that use the stage: columns as narrow as texts allow, rows as far apart as there is room. */
function distances(shown, labels) {
  const [width, height] = stageSize();
  const leaves = shown.filter((item) => item.leaf).length;
  const row = within((height - 60) / Math.max(leaves, 1), ROWS);
  if (!labels) return [COLUMN, row];
  const beside = textWidth(shown);
  const depth = Math.max(...shown.map((item) => (item.id === QUESTION ? 1 : pathTo(item.id).length)));
  const column = within((width - beside - 60) / depth, [Math.min(LEAST_COLUMN, beside), beside]);
  const letters = Math.max(Math.floor((LABEL * (column - BESIDE)) / (beside - BESIDE)), 6);
  for (const item of shown) {
    if (!item.leaf) item.label = `${shortened(item.words, Math.max(letters - item.more.length, 4))} ${item.more}`.trim();
  }
  return [column, row];
}

/** Lay out and draw anew, after folding or another choice. */
async function redraw({ fit = false } = {}) {
  const labels = byId('show-texts').checked;
  const shown = items();
  const [column, row] = distances(shown, labels);
  tree.view.signal('labels', labels).signal('column', column).signal('row', row);
  tree.view.signal('heaviest', Math.max(...steps().tokens, 1)).data('steps', shown);
  await tree.view.runAsync();
  indexDrawn();
  hideLater(currentFrame());
  drawRings();
  measure();
  if (fit) fitView(labels ? READABLE_TEXTS : READABLE);
  else applyView();
}

async function drawTree() {
  const stage = byId('stage');
  if (tree.view) tree.view.finalize();
  prepare();
  tree.folded = new Set();
  byId('show-texts').checked = items().length <= MANY && stage.clientWidth >= NARROW_STAGE;
  const drawn = await window.vegaEmbed(stage, structuredClone(page.index.tree), { ...drawOptions, mode: 'vega', tooltip: () => {} });
  tree.view = drawn.view;
  tree.view.addEventListener('click', (event, item) => {
    if (viewport.moved || !item || !item.datum) return;
    const datum = item.datum.target || item.datum;
    if (typeof datum.id === 'number' && datum.frame <= currentFrame()) select(datum.id);
  });
  tree.view.addEventListener('dblclick', (event, item) => {
    if (item && item.datum && typeof item.datum.id === 'number') fold(item.datum.id);
  });
  const slider = byId('frame');
  slider.max = String(tree.search.frames.length);
  slider.value = slider.max;
  byId('frame-words').textContent = frameWords(currentFrame());
  await redraw({ fit: true });
  showLegend();
}

// ---- the replay

const currentFrame = () => Number(byId('frame').value);

function frameWords(frame) {
  const all = tree.search.frames.length;
  if (!all) return 'Nothing happened.';
  if (frame === all) return `The whole search: ${number(all)} events.`;
  return frame ? `${frame}/${all}  ${tree.search.frames[frame - 1][1]}` : `0/${all}  The question`;
}

function showFrame() {
  const frame = currentFrame();
  hideLater(frame);
  drawRings();
  byId('frame-words').textContent = frameWords(frame);
}

function stepFrame(by) {
  const slider = byId('frame');
  slider.value = String(Math.min(Math.max(currentFrame() + by, 0), Number(slider.max)));
  showFrame();
}

function play() {
  const button = byId('play');
  const playing = button.getAttribute('aria-pressed') === 'false';
  button.setAttribute('aria-pressed', String(playing));
  button.textContent = playing ? 'Pause' : 'Play';
  clearInterval(tree.timer);
  if (!playing) return;
  if (currentFrame() === Number(byId('frame').max)) byId('frame').value = '0';
  showFrame();
  tree.timer = setInterval(() => {
    stepFrame(1);
    if (currentFrame() === Number(byId('frame').max)) play();
  }, 650);
}

// ---- choosing and folding

function select(place) {
  tree.selected = place;
  drawRings();
  showDetail();
  const item = drawnItems().find((each) => each.id === place);
  if (item) reveal(item.x, item.y);
}

function fold(place) {
  if (!tree.children.get(place).length) return;
  if (tree.folded.has(place)) tree.folded.delete(place);
  else tree.folded.add(place);
  redraw();
}

/** The step that an arrow key leads to: to the parent, the first child, the nearest of the same depth. */
function neighbour(key) {
  const drawn = drawnItems().filter((item) => item.frame <= currentFrame());
  const here = drawn.find((item) => item.id === tree.selected);
  if (!here) return QUESTION;
  if (key === 'ArrowLeft') return here.parent ?? QUESTION;
  if (key === 'ArrowRight') return (drawn.find((item) => item.parent === here.id) || here).id;
  const down = key === 'ArrowDown';
  const beside = drawn.filter((item) => item.depth === here.depth && (down ? item.y > here.y : item.y < here.y));
  beside.sort((one, other) => Math.abs(one.y - here.y) - Math.abs(other.y - here.y));
  return (beside[0] || here).id;
}

function stageKey(event) {
  if (!tree.view || event.altKey || event.ctrlKey || event.metaKey) return;
  const acts = {
    '+': () => zoomCentre(1.3), '=': () => zoomCentre(1.3), '-': () => zoomCentre(1 / 1.3), 0: () => fitView(),
    Home: () => select(QUESTION), ' ': () => fold(tree.selected ?? QUESTION), Enter: () => byId('detail').querySelector('button, a')?.focus(),
  };
  const act = event.key.startsWith('Arrow') ? () => select(neighbour(event.key)) : acts[event.key];
  if (!act) return;
  event.preventDefault();
  act();
}

// ---- which search

async function showSearch(place, run, repeat) {
  const changed = tree.place !== place;
  delete byId('section-tree').dataset.unused;
  Object.assign(tree, { place, run, repeat, selected: null });
  if (changed) tree.part = await unpacked(`part-${place}`);
  tree.search = tree.part.searches.find((each) => each.run === run && each.repeat === repeat) || null;
  if (tree.timer && byId('play').getAttribute('aria-pressed') === 'true') play();
  fillChoices();
  const drawable = tree.search && !tree.search.damaged;
  document.querySelector('.search-view').classList.toggle('empty', !drawable);
  if (drawable) await drawTree();
  else {
    if (tree.view) tree.view.finalize();
    tree.view = null;
    byId('stage').replaceChildren();
    byId('frame-words').textContent = '';
    byId('tree-count').textContent = '';
  }
  showDetail();
}

const open = (place, run, repeat) => { location.hash = `#tree/${place}/${run}/${repeat}`; };

function fillChoices() {
  byId('tree-problem').value = String(tree.place);
  const searches = page.index.problems[tree.place][PROBLEM.searches];
  byId('tree-run').replaceChildren();
  options(byId('tree-run'), page.index.runs.map((run, place) => {
    const verdicts = searches[place].map((search) => page.index.verdicts[verdictOf(search)]).join('');
    return [place, `${verdicts || '·'} ${run.name}`];
  }));
  byId('tree-run').value = String(tree.run);
  const repeats = searches[tree.run].map((search) => search[SEARCH.repeat]);
  byId('tree-repeat').replaceChildren();
  options(byId('tree-repeat'), repeats.map((repeat) => [repeat, String(repeat)]));
  byId('tree-repeat').value = String(tree.repeat);
  byId('repeat-label').hidden = repeats.length < 2;
}

/** The problem before or behind, among those that the table shows. */
function neighbourProblem(by) {
  const chosen = problems.chosen && problems.chosen.includes(tree.place) ? problems.chosen : page.index.problems.map((_, place) => place);
  const next = chosen[chosen.indexOf(tree.place) + by];
  if (next !== undefined) open(next, tree.run, 0);
}

function startTree() {
  options(byId('tree-problem'), page.index.problems.map((problem, place) => [place, `${problem[PROBLEM.index]}: ${problem[PROBLEM.id]}`]));
  byId('tree-problem').addEventListener('change', (event) => open(event.target.value, tree.run, 0));
  byId('tree-run').addEventListener('change', (event) => open(tree.place, event.target.value, 0));
  byId('tree-repeat').addEventListener('change', (event) => open(tree.place, tree.run, event.target.value));
  byId('previous-problem').addEventListener('click', () => neighbourProblem(-1));
  byId('next-problem').addEventListener('click', () => neighbourProblem(1));
  byId('frame').addEventListener('input', showFrame);
  byId('back').addEventListener('click', () => stepFrame(-1));
  byId('forth').addEventListener('click', () => stepFrame(1));
  byId('play').addEventListener('click', play);
  byId('fold-equal').addEventListener('change', () => redraw({ fit: true }));
  byId('show-texts').addEventListener('change', () => redraw({ fit: true }));
  byId('stage').addEventListener('keydown', stageKey);
}

/** The signs that this tree has, and what its colours mean. */
function showLegend() {
  const kinds = page.index.kinds
    .filter((_, place) => steps().kind.includes(place))
    .map(([name, told, path]) => el('li', { title: told }, icon(path), name));
  const marks = page.index.marks
    .filter((_, bit) => steps().marks.some((mark) => mark & (1 << bit)))
    .map(([name, told, sign]) =>
      el('li', { title: told }, el('span', { className: 'sign', textContent: sign, 'aria-hidden': 'true' }), name));
  const bounds = [0, ...page.index.bounds, 1];
  const circle = page.index.kinds.find(([name]) => name === 'continued')[2];
  const scores = bounds.slice(1).map((high, place) =>
    el('li', { className: `score-${place + 1}` }, icon(circle), `${place ? '' : 'score '}${bounds[place]} to ${high}`));
  byId('legend').replaceChildren(...kinds, ...marks, ...(steps().score.some((score) => score !== null) ? scores : []));
}
