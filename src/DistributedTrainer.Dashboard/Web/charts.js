// Curves, drawn by uPlot; what it draws is said in words too, and stands in a table.
import { h, fill, number, colour } from './dom.js';

const tableRows = 200;

/** A chart. Series: { label, colour, x, y, faint, dashed, points }; options: { title, unit, percent, log }. */
export class Chart {
  constructor(title, options = {}) {
    this.title = title;
    this.options = options;
    this.series = [];
    this.xLabel = 'step';
    this.log = options.log ?? false;
    this.plot = h('div', { class: 'plot', tabindex: '0', role: 'img' });
    this.said = h('p', { class: 'hidden', 'aria-live': 'polite' });
    this.legend = h('ul', { class: 'legend' });
    this.rows = h('div');
    this.details = h('details', { class: 'behind', ontoggle: () => this.fillTable() }, h('summary', {}, 'As a table'), this.rows);
    this.element = h('figure', { class: 'chart' },
      h('figcaption', {}, title), this.legend, this.plot, this.said, this.details);
    this.plot.addEventListener('keydown', event => this.key(event));
    this.size = new ResizeObserver(() => this.fit());
    this.size.observe(this.plot);
  }

  /** Shows these series. */
  set(series, xLabel = 'step', log = this.log) {
    const shape = s => JSON.stringify([s.map(one => [one.label, one.colour, one.faint, one.dashed, one.points]), log]);
    const same = this.u && shape(series) === shape(this.series) && xLabel === this.xLabel;
    const zoomed = same && this.isZoomed();
    [this.series, this.xLabel, this.log] = [series, xLabel, log];
    const joined = this.join(log);
    if (same) this.u.setData(joined, !zoomed);
    else this.draw(joined);
    if (same && zoomed) this.u.redraw();
    fill(this.legend, series.filter(one => !one.faint).map(one => {
      const swatch = h('span', { class: `swatch ${one.dashed ? 'dashed' : ''}` });
      swatch.style.borderColor = one.colour;
      return h('li', {}, swatch, one.label);
    }));
    this.plot.setAttribute('aria-label', this.words());
    if (this.details.open) this.fillTable();
  }

  join(log) {
    const tables = this.series.map(one => [one.x, log ? one.y.map(value => value > 0 ? value : null) : one.y]);
    const filled = tables.filter(one => one[0].length > 0);
    if (filled.length === 0) return [[], ...this.series.map(() => [])];
    if (filled.length === tables.length && tables.every(one => one[0] === tables[0][0])) return [tables[0][0], ...tables.map(one => one[1])];
    return uPlot.join(tables.map(one => one[0].length > 0 ? one : [[filled[0][0][0]], [null]]));
  }

  draw(data) {
    this.u?.destroy();
    const [ink, grid] = [colour('dim'), colour('grid')];
    const values = (_, splits) => splits.map(value => value === null ? '' : this.options.percent ? `${+(100 * value).toFixed(2)}%` : short(value));
    const axis = { stroke: ink, grid: { stroke: grid, width: 1 }, ticks: { stroke: grid, width: 1 }, font: '12px system-ui, sans-serif' };
    this.u = new uPlot({
      width: Math.max(200, this.plot.clientWidth), height: this.height(),
      scales: { x: { time: false }, y: { distr: this.log ? 3 : 1, range: this.log ? undefined : (_, low, high) => padded(low, high, this.options) } },
      axes: [{ ...axis, size: 30, values: (_, splits) => splits.map(short) }, { ...axis, size: 66, values }],
      legend: { show: false },
      cursor: { y: false, points: { size: 7 }, drag: { x: true, y: false } },
      series: [{}, ...this.series.map(one => ({
        label: one.label, stroke: one.faint ? `${one.colour}40` : one.colour, width: one.faint ? 1 : 2, dash: one.dashed ? [6, 4] : undefined, spanGaps: true,
        points: { show: one.points ?? false, size: 5, fill: one.colour },
      }))],
      hooks: { setCursor: [u => this.point(u.cursor.idx)] },
    }, data, this.plot);
    this.tip = h('div', { class: 'tip', 'aria-hidden': 'true' });
    this.u.over.append(this.tip);
    this.tip.hidden = true;
  }

  height() {
    return this.plot.clientWidth < 420 ? 190 : 230;
  }

  fit() {
    if (this.u && this.plot.clientWidth > 0) this.u.setSize({ width: this.plot.clientWidth, height: this.height() });
  }

  isZoomed() {
    const xs = this.u.data[0];
    return xs.length > 1 && (this.u.scales.x.min > xs[0] || this.u.scales.x.max < xs[xs.length - 1]) ;
  }

