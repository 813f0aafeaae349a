// Who takes part, who works on what, and what happened to them, along the time.
import { h, fill, number, duration, table, panel, seriesColour } from './dom.js';
import { lastOf } from './store.js';
import { Chart } from './charts.js';

const laneHeight = 22;
const left = 4;
const width = 1000;

export class ClusterView {
  constructor() {
    this.nodes = h('div');
    this.lanes = h('div', { class: 'scroll' });
    this.speeds = new Chart('Rows per second by worker', { zero: true });
    this.events = h('ol', { class: 'log', tabindex: '0', 'aria-label': 'What happened' });
    this.all = h('input', { type: 'checkbox', id: 'all-lines', onchange: () => this.runs && this.show(this.runs) });
    this.element = h('div', {}, panel('Nodes', this.nodes), panel('Time line', this.lanes), this.speeds.element,
      panel('What happened', h('label', { for: 'all-lines' }, this.all, 'All of log.txt'), this.events));
  }

  show(runs) {
    this.runs = runs;
    const [run] = runs;
    const now = lastOf(run.cluster);
    const isOn = run.state?.state === 'running';
    fill(this.nodes, now
      ? table(isOn ? 'Nodes of the cluster' : 'Nodes when the run ended', ['node', 'role', 'state', 'works on', 'rows/s', 'process', 'host'], (now.nodes ?? []).map(node => [
        node.name, node.role, h('span', { class: `chip ${stateClass(node.state)}` }, node.state),
        (node.work ?? []).length === 0 ? '–' : `${node.role === 'server' ? 'partition' : 'shard'} ${node.work.join(' ')}`,
        node.role === 'worker' ? number(node.rowsPerSecond) : '–', String(node.processId), node.host,
      ]), [4, 5])
      : h('p', { class: 'dim' }, 'Nobody has said anything of a cluster yet. Runs of earlier versions have no cluster.jsonl.'));
    fill(this.lanes, drawLanes(run, lanesOf(run)));
    const workers = [...new Set(run.cluster.flatMap(line => line.nodes.filter(node => node.role === 'worker').map(node => node.name)))];
    this.speeds.element.hidden = workers.length === 0;
    this.speeds.set(workers.map((name, i) => ({
      label: name, colour: seriesColour(i), x: run.cluster.map(line => line.seconds),
      y: run.cluster.map(line => line.nodes.find(node => node.name === name)?.rowsPerSecond ?? null),
    })), 'second');
    // Evaluations stand in the curves; what processes mutter is for whoever looks for it.
    const lines = run.log.filter(line => this.all.checked || !/^\S+ (version \d+|launcher|worker|server|coordinator): /.test(line));
    fill(this.events, lines.slice(-200).reverse().map(line => {
      const [, at, text] = /^(\S+) (.*)$/.exec(line) ?? [null, '', line];
      return h('li', { class: /killed|ended with|lost|failed|cannot|Warning/.test(text) ? 'bad' : /Going on|joined|registered/.test(text) ? 'good' : null }, h('time', { datetime: at }, at.slice(11, 19)), ' ', text);
    }));
  }
}

function stateClass(state) {
  return ['training', 'serving'].includes(state) ? 'good' : ['unfit', 'cut off', 'dead'].includes(state) ? 'bad' : 'idle';
}

/** For each node the spans of time in which it was in a state, and when it was gone. */
export function lanesOf(run) {
  const lanes = new Map();
  let before = [];
  for (const line of run.cluster) {
    const names = line.nodes.map(node => node.name);
    for (const node of line.nodes) {
      if (!lanes.has(node.name)) lanes.set(node.name, { name: node.name, role: node.role, spans: [], gone: [] });
      const lane = lanes.get(node.name);
      const state = `${node.state}|${(node.work ?? []).join(' ')}`;
      const last = lastOf(lane.spans);
      if (last && last.open && last.state === state) last.to = line.seconds;
      else {
        if (last && last.open) [last.to, last.open] = [line.seconds, false];
        lane.spans.push({ state, from: line.seconds, to: line.seconds, open: true });
      }
    }
    for (const name of before.filter(one => !names.includes(one))) {
      const lane = lanes.get(name);
      const last = lastOf(lane.spans);
      [last.to, last.open] = [line.seconds, false];
      lane.gone.push(line.seconds);
    }
    before = names;
  }
  return [...lanes.values()];
}

function drawLanes(run, lanes) {
  if (lanes.length === 0) return h('p', { class: 'dim' }, 'Nothing yet.');
  const first = run.cluster[0].seconds;
  const last = Math.max(first + 1, lastOf(run.cluster).seconds);
  const x = seconds => left + (width - 2 * left) * (seconds - first) / (last - first);
  const height = lanes.length * laneHeight + 20;
  const rows = lanes.map((lane, i) => {
    const y = i * laneHeight;
    return h('g', { class: 'lane' },
      lane.spans.map(span => {
        const [state, work] = span.state.split('|');
        return h('rect', { class: stateClass(state) + (work ? '' : ' empty'), x: x(span.from), y: y + 3, width: Math.max(1, x(span.to) - x(span.from)), height: laneHeight - 6 },
          h('title', {}, `${lane.name}: ${state}${work ? `, ${lane.role === 'server' ? 'partition' : 'shard'} ${work}` : ''}, ${duration(span.from)} to ${duration(span.to)}`));
      }),
      lane.gone.map(at => h('path', { class: 'gone', d: `M${x(at) - 5} ${y + 6}l10 10m0 -10l-10 10` }, h('title', {}, `${lane.name} is gone at ${duration(at)}`))),
      h('text', { x: left + 6, y: y + 15 }, lane.name));
  });
  const recoveries = (run.state?.result?.recoveries ?? []).length;
  const words = `${lanes.length} nodes over ${duration(last - first)}. ${lanes.flatMap(lane => lane.gone.map(at => `${lane.name} was gone at ${duration(at)}`)).join('. ') || 'Nobody was lost'}.${recoveries ? ` Recoveries: ${recoveries}.` : ''}`;
  const ticks = [0, 0.25, 0.5, 0.75, 1].map(share => h('text', { class: 'tick', x: left + (width - 2 * left) * share, y: height - 4, 'text-anchor': share === 0 ? 'start' : share === 1 ? 'end' : 'middle' }, duration(first + (last - first) * share)));
  return [h('svg', { class: 'lanes', viewBox: `0 0 ${width} ${height}`, role: 'img', 'aria-label': words }, rows, ticks),
    h('details', { class: 'behind' }, h('summary', {}, 'As a table'), table('Time line', ['node', 'state', 'works on', 'from', 'to'],
      lanes.flatMap(lane => lane.spans.map(span => [lane.name, ...span.state.split('|'), duration(span.from), duration(span.to)]))))];
}
