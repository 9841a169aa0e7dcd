// Texts of models: plain text and formulas, which came as lists of MathML elements.

const MATHML = 'http://www.w3.org/1998/Math/MathML';
const LONG = 20000;

function mathElement([name, attributes, ...children]) {
  const element = document.createElementNS(MATHML, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  for (const child of children) element.append(typeof child === 'string' ? child : mathElement(child));
  return element;
}

/** The nodes of a text of a problem. */
function textNodes(part, place, plain) {
  const pieces = part.texts[place];
  return pieces.map((piece, order) => {
    const last = order === pieces.length - 1;
    if (typeof piece === 'string') return document.createTextNode(last && !plain ? piece.trimEnd() : piece);
    const [source, math] = part.formulas[piece];
    if (plain) return document.createTextNode(source);
    const element = mathElement(math);
    element.setAttribute('aria-label', source);
    element.setAttribute('title', source);
    return element;
  });
}

const plainText = (part, place) =>
  part.texts[place].map((piece) => (typeof piece === 'string' ? piece : part.formulas[piece][0])).join('');

/** A text in a box, with formulas or as it was written; a very long one opens on demand. */
function textBox(part, place) {
  const box = el('div', { className: 'text' });
  const whole = plainText(part, place);
  const formulas = part.texts[place].some((piece) => typeof piece !== 'string');
  const show = (plain) => box.replaceChildren(...textNodes(part, place, plain));
  if (whole.length <= LONG) show(false);
  else box.textContent = `${whole.slice(0, LONG)}…`;
  const buttons = [];
  if (whole.length > LONG) {
    const more = el('button', { type: 'button', textContent: `Show all ${number(whole.length)} characters` });
    more.addEventListener('click', () => { box.textContent = whole; more.remove(); });
    buttons.push(more);
  } else if (formulas) {
    const toggle = el('button', { type: 'button', textContent: 'As it was written', 'aria-pressed': 'false' });
    toggle.addEventListener('click', () => {
      const plain = toggle.getAttribute('aria-pressed') === 'false';
      toggle.setAttribute('aria-pressed', String(plain));
      show(plain);
    });
    buttons.push(toggle);
  }
  return [box, ...buttons];
}
