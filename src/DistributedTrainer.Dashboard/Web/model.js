// The model: its layers, and what their numbers do as it is trained.
import { h, fill, number, table, panel, colour, seriesColour } from './dom.js';
import { lastOf } from './store.js';
import { Chart } from './charts.js';

export class ModelView {
  /** Load: run → promise of { layers, parameters }. */
  constructor(load) {
    this.load = load;
    this.layers = h('div', {}, h('p', { class: 'dim' }, 'Reading the layers …'));
    this.gradients = new Chart('Gradient norm by tensor', { log: true });
    this.norms = new Chart('Weight norm by tensor', { zero: true });
    this.units = new Chart('Dead and saturated units', { percent: true, zero: true });
    this.choice = h('select', { id: 'tensor', onchange: () => this.histogram() });
    this.canvas = h('canvas', { class: 'heat', width: '900', height: '260', role: 'img' });
    this.scale = h('p', { class: 'hint' });
    this.behind = h('div');
    this.element = h('div', {}, panel('Layers', this.layers), h('div', { class: 'grid' }, this.gradients.element, this.norms.element, this.units.element),
      panel('How values are spread', h('label', { for: 'tensor' }, 'Tensor', this.choice), this.canvas, this.scale, h('details', { class: 'behind' }, h('summary', {}, 'As a table'), this.behind)));
    this.of = null;
  }

  show(runs) {
    [this.run] = runs;
    const { run } = this;
    const key = `${run.id} ${run.state?.state}`;
    if (this.of !== key) {
      this.of = key;
      this.page = null;
      this.load(run).then(page => { if (this.of === key) { this.page = page; this.showLayers(); } }, problem => fill(this.layers, h('p', { class: 'bad' }, problem.message)));
    }
    this.showLayers();
    const tensors = (lastOf(run.weights)?.tensors ?? []).map(tensor => tensor.name);
    const weights = tensors.filter(name => name.endsWith('weight'));
    const of = (name, what) => run.weights.map(line => { const value = Number(line.tensors.find(tensor => tensor.name === name)?.[what] ?? NaN); return Number.isFinite(value) ? value : null; });
    const steps = run.weights.map(line => line.step);
    const lines = what => weights.slice(0, 12).map((name, i) => ({ label: name, colour: seriesColour(i), points: true, x: steps, y: of(name, what) }));
    this.gradients.set(lines('gradientNorm'), 'step', true);
    this.norms.set(lines('norm'), 'step');
    const evaluations = run.evaluations.filter(line => (line.units ?? []).length > 0);
    const layers = lastOf(evaluations)?.units ?? [];
    this.units.element.hidden = layers.length === 0;
    this.units.set(layers.flatMap((layer, i) => ['dead', 'saturated'].filter(what => layer[what] != null).map((what, j) => ({
      label: `layer ${layer.layer} (${layer.function}) ${what}`, colour: seriesColour(2 * i + j), points: true, x: evaluations.map(line => line.step),
      y: evaluations.map(line => { const same = line.units.find(one => one.layer === layer.layer); return same?.[what] == null ? null : same[what] / same.units; }),
    }))), 'step');
    if (this.choice.length !== tensors.length) fill(this.choice, tensors.map(name => h('option', { value: name }, name)));
    this.histogram();
  }

  showLayers() {
    if (!this.page) return;
    const tensors = lastOf(this.run.weights)?.tensors ?? [];
    const units = lastOf(this.run.evaluations.filter(line => line.units))?.units ?? [];
    const gradients = lastOf(this.run.weights.filter(line => line.tensors.some(tensor => tensor.gradientNorm != null)))?.tensors ?? [];
    fill(this.layers, table('Layers of the model', ['layer', 'kind', 'output', 'parameters', 'weight norm', 'gradient norm', 'dead', 'saturated'], this.page.layers.map(layer => {
      const place = String(layer.place);
      const activity = units.find(one => one.layer === place);
      const find = list => list.find(tensor => tensor.name === `${place}.weight`);
      return [place, layer.kind, layer.output, number(layer.parameters), number(find(tensors)?.norm), number(find(gradients)?.gradientNorm),
        activity?.dead == null ? '–' : `${number(activity.dead)} of ${number(activity.units)}`, activity ? `${number(activity.saturated)} of ${number(activity.units)}` : '–'];
    }), [3, 4, 5, 6, 7]), h('p', { class: 'dim' }, `${number(this.page.parameters)} parameters. The gradient is the mean over all rows of a step, before it is clipped; some fifty steps of a run are looked at. None is shown with local-steps, stale and async.`));
  }

  /** Each version a column, each part of the range a cell: the darker, the more values. */
  histogram() {
    const name = this.choice.value;
    const columns = this.run.weights.map(line => ({ step: line.step, tensor: line.tensors.find(tensor => tensor.name === name) })).filter(column => column.tensor && Number.isFinite(Number(column.tensor.low)));
    const context = this.canvas.getContext('2d');
    const { width, height } = this.canvas;
    context.clearRect(0, 0, width, height);
    if (columns.length === 0) {
      this.canvas.setAttribute('aria-label', 'Nothing yet.');
      this.scale.textContent = 'Nothing yet: weights.jsonl has no line.';
      return;
    }
    const low = Math.min(...columns.map(column => column.tensor.low));
    const high = Math.max(...columns.map(column => column.tensor.high));
    const y = value => height * (1 - (value - low) / (high - low || 1));
    const most = Math.max(...columns.map(({ tensor }) => Math.max(...tensor.counts) / (tensor.high - tensor.low || 1)));
    context.fillStyle = colour('series-0');
    columns.forEach(({ tensor }, i) => {
      const [from, to] = [Math.floor(width * i / columns.length), Math.floor(width * (i + 1) / columns.length)];
      tensor.counts.forEach((count, bin) => {
        const part = (tensor.high - tensor.low) / tensor.counts.length;
        const [top, bottom] = [Math.floor(y(tensor.low + part * (bin + 1))), Math.floor(y(tensor.low + part * bin))];
        context.globalAlpha = count === 0 ? 0 : 0.08 + 0.92 * Math.sqrt(count / (tensor.high - tensor.low || 1) / most);
        context.fillRect(from, top, to - from, Math.max(1, bottom - top));
      });
    });
    context.globalAlpha = 1;
    const latest = lastOf(columns).tensor;
    this.canvas.setAttribute('aria-label', `Values of ${name} at ${columns.length} versions, from ${number(low)} to ${number(high)}; at the last one mean ${number(latest.mean)}, norm ${number(latest.norm)}.`);
    this.scale.textContent = `From step ${number(columns[0].step)} on the left to ${number(lastOf(columns).step)} on the right; from ${number(low)} at the bottom to ${number(high)} at the top.`;
    fill(this.behind, table(`Values of ${name}`, ['step', 'lowest', 'mean', 'highest', 'norm', 'gradient norm'], columns.map(({ step, tensor }) =>
      [number(step), number(tensor.low), number(tensor.mean), number(tensor.high), number(tensor.norm), number(tensor.gradientNorm)]), [0, 1, 2, 3, 4, 5]));
  }
}
