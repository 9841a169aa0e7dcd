// What every part of the page uses: elements made without markup, data unpacked, messages.

const byId = (id) => document.getElementById(id);

/** Make an element. Texts become text nodes, whatever they say; no markup is ever parsed. */
function el(name, properties = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (key === 'on') Object.entries(value).forEach(([event, listener]) => element.addEventListener(event, listener));
    else if (key.startsWith('aria-') || key === 'role' || key === 'scope') element.setAttribute(key, value);
    else element[key] = value;
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

const SVG = 'http://www.w3.org/2000/svg';

/** A sign of the legend and of lists: a path around 0, as the tree draws it. */
function icon(path) {
  const svg = document.createElementNS(SVG, 'svg');
  svg.setAttribute('viewBox', '-1.4 -1.4 2.8 2.8');
  svg.setAttribute('aria-hidden', 'true');
  const shape = document.createElementNS(SVG, 'path');
  shape.setAttribute('d', path);
  svg.append(shape);
  return svg;
}

/** Read data that the page holds compressed. */
async function unpacked(id) {
  const text = atob(byId(id).textContent);
  const bytes = new Uint8Array(text.length);
  for (let place = 0; place < text.length; place += 1) bytes[place] = text.charCodeAt(place);
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream('deflate'));
  return JSON.parse(await new Response(stream).text());
}

/** Say that something failed, where everybody sees it. */
function fail(what, error) {
  const notice = byId('failure');
  notice.textContent = `${what} (${error && error.message ? error.message : error})`;
  notice.hidden = false;
}

const number = (value, digits = 0) =>
  value === null || value === undefined
    ? '–'
    : value.toLocaleString('en-US', { minimumFractionDigits: digits, maximumFractionDigits: digits });

const page = { index: null };
