// The page: which runs are shown, the stream of what is new of them, and the views.
import { h, fill } from './dom.js';
import { emptyRun, applyUpdate } from './store.js';
import { Overview } from './overview.js';
import { ClusterView } from './cluster.js';
import { ModelView } from './model.js';
import { ReviewView } from './review.js';
import { ExperimentView } from './experiment.js';

const main = document.getElementById('main');
const list = document.getElementById('runs');
const connection = document.getElementById('connection');
const runs = new Map();
let entries = [];
let chosen = [];
let source = null;
let drawn = false;
let seen = null;

async function ask(path, run) {
  const answer = await fetch(`${path}?run=${encodeURIComponent(run.id)}`);
  const body = await answer.json();
  if (!answer.ok) throw new Error((body.problems ?? [answer.statusText]).join(' '));
  return body;
}

const views = {
  Overview: new Overview(),
  Cluster: new ClusterView(),
  Model: new ModelView(run => ask('api/model', run)),
  Errors: new ReviewView(run => ask('api/review', run)),
  Experiment: new ExperimentView(),
};
let current = Object.keys(views).find(name => `#${name.toLowerCase()}` === location.hash) ?? 'Overview';

const tabs = h('div', { class: 'tabs', role: 'tablist', 'aria-label': 'Views' }, Object.keys(views).map(name => h('button', {
  type: 'button', role: 'tab', id: `tab-${name}`, 'aria-controls': `view-${name}`, onclick: () => open(name), onkeydown: event => {
    const names = Object.keys(views);
    const to = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (to) {
      const next = names[(names.indexOf(name) + to + names.length) % names.length];
      open(next);
      document.getElementById(`tab-${next}`).focus();
    }
  },
}, name)));
const sections = Object.entries(views).map(([name, view]) => h('div', { role: 'tabpanel', id: `view-${name}`, 'aria-labelledby': `tab-${name}`, class: 'view' }, view.element));
const waiting = h('p', { class: 'verdict', role: 'status' }, 'Waiting for the run to begin …');
fill(main, waiting, tabs, sections);
[tabs, ...sections].forEach(element => { element.hidden = true; });

function open(name) {
  current = name;
  history.replaceState(null, '', `#${name.toLowerCase()}`);
  draw();
}

/** Draws once for all that came since the browser last drew. */
function later() {
  if (drawn) return;
  drawn = true;
  requestAnimationFrame(() => { drawn = false; draw(); });
}

function draw() {
  const shown = chosen.map(id => runs.get(id)).filter(run => run?.state);
  waiting.hidden = shown.length > 0;
  tabs.hidden = shown.length === 0;
  for (const [i, name] of Object.keys(views).entries()) {
    const isCurrent = name === current && shown.length > 0;
    sections[i].hidden = !isCurrent;
    const tab = document.getElementById(`tab-${name}`);
    tab.setAttribute('aria-selected', String(name === current));
    tab.tabIndex = name === current ? 0 : -1;
    if (isCurrent && name !== seen) {
      seen = name;
      tab.scrollIntoView({ inline: 'nearest', block: 'nearest' });
    }
  }
  if (shown.length > 0) {
    document.title = `${shown[0].id} · DistributedTrainer`;
    views[current].show(shown);
  }
}

function connect() {
  source?.close();
  runs.clear();
  chosen.forEach(id => runs.set(id, emptyRun(id)));
  source = new EventSource(`api/events?${chosen.map(id => `run=${encodeURIComponent(id)}`).join('&')}`);
  source.onopen = () => say('live', 'good');
  source.onerror = () => say('the dashboard does not answer; trying again', 'bad');
  source.addEventListener('runs', event => takeList(JSON.parse(event.data)));
  source.addEventListener('run', event => {
    const update = JSON.parse(event.data);
    if (runs.has(update.run)) applyUpdate(runs.get(update.run), update);
    later();
  });
}

function say(text, kind) {
  connection.textContent = text;
  connection.className = `chip ${kind}`;
}

function takeList(found) {
  const first = entries.length === 0;
  entries = found;
  const known = entries.map(entry => entry.id);
  const asked = new URLSearchParams(location.search).getAll('run').filter(id => known.includes(id));
  if ((first || chosen.length === 0) && known.length > 0) choose(asked.length > 0 ? asked : [known[known.length - 1]]);
  drawList();
}

/** The first one is the one that all views show. */
function choose(ids) {
  chosen = ids;
  if (entries.length > 1) history.replaceState(null, '', `?${ids.map(id => `run=${encodeURIComponent(id)}`).join('&')}${location.hash}`);
  connect();
  drawList();
}

function drawList() {
  list.hidden = entries.length < 2;
  const focused = document.activeElement?.id;
  fill(list, h('details', { open: matchMedia('(min-width: 60rem)').matches || list.firstChild?.open }, h('summary', {}, `Runs (${entries.length})`), h('ul', {}, [...entries].reverse().map(entry => {
    const isOn = chosen.includes(entry.id);
    const box = h('input', { type: 'checkbox', id: `box-${entry.id}`, 'aria-label': `Lay ${entry.id} over`, onchange: event => choose(event.target.checked ? [...chosen, entry.id] : chosen.filter(id => id !== entry.id)) });
    box.checked = isOn;
    box.disabled = isOn && chosen.length === 1;
    return h('li', { class: chosen[0] === entry.id ? 'first' : null }, box,
      h('button', { type: 'button', id: `pick-${entry.id}`, 'aria-current': chosen[0] === entry.id ? 'true' : null, onclick: () => choose([entry.id, ...chosen.filter(id => id !== entry.id && chosen.length > 1)]) }, entry.id),
      h('span', { class: `chip ${entry.state === 'done' ? 'idle' : entry.state === 'running' ? 'good' : 'bad'}` }, entry.state));
  }))));
  if (focused) document.getElementById(focused)?.focus();
}

document.getElementById('theme').addEventListener('click', () => {
  const isDark = document.documentElement.dataset.theme ? document.documentElement.dataset.theme === 'dark' : matchMedia('(prefers-color-scheme: dark)').matches;
  document.documentElement.dataset.theme = isDark ? 'light' : 'dark';
  localStorage.setItem('theme', document.documentElement.dataset.theme);
  later();
});
document.documentElement.dataset.theme = localStorage.getItem('theme') ?? '';
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', later);
connect();
