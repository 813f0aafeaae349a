// How the model does on held-back rows: the confusion matrix, and pictures of what it takes for something else.
import { h, fill, number, percent, table, panel } from './dom.js';

const largestMatrix = 40;

export class ReviewView {
  /** Load: run → promise of the review. */
  constructor(load) {
    this.load = load;
    this.button = h('button', { type: 'button', onclick: () => this.compute() }, 'Compute');
    this.said = h('p', { role: 'status' });
    this.body = h('div');
    this.hint = h('p', { class: 'dim' }, 'Computed when it is asked for, by this dashboard, from the result or the newest checkpoint. Training does not wait for it.');
    this.element = h('div', {}, panel('On held-back rows', this.hint, this.button, this.said), this.body);
    this.of = null;
  }

  show(runs) {
    [this.run] = runs;
    const key = `${this.run.id} ${this.run.state?.state}`;
    if (this.of === key) return;
    this.of = key;
    fill(this.body);
    this.said.textContent = '';
    // While a run goes on its cores are busy: only when asked.
    if (this.run.state && this.run.state.state !== 'running') this.compute();
  }

  async compute() {
    const key = this.of;
    this.button.disabled = true;
    this.said.textContent = 'Computing …';
    try {
      const page = await this.load(this.run);
      if (this.of === key) this.fillIn(page);
    } catch (problem) {
      if (this.of === key) this.said.textContent = problem.message;
    } finally {
      this.button.disabled = false;
    }
  }

  fillIn(page) {
    this.said.textContent = page.classes.length === 0
      ? `${number(page.rows)} ${page.source}, by ${page.model}: loss ${number(page.loss)}, R² ${number(page.rSquared)}.`
      : `${number(page.rows)} ${page.source}, by ${page.model}: loss ${number(page.loss)}, accuracy ${percent(page.accuracy)}, ${number(page.wrongRows)} wrong.`;
    fill(this.body, page.classes.length > 0 && panel('Confusion matrix', matrix(page)), page.wrong.length > 0 && panel('Taken for another class', wrongRows(page)));
  }
}

function matrix(page) {
  if (page.classes.length > largestMatrix) {
    return table('Classes', ['class', 'precision', 'recall'], page.classes.map((name, i) => [name, percent(page.precision[i]), percent(page.recall[i])]), [1, 2]);
  }
  const caption = 'Rows by their class (down) and the class that was found (across)';
  const rows = page.classes.map((name, label) => {
    const sum = page.confusion[label].reduce((a, b) => a + b, 0);
    return h('tr', {}, h('th', { scope: 'row' }, name), page.confusion[label].map((count, predicted) => {
      const cell = h('td', { class: `number cell ${count === 0 ? 'none' : label === predicted ? 'right' : 'wrong'}` }, count === 0 ? '·' : number(count));
      cell.style.setProperty('--share', sum === 0 ? '0%' : `${Math.round(12 + 68 * count / sum)}%`);
      return cell;
    }), h('td', { class: 'number' }, percent(page.precision[label])), h('td', { class: 'number' }, percent(page.recall[label])));
  });
  return [h('p', { class: 'dim' }, `${caption}.`), h('div', { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': 'Confusion matrix' }, h('table', { class: 'matrix' }, h('caption', { class: 'hidden' }, caption),
    h('thead', {}, h('tr', {}, h('th', { scope: 'col' }, 'class'), page.classes.map(name => h('th', { scope: 'col', class: 'number' }, name)), h('th', { scope: 'col', class: 'number' }, 'precision'), h('th', { scope: 'col', class: 'number' }, 'recall'))),
    h('tbody', {}, rows)))];
}

function wrongRows(page) {
  const words = row => `${page.classes[row.label]}, taken for ${page.classes[row.predicted]}${Number.isFinite(Number(row.probability)) ? ` (${(100 * Number(row.probability)).toFixed(0)} %)` : ''}`;
  if (!page.image) return table('Rows that were taken for another class', ['row', 'class', 'taken for', 'how surely'], page.wrong.map(row => [number(row.row), page.classes[row.label], page.classes[row.predicted], percent(row.probability)]), [3]);
  return h('ul', { class: 'pictures' }, page.wrong.map(row => h('li', {}, h('figure', {}, picture(row, page.image, words(row)), h('figcaption', {}, words(row), h('span', { class: 'dim' }, ` row ${number(row.row)}`))))));
}

function picture(row, [channels, height, width], words) {
  const bytes = Uint8Array.from(atob(row.pixels), character => character.charCodeAt(0));
  const canvas = h('canvas', { width, height, role: 'img', 'aria-label': words });
  const image = new ImageData(width, height);
  for (let at = 0; at < width * height; at++) {
    for (let part = 0; part < 3; part++) image.data[4 * at + part] = bytes[(channels >= 3 ? part * width * height : 0) + at];
    image.data[4 * at + 3] = 255;
  }
  canvas.getContext('2d').putImageData(image, 0, 0);
  return canvas;
}
