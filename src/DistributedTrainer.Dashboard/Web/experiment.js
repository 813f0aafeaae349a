// What was asked for, what came of it, and how it is repeated.
import { h, fill, number, percent, duration, table, panel } from './dom.js';
import { yamlValue } from './store.js';

export class ExperimentView {
  constructor() {
    this.facts = h('div');
    this.recoveries = h('div');
    this.text = h('pre', { tabindex: '0', 'aria-label': 'experiment.yaml' });
    this.element = h('div', {}, panel('Run', this.facts), this.recoveries, panel('Experiment', this.text));
  }

  show([run], command) {
    const { result, environment, experiment, ended } = run.state ?? {};
    const metrics = result?.metrics ?? {};
    const rows = [
      ['name', yamlValue(experiment, 'name') ?? run.id],
      ['seed', yamlValue(experiment, 'seed')],
      ['state', run.state?.state === 'ended' ? `ended: ${ended}` : run.state?.state],
      ['steps', result && number(result.steps)],
      ['epochs', result && number(result.epochs)],
      ['training loss', metrics.trainLoss != null && number(metrics.trainLoss)],
      ['validation loss', metrics.validationLoss != null && number(metrics.validationLoss)],
      ['validation accuracy', metrics.validationAccuracy != null && percent(metrics.validationAccuracy)],
      ['test loss', metrics.testLoss != null && number(metrics.testLoss)],
      ['test accuracy', metrics.testAccuracy != null && percent(metrics.testAccuracy)],
      ['rows per second', result && number(result.rowsPerSecond)],
      ['time', result && duration(result.seconds)],
      ['SHA-256 of the parameters', result && h('code', { class: 'hash' }, result.parametersSha256)],
      ['to repeat it', h('code', {}, command ?? `dtrain train ${run.id}/experiment.yaml`)],
      ['coordinator', environment && `dtrain ${environment.dtrain}, ${environment.runtime}, ${environment.system}, ${environment.architecture}, ${environment.processors} processors, vectors of ${environment.vectorBits} bits`],
    ].filter(row => row[1]);
    fill(this.facts, table('The run', ['what', 'value'], rows));
    const recoveries = result?.recoveries ?? [];
    fill(this.recoveries, recoveries.length > 0 && panel('Recoveries', table('What happened and how long it took', ['step', 'seconds', 'cause'], recoveries.map(one => [number(one.step), number(one.seconds, 3), one.cause]), [0, 1])));
    this.text.textContent = experiment ?? '';
  }
}
