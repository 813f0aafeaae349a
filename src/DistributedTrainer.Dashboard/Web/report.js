// The report: the dashboard's views one below the other, over what the file itself holds.
import { h, fill } from './dom.js';
import { emptyRun, applyUpdate } from './store.js';
import { Overview } from './overview.js';
import { ClusterView } from './cluster.js';
import { ModelView } from './model.js';
import { ReviewView } from './review.js';
import { ExperimentView } from './experiment.js';

const data = JSON.parse(document.getElementById('data').textContent);
const reported = emptyRun(data.run.run);
applyUpdate(reported, data.run);
const have = (value, why) => async () => {
  if (!value) throw new Error(why);
  return value;
};
const parts = {
  Course: new Overview(),
  Model: new ModelView(have(data.model, 'The layers could not be read.')),
  'Held-back rows': new ReviewView(have(data.review, data.missing.join(' '))),
  Cluster: new ClusterView(),
  Experiment: new ExperimentView(),
};
[parts['Held-back rows'].button, parts['Held-back rows'].hint].forEach(element => { element.hidden = true; });
fill(document.getElementById('parts'), Object.values(parts).map(part => part.element));
const showAll = () => Object.values(parts).forEach(part => part.show([reported], data.command));
showAll();
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', showAll);
