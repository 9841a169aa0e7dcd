// The table of problems: filters, search, order.

const PROBLEM = { index: 0, id: 1, level: 2, subject: 3, question: 4, gold: 5, searches: 6 };
const SEARCH = { repeat: 0, verdict: 1, answer: 2, tokens: 3, seconds: 4, flags: 5 };
const FIRST_ROWS = 300;
const SHORT = 28;

const problems = { filters: new Set(), order: 'index', ascending: true, all: false };

const verdictNames = () => Object.keys(page.index.verdicts);
const verdictOf = (search) => verdictNames()[search[SEARCH.verdict]];

function filterNames() {
  const several = page.index.runs.length > 1;
  return ['wrong', 'no answer', 'ungraded', 'failed', ...page.index.flags, ...(several ? ['differing'] : [])];
}

function matches(search, name) {
  const flag = page.index.flags.indexOf(name);
  return flag >= 0 ? Boolean(search[SEARCH.flags] & (1 << flag)) : verdictOf(search) === name;
}

/** Whether methods differ in what they got right, in any repeat. */
function differs(problem) {
  const repeats = new Map();
  for (const search of problem[PROBLEM.searches].flat()) {
    const known = repeats.get(search[SEARCH.repeat]) || new Set();
    repeats.set(search[SEARCH.repeat], known.add(verdictOf(search) === 'correct'));
  }
  return [...repeats.values()].some((known) => known.size > 1);
}

function passes(problem, query, level, subject, run) {
  if (level && String(problem[PROBLEM.level]) !== level) return false;
  if (subject && problem[PROBLEM.subject] !== subject) return false;
  const searches = run === '' ? problem[PROBLEM.searches].flat() : problem[PROBLEM.searches][Number(run)];
  for (const name of problems.filters) {
    if (name === 'differing' ? !differs(problem) : !searches.some((search) => matches(search, name))) return false;
  }
  if (!query) return true;
  const texts = [problem[PROBLEM.id], problem[PROBLEM.question], problem[PROBLEM.gold], problem[PROBLEM.subject]];
  return [...texts, ...searches.map((search) => search[SEARCH.answer])].some(
    (text) => text !== null && String(text).toLowerCase().includes(query),
  );
}

const orders = {
  index: (problem) => problem[PROBLEM.index],
  id: (problem) => problem[PROBLEM.id],
  level: (problem) => problem[PROBLEM.level] ?? -1,
  subject: (problem) => problem[PROBLEM.subject] ?? '',
  gold: (problem) => problem[PROBLEM.gold],
};

/** What a column of a method is sorted by: how often it was right, then its tokens. */
function orderOf(name) {
  if (!name.startsWith('run-')) return orders[name];
  const run = Number(name.slice(4));
  return (problem) => {
    const searches = problem[PROBLEM.searches][run];
    if (!searches.length) return -1;
    const right = searches.filter((search) => verdictOf(search) === 'correct').length / searches.length;
    return right * 1e9 - searches.reduce((sum, search) => sum + search[SEARCH.tokens], 0) / searches.length;
  };
}

const compare = (one, other) =>
  typeof one === 'number' ? one - other : String(one).localeCompare(String(other), undefined, { numeric: true });

function columns() {
  const some = (field) => page.index.problems.some((problem) => problem[field] !== null);
  return [
    ['index', '#'],
    ['id', 'Problem'],
    ...(some(PROBLEM.level) ? [['level', 'Level']] : []),
    ...(some(PROBLEM.subject) ? [['subject', 'Subject']] : []),
    [null, 'Question'],
    ['gold', 'Gold'],
    ...page.index.runs.map((run, place) => [`run-${place}`, run.name]),
  ];
}

function sortBy(name) {
  problems.ascending = problems.order === name ? !problems.ascending : !name.startsWith('run-');
  problems.order = name;
  showProblems();
}

function headRow() {
  return el('tr', {}, ...columns().map(([name, label]) => {
    if (name === null) return el('th', { scope: 'col', textContent: label, className: 'question' });
    const sorted = problems.order === name ? (problems.ascending ? 'ascending' : 'descending') : 'none';
    const button = el('button', { type: 'button', textContent: label, on: { click: () => sortBy(name) } });
    button.dataset.order = name;
    return el('th', { scope: 'col', 'aria-sort': sorted, className: name }, button);
  }));
}

