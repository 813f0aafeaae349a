// The run at a glance: how far it is, and its curves, with those of other runs over them.
import { h, fill, number, percent, duration, seriesColour } from './dom.js';
import { lastOf, smoothed, yamlValue } from './store.js';
import { Chart } from './charts.js';

const axes = { step: 'step', epoch: 'epoch', seconds: 'second' };

export class Overview {
  constructor() {
    [this.smoothing, this.log, this.axis] = [0.6, true, 'step'];
    this.tiles = h('dl', { class: 'tiles' });
    this.progress = h('progress', { max: '1', value: '0', 'aria-label': 'Steps done' });
    this.verdict = h('p', { class: 'verdict', role: 'status' });
    this.charts = {
      loss: new Chart('Loss'),
      accuracy: new Chart('Accuracy', { percent: true }),
      speed: new Chart('Rows per second', { zero: true }),
      rate: new Chart('Learning rate'),
    };
    const redraw = () => this.runs && this.show(this.runs);
    const weight = h('input', { type: 'range', min: '0', max: '0.99', step: '0.01', value: String(this.smoothing), id: 'smoothing', oninput: event => { this.smoothing = Number(event.target.value); redraw(); } });
    const log = h('input', { type: 'checkbox', id: 'log', checked: this.log, onchange: event => { this.log = event.target.checked; redraw(); } });
    const axis = h('select', { id: 'axis', onchange: event => { this.axis = event.target.value; redraw(); } }, Object.keys(axes).map(name => h('option', { value: name }, name)));
    this.controls = h('div', { class: 'controls' },
      h('label', { for: 'smoothing' }, 'Smoothing', weight), h('label', { for: 'log' }, log, 'Logarithmic loss'), h('label', { for: 'axis' }, 'Along', axis),
      h('span', { class: 'hint' }, 'Drag to zoom, double-click for all.'));
    this.element = h('div', {}, this.tiles, this.progress, this.verdict, this.controls, h('div', { class: 'grid' }, Object.values(this.charts).map(chart => chart.element)));
  }

  show(runs) {
    this.runs = runs;
    this.showTiles(runs[0]);
    const x = run => run.metrics[this.axis];
    // A curve of evaluations lies along what its steps say.
    const evaluationX = run => run.evaluations.map(line => this.axis === 'step' ? line.step : this.axis === 'epoch' ? line.epoch : secondsAt(run, line.step));
    const name = (run, text) => runs.length > 1 ? `${run.id}: ${text}` : text;
    const along = axes[this.axis];
    const perRun = runs.length > 1;
    const loss = [];
    runs.forEach((run, i) => {
      const colour = seriesColour(perRun ? i : 0);
      if (this.smoothing > 0) loss.push({ label: `${name(run, 'training')} as it is`, colour, faint: true, x: x(run), y: run.metrics.loss });
      loss.push({ label: name(run, 'training'), colour, x: x(run), y: smoothed(run.metrics.loss, this.smoothing) });
      if (run.evaluations.some(line => line.validationLoss != null)) {
        loss.push({ label: name(run, 'validation'), colour: perRun ? colour : seriesColour(1), dashed: perRun, points: true, x: evaluationX(run), y: run.evaluations.map(line => finite(line.validationLoss)) });
      }
    });
    this.charts.loss.set(loss, along, this.log);
    const accuracy = runs.flatMap((run, i) => [['validation', 'validationAccuracy', 1], ['test', 'testAccuracy', 2]]
      .filter(([, key]) => run.evaluations.some(line => line[key] != null))
      .map(([text, key, place]) => ({ label: name(run, text), colour: seriesColour(perRun ? i : place), points: true, x: evaluationX(run), y: run.evaluations.map(line => finite(line[key])) })));
    this.charts.accuracy.element.hidden = accuracy.length === 0;
    this.charts.accuracy.set(accuracy, along);
    this.charts.speed.set(runs.map((run, i) => ({ label: name(run, 'rows per second'), colour: seriesColour(perRun ? i : 3), x: x(run), y: run.metrics.rowsPerSecond })), along);
    this.charts.rate.set(runs.map((run, i) => ({ label: name(run, 'learning rate'), colour: seriesColour(perRun ? i : 4), x: x(run), y: run.metrics.learningRate })), along);
  }

  showTiles(run) {
    const [evaluation, cluster, result] = [lastOf(run.evaluations), lastOf(run.cluster), run.state?.result];
    const metrics = result?.metrics ?? {};
    const step = result?.steps ?? Math.max(lastOf(run.metrics.step) ?? 0, cluster?.step ?? 0);
    const steps = cluster?.steps ?? result?.steps ?? null;
    const isOn = run.state?.state === 'running';
    const workers = cluster ? cluster.nodes.filter(node => node.role === 'worker' && (node.work ?? []).length > 0).length : null;
    const tile = (label, value) => h('div', {}, h('dt', {}, label), h('dd', {}, value));
    fill(this.tiles,
      tile('Step', steps ? `${number(step)} of ${number(steps)}` : number(step)),
      tile('Epoch', number(result?.epochs ?? lastOf(run.metrics.epoch), 3)),
      tile('Training loss', number(metrics.trainLoss ?? lastOf(run.metrics.loss))),
      tile('Validation loss', number(metrics.validationLoss ?? evaluation?.validationLoss)),
      (metrics.validationAccuracy ?? evaluation?.validationAccuracy) != null && tile('Validation accuracy', percent(metrics.validationAccuracy ?? evaluation.validationAccuracy)),
      metrics.testAccuracy != null && tile('Test accuracy', percent(metrics.testAccuracy)),
      tile('Rows per second', number(isOn ? lastOf(run.metrics.rowsPerSecond) : result?.rowsPerSecond ?? lastOf(run.metrics.rowsPerSecond))),
      isOn ? tile('Workers at work', number(workers)) : tile('Recoveries', number((result?.recoveries ?? []).length)),
      tile('Time', duration(result?.seconds ?? cluster?.seconds ?? lastOf(run.metrics.seconds) ?? NaN)));
    this.progress.value = steps ? step / steps : 0;
    this.progress.hidden = !isOn;
    const name = yamlValue(run.state?.experiment, 'name') ?? run.id;
    const phase = cluster && isOn ? cluster.phase : null;
    this.verdict.className = `verdict ${run.state?.state ?? ''}`;
    this.verdict.textContent = run.state?.state === 'ended' ? `${name} ended: ${run.state.ended}`
      : run.state?.state === 'done' ? `${name} is done.`
      : phase && phase !== 'training' ? `${name}: ${phase}.` : `${name} is training.`;
  }
}

function finite(value) {
  return value == null || !Number.isFinite(Number(value)) ? null : Number(value);
}

/** When a step was applied, as its neighbours say. */
function secondsAt(run, step) {
  const { step: steps, seconds } = run.metrics;
  let [low, high] = [0, steps.length - 1];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (steps[middle] < step) low = middle + 1;
    else high = middle;
  }
  return seconds[low] ?? 0;
}
