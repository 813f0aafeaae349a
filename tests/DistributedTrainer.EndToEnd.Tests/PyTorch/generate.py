"""Makes the cases of PyTorchRunTests: whole training runs with what PyTorch makes of them.

usage: generate.py [FOLDER]     (needs Python 3, torch, numpy; the default folder is cases, beside this file)

A case is a folder with
  experiment.yaml    what dtrain is given
  data.csv           its rows; all values are multiples of 1/8, exact in any float (validation.csv where the case has one)
  start.safetensors  the weights and running statistics that both start with, float32
  end.json           what PyTorch ends with: weights and running statistics, the loss and the learning rate of each step, and the
                     validation loss of each epoch where there are validation rows; ten digits

PyTorch trains in float64 from the same float32 start, over the rows in file order: batch b of an epoch holds the rows
b*B .. (b+1)*B-1, which with shuffle: false is also the global batch of dtrain, whatever its shards. The loss of a step is the
mean over the rows of its batch, without weight decay and L1.

Each run is repeated in float32. A case whose two runs are further apart than half of what the tests allow says nothing
about an implementation (a score next to the kink of a relu, or Adam dividing noise by its own size) and is refused:
give it another seed. Seeds are fixed, so the files come out the same with the same PyTorch.
"""
import json, os, struct, sys
import numpy as np, torch, torch.nn as nn, torch.nn.functional as F

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "../../../benchmarks/pytorch"))
import experiment_model, runs

# Some builds of oneDNN give wrong float32 gradients of convolutions. It never computes in float64, so only the check needs this.
torch.backends.mkldnn.enabled = False

RELATIVE, ABSOLUTE = 1e-4, 1e-6  # as in PyTorchRunTests


class LeafBatchNorm(nn.BatchNorm1d):
    """sync: false: leaf i holds the rows i, i+L, ... of the batch and is normalised by itself; running statistics are those of all rows."""

    leaves = 1

    def forward(self, x):
        if not self.training:
            return super().forward(x)
        F.batch_norm(x.detach(), self.running_mean, self.running_var, training=True, momentum=self.momentum)
        y = torch.empty_like(x)
        for leaf in range(self.leaves):
            y[leaf :: self.leaves] = F.batch_norm(x[leaf :: self.leaves], None, None, self.weight, self.bias, training=True, eps=self.eps)
        return y


