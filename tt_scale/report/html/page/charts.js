// Charts: specifications of Vega-Lite, drawn when they come into sight. Vega runs them through its interpreter, as
// the page forbids code that is made while it runs.

const ENTRY = 190;
const PANEL = 260;
const GAP = 20;
const CARD = 90;
const PAIRED = 460;

function showTooltip(handler, event, item, value) {
  const tip = byId('tooltip');
  if (value === null || value === undefined || value === '') {
    tip.hidden = true;
    return;
  }
  const told = typeof value === 'object' ? Object.entries(value) : [['', value]];
  tip.replaceChildren(
    el('dl', {}, ...told.flatMap(([name, text]) => [el('dt', { textContent: name }), el('dd', { textContent: String(text) })])),
  );
  tip.hidden = false;
  const box = tip.getBoundingClientRect();
  const left = event.clientX + 16 + box.width > window.innerWidth ? event.clientX - box.width - 12 : event.clientX + 16;
  tip.style.left = `${Math.max(left, 4)}px`;
  tip.style.top = `${Math.min(event.clientY + 14, window.innerHeight - box.height - 4)}px`;
}

const drawOptions = {
  ast: true, actions: false, renderer: 'svg', defaultStyle: false, tooltip: showTooltip, mode: undefined,
};

/** As many panels side by side as the page has room for, in rows of equal length where that is possible. */
function panelColumns(panels, width) {
  const most = Math.max(Math.min(Math.floor(width / PANEL), panels), 1);
  const even = Array.from({ length: most }, (_, place) => most - place).find((columns) => panels % columns === 0);
  return even > 1 ? even : most;
}

/** The same chart for the width of the page. */
function fitted(spec, width) {
  const chart = structuredClone(spec);
  chart.config.legend.columns = Math.max(Math.floor(width / ENTRY), 2);
  if (chart.facet) {
    const labels = (chart.usermeta && chart.usermeta.labels) || 64;
    chart.columns = panelColumns(chart.facet.sort.length, width);
    chart.spec.width = Math.max(Math.floor((width - labels - 12 - GAP * (chart.columns - 1)) / chart.columns), 120);
  } else chart.width = width;
  return chart;
}

/** How wide a drawing is; where its section is hidden, how wide it will be. */
function drawingWidth(figure) {
  const width = figure.querySelector('.drawing').clientWidth;
  if (width) return width;
  const whole = byId('main').clientWidth - CARD;
  return figure.closest('.pair') && whole > 2 * PAIRED ? Math.floor((whole - CARD) / 2) : whole;
}

async function drawChart(figure) {
  const spec = page.index.charts[figure.dataset.chart];
  const drawing = figure.querySelector('.drawing');
  const width = drawingWidth(figure);
  if (!spec || figure.dataset.width === String(width)) return;
  figure.dataset.width = String(width);
  try {
    if (figure.view) figure.view.finalize();
    figure.view = await window.vegaEmbed(drawing, fitted(spec, width), { ...drawOptions, mode: 'vega-lite' });
  } catch (error) {
    fail(`The chart ${figure.dataset.chart} cannot be drawn`, error);
  }
}

/** Draw what is in sight now, and the rest when it comes into sight or its width changes. */
function watchCharts() {
  const figures = [...document.querySelectorAll('[data-chart]')];
  const sight = new IntersectionObserver(
    (entries) => entries.filter((entry) => entry.isIntersecting).forEach((entry) => drawChart(entry.target)),
    { rootMargin: '300px' },
  );
  let wait = 0;
  const sizes = new ResizeObserver((entries) => {
    clearTimeout(wait);
    wait = setTimeout(() => entries.forEach((entry) => {
      const figure = entry.target.closest('[data-chart]');
      if (figure.view && entry.contentRect.width) drawChart(figure);
    }), 150);
  });
  for (const figure of figures) {
    sight.observe(figure);
    sizes.observe(figure.querySelector('.drawing'));
  }
  document.querySelectorAll('input[name="cost"]').forEach((input) =>
    input.addEventListener('change', () =>
      document.querySelectorAll('[data-choice]').forEach((figure) => {
        figure.hidden = figure.dataset.choice !== input.value;
      }),
    ),
  );
}

/** Draw what was not in sight yet while nothing else is to be done, so that a printed page has it. */
function drawIdly() {
  const next = [...document.querySelectorAll('[data-chart]')].find((figure) => !figure.dataset.width);
  if (!next) return;
  const later = window.requestIdleCallback || ((work) => setTimeout(work, 200));
  later(() => drawChart(next).then(drawIdly));
}