function searchLink(place, run, search) {
  const verdict = verdictOf(search);
  const answer = search[SEARCH.answer];
  const link = el('a', {
    href: `#tree/${place}/${run}/${search[SEARCH.repeat]}`,
    className: `verdict-${verdict.replace(' ', '-')}`,
    title: `${verdict}; ${number(search[SEARCH.tokens])} tokens, ${number(search[SEARCH.seconds], 1)} s`,
  });
  link.append(
    el('span', { className: 'verdict-sign', textContent: page.index.verdicts[verdict], 'aria-hidden': 'true' }),
    el('span', { className: 'hidden', textContent: `${verdict}: ` }),
    el('span', { textContent: answer === null ? verdict : answer }),
  );
  return link;
}

function searchCell(place, run, searches) {
  const links = searches.map((search) => searchLink(place, run, search));
  return el('td', {}, ...links.flatMap((link, order) => (order ? [el('br'), link] : [link])));
}

function problemRow(place) {
  const problem = page.index.problems[place];
  const cells = columns().map(([name, label]) => {
    if (name === 'id') {
      return el('th', { scope: 'row', className: problem[PROBLEM.id].length <= SHORT ? 'short' : 'word' }, el('a', { href: `#tree/${place}/0/0`, textContent: problem[PROBLEM.id] }));
    }
    if (label === 'Question') return el('td', { className: 'question' }, el('div', { textContent: problem[PROBLEM.question] }));
    if (name && name.startsWith('run-')) {
      const run = Number(name.slice(4));
      return searchCell(place, run, problem[PROBLEM.searches][run]);
    }
    const value = problem[PROBLEM[name]];
    return el('td', { className: `word ${name}`, textContent: value === null ? '–' : String(value) });
  });
  return el('tr', {}, ...cells);
}

function showProblems() {
  const query = byId('query').value.trim().toLowerCase();
  const [level, subject, run] = ['level', 'subject', 'method'].map((id) => byId(id).value);
  const key = orderOf(problems.order);
  const known = page.index.problems;
  const chosen = known.map((problem, place) => place).filter((place) => passes(known[place], query, level, subject, run));
  chosen.sort((one, other) => (problems.ascending ? 1 : -1) * compare(key(known[one]), key(known[other])) || one - other);
  const shown = problems.all ? chosen : chosen.slice(0, FIRST_ROWS);
  const table = byId('problem-table');
  const focused = table.contains(document.activeElement) ? document.activeElement.dataset.order : null;
  table.tHead.replaceChildren(headRow());
  table.tBodies[0].replaceChildren(...shown.map(problemRow));
  if (focused) table.tHead.querySelector(`[data-order="${focused}"]`).focus();
  byId('problem-count').textContent = `${number(chosen.length)} of ${number(known.length)} problems`;
  byId('more-problems').hidden = shown.length === chosen.length;
  problems.chosen = chosen;
}

function options(select, values) {
  select.append(...values.map(([value, label]) => el('option', { value: String(value), textContent: label })));
}

function startProblems() {
  const known = page.index.problems;
  const distinct = (field) =>
    [...new Set(known.map((problem) => problem[field]).filter((value) => value !== null))].sort(compare);
  options(byId('level'), distinct(PROBLEM.level).map((value) => [value, String(value)]));
  options(byId('subject'), distinct(PROBLEM.subject).map((value) => [value, value]));
  options(byId('method'), page.index.runs.map((run, place) => [place, run.name]));
  for (const id of ['level', 'subject', 'method']) {
    byId(id).closest('label').hidden = byId(id).options.length < 3;
    byId(id).addEventListener('change', showProblems);
  }
  byId('filters').append(...filterNames().map((name) => {
    const chip = el('button', { type: 'button', textContent: name, 'aria-pressed': 'false' });
    chip.addEventListener('click', () => {
      const on = chip.getAttribute('aria-pressed') === 'false';
      chip.setAttribute('aria-pressed', String(on));
      if (on) problems.filters.add(name);
      else problems.filters.delete(name);
      showProblems();
    });
    return chip;
  }));
  byId('query').addEventListener('input', showProblems);
  byId('more-problems').addEventListener('click', () => { problems.all = true; showProblems(); });
  showProblems();
}