class Case:
    """One entry of runs.py. shape: of a row; classes: None for numbers as targets; validation: rows of a file of their own."""

    def __init__(self, name, layers, *, seed=1, shape=(6,), rows=32, classes=3, loss="cross-entropy", optimizer="kind: sgd, learning-rate: 0.125",
                 training="epochs: 12, batch-size: 16, shards: 4", preprocess=None, validation=0):
        self.name, self.layers, self.seed, self.shape, self.rows, self.classes = name, layers, seed, shape, rows, classes
        self.loss, self.optimizer, self.training, self.preprocess, self.validation = loss, optimizer, training, preprocess, validation

    def draw(self):
        """The rows, x(N,D) and targets t(N), and those of validation after them: a rule with some noise, so that there is something to learn."""
        random = np.random.default_rng(self.seed)
        count, features = self.rows + self.validation, int(np.prod(self.shape))
        x = random.integers(-12, 13, (count, features)) / 8
        outputs = self.classes or 1
        scores = x @ random.normal(size=(features, outputs)) / features**0.5 + 0.3 * random.normal(size=(count, outputs))
        if self.classes:
            t = scores.argmax(1)
            t[: self.classes] = range(self.classes)  # each class occurs
        else:
            t = np.round(scores[:, 0] * 8) / 8
        return x, t

    def yaml(self):
        image = f", image: [{', '.join(map(str, self.shape))}]" if len(self.shape) == 3 else ""
        more = (f", preprocess: [ {self.preprocess} ]" if self.preprocess else "") + (", validation-source: validation.csv" if self.validation else "")
        lines = [
            "# Written by generate.py.",
            f"name: {self.name}",
            f"data: {{ source: data.csv, task: {'classification' if self.classes else 'regression'}, split: none, shuffle: false{image}{more} }}",
            "model:",
            "  from: start.safetensors",
            "  layers:",
            *(f"    - {layer}" for layer in self.layers),
            f"loss: {self.loss}",
            f"optimizer: {{ {self.optimizer} }}",
            f"training: {{ {self.training} }}",
        ]
        return "\n".join(lines) + "\n"

    def model(self):
        """The network with its start: PyTorch's own weights; normalisation layers away from 1 and 0, so that each of their numbers matters."""
        leaves = int(parsed(self.training)["shards"])

        def batch_norm(shape, epsilon, momentum, sync):
            if sync:
                return experiment_model.batch_norm(shape, epsilon, momentum, sync)
            norm = LeafBatchNorm(shape[0], eps=epsilon, momentum=momentum)
            norm.leaves = leaves
            return norm

        torch.manual_seed(self.seed)
        model, _ = experiment_model.build([experiment_model.parse(layer) for layer in self.layers], self.shape, batch_norm)
        for module in model.modules():
            if isinstance(module, (nn.modules.batchnorm._BatchNorm, nn.LayerNorm)):
                nn.init.uniform_(module.weight, 0.5, 1.5)
                nn.init.uniform_(module.bias, -0.5, 0.5)
            if isinstance(module, nn.modules.batchnorm._BatchNorm):
                nn.init.uniform_(module.running_mean, -0.5, 0.5)
                nn.init.uniform_(module.running_var, 0.5, 1.5)
        return model

    def prepared(self, x):
        """The preprocessing, fitted on the training rows."""
        known = x[: self.rows]
        if self.preprocess == "standardize":
            x = (x - known.mean(0)) / known.std(0)
        elif self.preprocess == "min-max":
            x = (x - known.min(0)) / (known.max(0) - known.min(0))
        elif self.preprocess:
            raise ValueError(self.preprocess)
        return x.reshape(-1, *self.shape)

    def train(self, dtype):
        """Runs the case; returns the state and what metrics.jsonl would hold."""
        model = self.model().to(dtype)
        x, t = self.draw()
        x = torch.tensor(self.prepared(x), dtype=dtype)
        t = torch.tensor(t, dtype=torch.int64 if self.classes else dtype)
        loss_of = experiment_model.loss_of(self.loss)
        training, options = parsed(self.training), parsed(self.optimizer)
        batch = int(training["batch-size"])
        starts = [start for start in range(0, self.rows, batch) if training.get("last-batch") != "drop" or start + batch <= self.rows]
        steps = int(training["steps"]) if "steps" in training else int(training["epochs"]) * len(starts)
        optimizer, schedule, plateau = optimizer_of(model, options, steps)
        curve, rates, validation = [], [], []
        for step in range(steps):
            start = starts[step % len(starts)]
            rows = slice(start, min(start + batch, self.rows))
            optimizer.zero_grad()
            loss = loss_of(model(x[rows]), t[rows])
            loss.backward()
            rates.append(optimizer.param_groups[0]["lr"])
            curve.append(loss.item())
            finish_gradients(optimizer, options)
            optimizer.step()
            if schedule:
                schedule.step()
            if self.validation and step % len(starts) == len(starts) - 1:
                model.eval()
                with torch.no_grad():
                    validation.append(loss_of(model(x[self.rows :]), t[self.rows :]).item())
                model.train()
                if plateau:
                    plateau.step(validation[-1])
        return state(model), curve, rates, validation


def parsed(text):
    """key: value, ... as a dict."""
    return experiment_model.parse("{ " + text + " }")[0]


def state(model):
    return {name: value.detach().double().numpy() for name, value in model.state_dict().items() if not name.endswith("num_batches_tracked")}


def optimizer_of(model, options, steps):
    """The optimizer, its schedule by steps, and its schedule by validation losses. Weight decay and L1 leave biases and normalisation alone."""
    rate, decay = float(options["learning-rate"]), float(options.get("weight-decay", 0))
    everything = options.get("decay-biases") == "true"
    weights, others = [], []
    for parameter in model.parameters():
        (weights if everything or parameter.dim() > 1 else others).append(parameter)
    groups = [{"params": weights, "weight_decay": decay, "l1": float(options.get("l1", 0))}, {"params": others, "weight_decay": 0.0, "l1": 0.0}]
    groups = [group for group in groups if group["params"]]
    number = lambda key, default: float(options.get(key, default))
    betas = (number("beta1", 0.9), number("beta2", 0.999))
    optimizer = {
        "sgd": lambda: torch.optim.SGD(groups, rate),
        "momentum": lambda: torch.optim.SGD(groups, rate, momentum=number("momentum", 0.9)),
        "nesterov": lambda: torch.optim.SGD(groups, rate, momentum=number("momentum", 0.9), nesterov=True),
        "rmsprop": lambda: torch.optim.RMSprop(groups, rate, alpha=number("decay", 0.99), eps=number("epsilon", 1e-8)),
        "adagrad": lambda: torch.optim.Adagrad(groups, rate, eps=number("epsilon", 1e-10)),
        "adam": lambda: torch.optim.Adam(groups, rate, betas=betas, eps=number("epsilon", 1e-8)),
        "adamw": lambda: torch.optim.AdamW(groups, rate, betas=betas, eps=number("epsilon", 1e-8)),
    }[options["kind"]]()
    values = options.get("schedule", {"kind": "constant"})
    get = lambda key: float(values[key])
    rates = torch.optim.lr_scheduler
    schedule, plateau = None, None
    kind = values["kind"]
    if kind == "step":
        schedule = rates.StepLR(optimizer, int(values["every"]), get("factor"))
    elif kind == "exponential":
        schedule = rates.ExponentialLR(optimizer, get("factor"))
    elif kind == "inverse-time":
        schedule = rates.LambdaLR(optimizer, lambda step: 1 / (1 + get("decay") * step))
    elif kind == "cosine":
        schedule = rates.CosineAnnealingLR(optimizer, steps, float(values.get("minimum", 0)))
    elif kind == "warmup-cosine":
        warmup = int(values["warmup"])
        rise = rates.LinearLR(optimizer, 1 / warmup, 1, warmup - 1)
        schedule = rates.SequentialLR(optimizer, [rise, rates.CosineAnnealingLR(optimizer, steps - warmup, float(values.get("minimum", 0)))], [warmup])
    elif kind == "reduce-on-plateau":
        plateau = rates.ReduceLROnPlateau(optimizer, factor=get("factor"), patience=int(values["patience"]), threshold=get("threshold"))
    elif kind != "constant":
        raise ValueError(kind)
    return optimizer, schedule, plateau


