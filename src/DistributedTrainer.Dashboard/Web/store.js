// What is known of runs, as the updates tell it.

const columnNames = ['step', 'epoch', 'loss', 'learningRate', 'rowsPerSecond', 'seconds'];

export function emptyRun(id) {
  return { id, state: null, metrics: Object.fromEntries(columnNames.map(name => [name, []])), evaluations: [], cluster: [], weights: [], log: [] };
}

/** Takes an update in. */
export function applyUpdate(run, update) {
  if (update.state) run.state = update.state;
  if (update.metrics) {
    for (const name of columnNames) {
      run.metrics[name] = update.metrics.reset ? update.metrics[name] : run.metrics[name].concat(update.metrics[name]);
    }
  }
  for (const name of ['evaluations', 'cluster', 'weights', 'log']) {
    if (update[name]) run[name] = update[name].reset ? update[name].items : run[name].concat(update[name].items);
  }
  if (update.weights) {
    // A version that was told again, after a failure, is the same.
    const byStep = new Map(run.weights.map(line => [line.step, line]));
    run.weights = [...byStep.values()].sort((a, b) => a.step - b.step);
  }
}

export function lastOf(list) {
  return list.length > 0 ? list[list.length - 1] : null;
}

/** One value of a YAML file that the trainer wrote, by a simple key at the left. */
export function yamlValue(yaml, key) {
  const line = (yaml ?? '').split('\n').find(text => text.startsWith(`${key}:`));
  return line ? line.slice(key.length + 1).trim().replace(/^'(.*)'$/, '$1') : null;
}

/** Moves along a curve at the pace of an exponential mean; weight 0 leaves it as it is. */
export function smoothed(values, weight) {
  if (weight <= 0) return values;
  let [mean, share] = [0, 0];
  return values.map(value => {
    if (value === null || !Number.isFinite(value)) return null;
    mean = weight * mean + (1 - weight) * value;
    share = weight * share + (1 - weight);
    return mean / share;
  });
}
