// Moving and enlarging a drawing, by pointer, wheel, pinch and keys. While something moves, the finished picture is
// shifted and scaled, which costs next to nothing; once it rests, or runs out of its margin, it is drawn for the new view.

const viewport = { x: 0, y: 0, scale: 1, bounds: null, pointers: new Map(), moved: false, drawn: null, wait: 0 };
const LEAST_SCALE = 0.02;
const MOST_SCALE = 6;
const REST = 140;

const stageSize = () => [Math.max(byId('stage').clientWidth, 1), Math.max(byId('stage').clientHeight, 1)];

/** Draw for the current view. The picture is twice as wide and high as the stage: a margin of a half on each side. */
function applyView() {
  clearTimeout(viewport.wait);
  const svg = byId('stage').querySelector('svg');
  if (!svg || !byId('stage').clientWidth) return;
  const { x, y, scale } = viewport;
  const [width, height] = stageSize().map((length) => length / scale);
  svg.setAttribute('viewBox', `${x - width / 2} ${y - height / 2} ${2 * width} ${2 * height}`);
  svg.setAttribute('preserveAspectRatio', 'xMinYMin meet');
  svg.style.transform = '';
  viewport.drawn = { x, y, scale };
}

/** Shift and scale what is drawn to the current view. */
function moveView() {
  const svg = byId('stage').querySelector('svg');
  const { drawn } = viewport;
  if (!svg || !drawn) return;
  const [width, height] = stageSize();
  const grown = viewport.scale / drawn.scale;
  const dx = (drawn.x - viewport.x) * viewport.scale;
  const dy = (drawn.y - viewport.y) * viewport.scale;
  if (Math.abs(dx) > width * 0.45 || Math.abs(dy) > height * 0.45 || grown < 0.6 || grown > 2.5) {
    applyView();
    return;
  }
  svg.style.transform = `translate(${dx - (width / 2) * (grown - 1)}px, ${dy - (height / 2) * (grown - 1)}px) scale(${grown})`;
  clearTimeout(viewport.wait);
  viewport.wait = setTimeout(applyView, REST);
}

/** Show everything, in whatever size paper gives. */
function wholeView() {
  const svg = byId('stage').querySelector('svg');
  if (!svg || !viewport.bounds) return;
  const [left, top, right, bottom] = viewport.bounds;
  svg.setAttribute('viewBox', `${left} ${top} ${right - left} ${bottom - top}`);
  svg.setAttribute('preserveAspectRatio', 'xMidYMid meet');
}

/** Show everything, or where that would be unreadably small, the beginning. */
function fitView(least = LEAST_SCALE) {
  if (!viewport.bounds) return;
  const [width, height] = stageSize();
  const [left, top, right, bottom] = viewport.bounds;
  const whole = Math.min(width / (right - left), height / (bottom - top), 1.6);
  viewport.scale = Math.max(whole, least);
  const [shownWidth, shownHeight] = [width / viewport.scale, height / viewport.scale];
  viewport.x = right - left > shownWidth ? left : (left + right - shownWidth) / 2;
  viewport.y = bottom - top > shownHeight ? -shownHeight / 2 : (top + bottom - shownHeight) / 2;
  applyView();
}

function zoomAt(factor, x, y) {
  const scale = Math.min(Math.max(viewport.scale * factor, LEAST_SCALE), MOST_SCALE);
  viewport.x += x / viewport.scale - x / scale;
  viewport.y += y / viewport.scale - y / scale;
  viewport.scale = scale;
  moveView();
}

const zoomCentre = (factor) => zoomAt(factor, ...stageSize().map((length) => length / 2));

/** Move just as far that a place can be seen. */
function reveal(x, y) {
  const [width, height] = stageSize().map((length) => length / viewport.scale);
  const margin = 40 / viewport.scale;
  const before = [viewport.x, viewport.y];
  viewport.x = Math.min(Math.max(viewport.x, x + margin * 4 - width), x - margin);
  viewport.y = Math.min(Math.max(viewport.y, y + margin - height), y - margin);
  if (before[0] !== viewport.x || before[1] !== viewport.y) moveView();
}

function pinch(before, now, other) {
  const box = byId('stage').getBoundingClientRect();
  const was = Math.hypot(before[0] - other[0], before[1] - other[1]);
  const is = Math.hypot(now[0] - other[0], now[1] - other[1]);
  zoomAt(is / Math.max(was, 1), (now[0] + other[0]) / 2 - box.left, (now[1] + other[1]) / 2 - box.top);
  viewport.moved = true;
}

function movePointer(event) {
  const before = viewport.pointers.get(event.pointerId);
  if (!before) return;
  const now = [event.clientX, event.clientY];
  const other = [...viewport.pointers.entries()].find(([id]) => id !== event.pointerId);
  viewport.pointers.set(event.pointerId, now);
  if (other) {
    pinch(before, now, other[1]);
    return;
  }
  const [dx, dy] = [now[0] - before[0], now[1] - before[1]];
  viewport.distance += Math.hypot(dx, dy);
  if (viewport.distance > 4 && !viewport.moved) {
    viewport.moved = true;
    byId('stage').setPointerCapture(event.pointerId);
    byId('stage').classList.add('moving');
  }
  if (!viewport.moved) return;
  viewport.x -= dx / viewport.scale;
  viewport.y -= dy / viewport.scale;
  moveView();
}

function turnWheel(event) {
  const stage = byId('stage');
  if (!event.ctrlKey && !event.metaKey && document.activeElement !== stage) return;
  event.preventDefault();
  const box = stage.getBoundingClientRect();
  zoomAt(Math.exp(-event.deltaY * (event.ctrlKey ? 0.01 : 0.0015)), event.clientX - box.left, event.clientY - box.top);
}

function startViewport() {
  const stage = byId('stage');
  stage.addEventListener('pointerdown', (event) => {
    if (!viewport.pointers.size) Object.assign(viewport, { moved: false, distance: 0 });
    viewport.pointers.set(event.pointerId, [event.clientX, event.clientY]);
  });
  stage.addEventListener('pointermove', movePointer);
  for (const name of ['pointerup', 'pointercancel', 'pointerleave']) {
    stage.addEventListener(name, (event) => {
      viewport.pointers.delete(event.pointerId);
      stage.classList.remove('moving');
    });
  }
  stage.addEventListener('wheel', turnWheel, { passive: false });
  byId('zoom-in').addEventListener('click', () => zoomCentre(1.3));
  byId('zoom-out').addEventListener('click', () => zoomCentre(1 / 1.3));
  byId('fit').addEventListener('click', () => fitView());
  new ResizeObserver(applyView).observe(stage);
}