  /** What stands at a place of the x axis. */
  reading(index) {
    const x = this.u.data[0][index];
    const parts = this.series.map((one, i) => ({ one, value: this.u.data[i + 1][index] }))
      .filter(part => !part.one.faint && part.value !== null && part.value !== undefined)
      .map(part => `${part.one.label} ${this.options.percent ? `${(100 * part.value).toFixed(2)} %` : number(part.value)}`);
    return [`${this.xLabel} ${number(x)}`, ...parts];
  }

  point(index) {
    if (!this.tip) return;
    this.tip.hidden = index === null || index === undefined || this.u.data[0].length === 0;
    if (this.tip.hidden) return;
    fill(this.tip, this.reading(index).map((text, i) => h(i === 0 ? 'strong' : 'span', {}, text)));
    const left = this.u.valToPos(this.u.data[0][index], 'x');
    this.tip.classList.toggle('left', left > this.u.over.clientWidth / 2);
    this.tip.style.left = `${left}px`;
  }

  key(event) {
    const { u } = this;
    if (!u || u.data[0].length === 0) return;
    const xs = u.data[0];
    const at = u.cursor.idx ?? xs.length - 1;
    const { min, max } = u.scales.x;
    const zoom = factor => {
      const middle = xs[Math.min(at, xs.length - 1)];
      u.setScale('x', { min: Math.max(xs[0], middle - (middle - min) * factor), max: Math.min(xs[xs.length - 1], middle + (max - middle) * factor) });
    };
    const go = to => {
      const index = Math.max(0, Math.min(xs.length - 1, to));
      u.setCursor({ left: u.valToPos(xs[index], 'x'), top: 10 });
      this.said.textContent = this.reading(index).join(', ');
    };
    const stride = Math.max(1, Math.round(xs.length / 100));
    const act = { ArrowLeft: () => go(at - stride), ArrowRight: () => go(at + stride), Home: () => go(0), End: () => go(xs.length - 1), '+': () => zoom(0.5), '-': () => zoom(2), 0: () => u.setScale('x', { min: xs[0], max: xs[xs.length - 1] }) }[event.key];
    if (act) {
      event.preventDefault();
      act();
    }
  }

  words() {
    const told = this.series.filter(one => !one.faint && one.y.length > 0).map(one => {
      const values = one.y.filter(value => value !== null && Number.isFinite(value));
      const show = value => this.options.percent ? `${(100 * value).toFixed(1)} %` : number(value);
      return values.length === 0 ? `${one.label}: nothing yet` : `${one.label} from ${show(values[0])} to ${show(values[values.length - 1])}, lowest ${show(values.reduce((a, b) => Math.min(a, b)))}, highest ${show(values.reduce((a, b) => Math.max(a, b)))}`;
    });
    return `${this.title} by ${this.xLabel}. ${told.join('. ') || 'Nothing yet'}. Arrow keys read points, plus and minus zoom, 0 shows all.`;
  }

  fillTable() {
    if (!this.details.open || !this.u) return;
    const count = this.u.data[0].length;
    const stride = Math.max(1, Math.ceil(count / tableRows));
    const shown = this.series.map((one, i) => ({ one, column: this.u.data[i + 1] })).filter(entry => !entry.one.faint);
    const rows = [];
    for (let i = 0; i < count; i += stride) rows.push([number(this.u.data[0][i]), ...shown.map(entry => this.options.percent && entry.column[i] != null ? `${(100 * entry.column[i]).toFixed(2)} %` : number(entry.column[i]))]);
    fill(this.rows, h('div', { class: 'scroll tall', tabindex: '0', role: 'region', 'aria-label': `${this.title}, table` }, h('table', {},
      h('thead', {}, h('tr', {}, [this.xLabel, ...shown.map(entry => entry.one.label)].map(text => h('th', { scope: 'col', class: 'number' }, text)))),
      h('tbody', {}, rows.map(row => h('tr', {}, row.map((cell, i) => h(i === 0 ? 'th' : 'td', { class: 'number', scope: i === 0 ? 'row' : null }, cell))))))));
  }
}

function short(value) {
  if (value === null || value === undefined) return '';
  const size = Math.abs(value);
  if (size >= 1e6) return `${+(value / 1e6).toFixed(1)}M`;
  if (size >= 1e4) return `${+(value / 1e3).toFixed(1)}k`;
  return size !== 0 && size < 1e-2 ? Number(value.toPrecision(3)).toExponential() : String(+value.toFixed(5));
}

function padded(low, high, options) {
  if (low === null || low === undefined) return [0, 1];
  const room = (high - low) * 0.06 || Math.abs(high) * 0.1 || 1;
  return [options.zero || (low >= 0 && low - room < 0) ? 0 : low - room, options.percent ? Math.min(1.002, high + room) : high + room];
}
