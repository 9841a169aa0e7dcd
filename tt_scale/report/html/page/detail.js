// Details of the chosen step, or of the whole search where none is chosen.

function definitions(pairs) {
  const told = pairs.filter(([, value]) => value !== null && value !== undefined && value !== '');
  return el('dl', {}, ...told.flatMap(([name, value]) => [el('dt', { textContent: name }), el('dd', { textContent: String(value) })]));
}

const heading = (text) => el('h4', { textContent: text });
const paragraph = (text, className = '') => el('p', { textContent: text, className });

/** From the first step to this one. */
function pathTo(place) {
  const path = [];
  for (let step = place; step !== QUESTION; step = steps().parent[step]) path.unshift(step);
  return path;
}

function pathList(place) {
  return el('ol', { className: 'path' }, ...pathTo(place).map((step) => {
    const score = steps().score[step];
    const words = plainText(tree.part, steps().text[step]).trim();
    const button = el('button', { type: 'button', on: { click: () => select(step) } },
      el('span', { textContent: score === null ? '–' : score.toFixed(2) }),
      el('span', { textContent: words.length > 120 ? `${words.slice(0, 119)}…` : words || '(blank)' }));
    if (step === place) button.setAttribute('aria-current', 'step');
    return el('li', {}, button);
  }));
}

function stepDetail(place) {
  const data = steps();
  const [kind, told] = page.index.kinds[data.kind[place]];
  const marks = page.index.marks.filter((_, bit) => data.marks[place] & (1 << bit));
  const ended = data.ended[place];
  const parts = Object.entries((data.parts && data.parts[place]) || {});
  return [
    el('h3', { textContent: `Step ${data.id[place]}` }),
    paragraph(`${kind}: ${told}.`),
    ...marks.map(([name, words, sign]) => paragraph(`${sign} ${name}: ${words}.`)),
    data.copies[place] > 1 ? paragraph(`Stands for ${data.copies[place]} equal steps.`) : null,
    ...textBox(tree.part, data.text[place]),
    definitions([
      ['Score', data.score[place] === null ? 'none' : data.score[place].toFixed(4)],
      ...parts.map(([prm, score]) => [prm, score.toFixed(4)]),
      ['Score of the path', data.path[place] === null ? null : data.path[place].toFixed(4)],
      ['Answer', data.member[place] === null ? null : `${data.member[place]} (${data.grade[place]})`],
      ['Tokens', number(data.tokens[place])],
      ['Ended', `${ended}: ${page.index.ended[ended] || ''}`.replace(/: $/, '')],
      ['Error', data.error[place]],
      ['Temperature', data.temperature[place]],
      ['Seed', data.seed[place]],
      ['Prompt from cache', `${number(data.cached[place])} tokens`],
      ['Sampled in event', tree.frameOf[place]],
    ]),
    heading('The path to it, with scores'),
    pathList(place),
  ];
}

function poolTable() {
  const groups = new Map();
  for (const [key, answer, grade, score] of tree.search.pool) {
    const known = groups.get(`${grade} ${answer}`) || { answer, grade, count: 0, best: 0, sum: 0, key };
    Object.assign(known, { count: known.count + 1, best: Math.max(known.best, score), sum: known.sum + score });
    groups.set(`${grade} ${answer}`, known);
  }
  const head = ['Answer', 'Verdict', 'Paths', 'Best score'].map((text, place) =>
    el('th', { scope: 'col', textContent: text, className: place > 1 ? 'number' : '' }));
  const rows = [...groups.values()].sort((one, other) => other.count - one.count).map((group) =>
    el('tr', {},
      el('th', { scope: 'row', textContent: group.answer === null ? '–' : group.answer }),
      el('td', { textContent: `${page.index.verdicts[group.grade]} ${group.grade}` }),
      el('td', { className: 'number', textContent: number(group.count) }),
      el('td', { className: 'number', textContent: group.best.toFixed(3) })));
  return el('table', { className: 'figures' }, el('thead', {}, el('tr', {}, ...head)), el('tbody', {}, ...rows));
}

function searchDetail() {
  const { search } = tree;
  const { telemetry, seconds } = search;
  const [tokens, prmTokens] = search.tokens;
  const chosen = steps().kind.findIndex((kind) => page.index.kinds[kind][0] === 'answer');
  const answered = search.answer === null ? 'The search gave no answer.' : `The search answers ${search.answer}: ${search.verdict} (by ${search.selector}).`;
  return [
    paragraph(`${page.index.verdicts[search.verdict]} ${answered}`),
    search.error ? paragraph(search.error) : null,
    chosen >= 0 ? el('button', { type: 'button', textContent: 'Go to the answer', on: { click: () => select(chosen) } }) : null,
    definitions([
      ['Ended', search.stopped],
      ['Tokens', number(tokens)],
      ['Wasted', number(tokens === null ? null : telemetry.wasted_tokens)],
      ['PRM tokens', number(prmTokens)],
      ['Seconds', number(seconds[0], 2)],
      ...['generator', 'PRM', 'grading'].map((name, place) => [
        `Seconds, ${name}`, seconds[place + 1] === null ? null : number(seconds[place + 1], 2)]),
      ['Paths', telemetry.nodes],
      ['Retries', telemetry.retries || null],
      ['Backtracks', telemetry.backtracks || null],
      ['Jumps', telemetry.jumps || null],
      ['Truncated', telemetry.truncated || null],
      ['Cut', telemetry.cut || null],
    ]),
    search.pool.length ? heading('Pool') : null,
    search.pool.length ? poolTable() : null,
  ];
}

function showDetail() {
  const { part, search } = tree;
  if (tree.selected !== null && tree.selected !== QUESTION && search) {
    byId('detail').replaceChildren(...stepDetail(tree.selected).filter(Boolean));
    return;
  }
  let told = [paragraph('This run has not searched the problem.')];
  if (search) told = search.damaged ? [paragraph(search.damaged)] : searchDetail();
  byId('detail').replaceChildren(
    el('h3', { textContent: page.index.problems[tree.place][PROBLEM.id] }),
    ...textBox(part, part.question),
    el('p', {}, 'Gold answer ', ...textNodes(part, part.gold, false)),
    ...told.filter(Boolean),
  );
}
