// Elements are made here and nowhere else, and text only ever becomes text: nothing that a file holds is read as HTML.

const svgTags = new Set(['svg', 'rect', 'line', 'path', 'g', 'text', 'title', 'circle']);

/** An element with attributes, listeners (functions under onclick, …) and children (elements, texts, null). */
export function h(tag, attributes = {}, ...children) {
  const element = svgTags.has(tag) ? document.createElementNS('http://www.w3.org/2000/svg', tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (typeof value === 'function') element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? '' : value);
  }
  fill(element, ...children);
  return element;
}

/** Replaces what is in an element. */
export function fill(element, ...children) {
  element.replaceChildren(...children.flat(9).filter(child => child !== null && child !== undefined && child !== false));
}

/** A number as a person reads it. */
export function number(value, digits = 4) {
  if (value === null || value === undefined || value === '') return '–';
  const n = Number(value);
  if (!Number.isFinite(n)) return String(value);
  if (Number.isInteger(n) && Math.abs(n) < 1e15) return n.toLocaleString('en-US');
  const size = Math.abs(n);
  return size >= 1e5 || size < 1e-3 ? n.toExponential(2) : size >= 100 ? n.toLocaleString('en-US', { maximumFractionDigits: 1 }) : n.toPrecision(digits);
}

export function percent(value) {
  return value === null || value === undefined || !Number.isFinite(Number(value)) ? '–' : `${(100 * Number(value)).toFixed(2)} %`;
}

export function duration(seconds) {
  if (!Number.isFinite(seconds)) return '–';
  const s = Math.max(0, Math.round(seconds));
  if (s < 60) return `${seconds < 10 ? seconds.toFixed(1) : s} s`;
  const two = n => String(n).padStart(2, '0');
  return s < 3600 ? `${Math.floor(s / 60)}:${two(s % 60)}` : `${Math.floor(s / 3600)}:${two(Math.floor(s / 60) % 60)}:${two(s % 60)}`;
}

/** A table; columns that hold numbers are set to the right. */
export function table(caption, heads, rows, numeric = []) {
  return h('div', { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': caption },
    h('table', {}, h('caption', { class: 'hidden' }, caption),
      h('thead', {}, h('tr', {}, heads.map((head, i) => h('th', { scope: 'col', class: numeric.includes(i) ? 'number' : null }, head)))),
      h('tbody', {}, rows.map(row => h('tr', {}, row.map((cell, i) => i === 0
        ? h('th', { scope: 'row' }, cell) : h('td', { class: numeric.includes(i) ? 'number' : null }, cell)))))));
}

/** A part of the page with a heading. */
export function panel(title, ...children) {
  const id = `panel-${title.toLowerCase().replace(/[^a-z]+/g, '-')}`;
  return h('section', { class: 'panel', 'aria-labelledby': id }, h('h2', { id }, title), ...children);
}

/** The colour that the style sheet gives a name. */
export function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}

/** Eight that are told apart in light and dark. */
export function seriesColour(index) {
  return colour(`series-${index % 8}`);
}