def finish_gradients(optimizer, options):
    """Clipping by value, then L1: its gradient is the sign of the weight."""
    for group in optimizer.param_groups:
        if "clip-value" in options:
            nn.utils.clip_grad_value_(group["params"], float(options["clip-value"]))
        for parameter in group["params"]:
            parameter.grad += group["l1"] * parameter.detach().sign()


def distance(left, right):
    """The largest difference in units of what is allowed."""
    left, right = np.asarray(left, np.float64), np.asarray(right, np.float64)
    return float((np.abs(left - right) / np.maximum(RELATIVE * np.abs(right), ABSOLUTE)).max()) if right.size else 0.0


def write_csv(path, x, t):
    number = lambda value: f"{value:g}"
    with open(path, "w") as file:
        file.write(",".join([*(f"x{i}" for i in range(x.shape[1])), "target"]) + "\n")
        for row, target in zip(x, t):
            file.write(",".join(map(number, [*row, target])) + "\n")


def write_safetensors(path, tensors):
    """Eight bytes: the header's length; the header, JSON with type, shape and place of each tensor; the values, little-endian."""
    header, data = {}, b""
    for name, value in tensors.items():
        value = np.ascontiguousarray(value, np.float32)
        header[name] = {"dtype": "F32", "shape": list(value.shape), "data_offsets": [len(data), len(data) + value.nbytes]}
        data += value.tobytes()
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + data)


def write(case, folder):
    exact, curve, rates, validation = case.train(torch.float64)
    rounded, rounded_curve, _, rounded_validation = case.train(torch.float32)
    worst = max([distance(rounded[name], exact[name]) for name in exact] + [distance(rounded_curve, curve), distance(rounded_validation, validation)])
    moved = max(distance(value, start) for value, start in zip(exact.values(), state(case.model()).values()))
    print(f"{case.name:28} {len(curve):3} steps, loss {curve[0]:.4f} -> {curve[-1]:.4f}, float32 differs by {worst:.3f} of the tolerance")
    if worst > 0.5 or moved < 1000 or not np.isfinite(curve).all():
        raise ValueError(f"{case.name}: not fit for a test (float32 is {worst:.2f} tolerances away, the weights moved by {moved:.0f}). Choose another seed.")

    os.makedirs(folder, exist_ok=True)
    x, t = case.draw()
    with open(os.path.join(folder, "experiment.yaml"), "w") as file:
        file.write(case.yaml())
    write_csv(os.path.join(folder, "data.csv"), x[: case.rows], t[: case.rows])
    if case.validation:
        write_csv(os.path.join(folder, "validation.csv"), x[case.rows :], t[case.rows :])
    write_safetensors(os.path.join(folder, "start.safetensors"), state(case.model()))
    ten = lambda values: [float(f"{value:.10g}") for value in np.asarray(values, np.float64).ravel()]
    end = {
        "source": f"PyTorch {torch.__version__.split('+')[0]}, float64",
        "curve": ten(curve),
        "rates": ten(rates),
        "validation": ten(validation),
        "weights": {name: {"shape": list(value.shape), "values": ten(value)} for name, value in exact.items()},
    }
    with open(os.path.join(folder, "end.json"), "w") as file:
        json.dump(end, file, separators=(",", ":"))
        file.write("\n")


if __name__ == "__main__":
    target = sys.argv[1] if len(sys.argv) > 1 else os.path.join(HERE, "cases")
    for name, values in runs.RUNS.items():
        write(Case(name, **values), os.path.join(target, name))
