"""The training runs that generate.py makes: each names what of the experiment language it is about; the rest are the defaults of Case.

Where a step divides by the size of the gradient (rmsprop, adagrad, adam), no bias stands before a batch norm: its gradient is
0 but for rounding, and such a step would make steps of full length of that.
"""
PLAIN = ["linear: 8", "tanh", "linear: 3"]
DEEP = ["linear: 8", "relu", "linear: 8", "relu", "linear: 3"]
NORMED = ["linear: { outputs: 8, bias: false }", "batch-norm", "relu", "linear: { outputs: 6, bias: false }", "batch-norm: { momentum: 0.25, epsilon: 0.001 }", "tanh", "linear: 3"]
ONE = ["linear: 8", "tanh", "linear: 1"]
ADAM = "kind: adam, learning-rate: 0.0078125"

RUNS = {
    # Optimizers, each with synchronised batch norm.
    "sgd": dict(layers=NORMED),
    "momentum": dict(layers=NORMED, optimizer="kind: momentum, learning-rate: 0.03125"),
    "momentum-0.5": dict(layers=DEEP, optimizer="kind: momentum, learning-rate: 0.0625, momentum: 0.5"),
    "nesterov": dict(layers=NORMED, optimizer="kind: nesterov, learning-rate: 0.03125"),
    "rmsprop": dict(layers=NORMED, optimizer="kind: rmsprop, learning-rate: 0.0078125"),
    "rmsprop-decay": dict(layers=DEEP, optimizer="kind: rmsprop, learning-rate: 0.0078125, decay: 0.9, epsilon: 0.0001"),
    "adagrad": dict(layers=NORMED, optimizer="kind: adagrad, learning-rate: 0.0625"),
    "adam": dict(layers=NORMED, optimizer=ADAM),
    "adam-betas": dict(layers=DEEP, optimizer="kind: adam, learning-rate: 0.015625, beta1: 0.5, beta2: 0.9, epsilon: 0.0001"),
    "adamw": dict(layers=NORMED, optimizer="kind: adamw, learning-rate: 0.0078125, weight-decay: 0.125"),
    # Regularisation: weights only, unless the experiment says otherwise.
    "weight-decay": dict(layers=NORMED, optimizer="kind: sgd, learning-rate: 0.125, weight-decay: 0.0625"),
    "weight-decay-adam": dict(layers=NORMED, optimizer=ADAM + ", weight-decay: 0.0625"),
    "weight-decay-nesterov": dict(layers=DEEP, optimizer="kind: nesterov, learning-rate: 0.03125, weight-decay: 0.0625"),
    "l1": dict(layers=NORMED, optimizer="kind: sgd, learning-rate: 0.125, l1: 0.0078125"),
    "l1-and-weight-decay-adamw": dict(layers=DEEP, optimizer="kind: adamw, learning-rate: 0.0078125, weight-decay: 0.125, l1: 0.0078125"),
    "decay-biases": dict(layers=NORMED, optimizer="kind: momentum, learning-rate: 0.03125, weight-decay: 0.0625, l1: 0.00390625, decay-biases: true"),
    "clip-value": dict(layers=DEEP, optimizer="kind: sgd, learning-rate: 0.25, clip-value: 0.03125, weight-decay: 0.0625"),
    # Schedules.
    "step": dict(layers=DEEP, optimizer="kind: sgd, learning-rate: 0.25, schedule: { kind: step, every: 7, factor: 0.5 }"),
    "exponential": dict(layers=DEEP, optimizer=ADAM + ", schedule: { kind: exponential, factor: 0.9375 }"),
    "inverse-time": dict(layers=DEEP, optimizer="kind: adagrad, learning-rate: 0.0625, schedule: { kind: inverse-time, decay: 0.125 }"),
    "cosine": dict(layers=NORMED, optimizer="kind: adamw, learning-rate: 0.0078125, weight-decay: 0.125, schedule: { kind: cosine, minimum: 0.001 }"),
    "warmup-cosine": dict(layers=DEEP, optimizer="kind: sgd, learning-rate: 0.25, schedule: { kind: warmup-cosine, warmup: 5, minimum: 0.0625 }"),
    "reduce-on-plateau": dict(
        layers=NORMED, validation=16, training="epochs: 20, batch-size: 16, shards: 4",
        optimizer="kind: sgd, learning-rate: 0.5, schedule: { kind: reduce-on-plateau, factor: 0.25, patience: 1, threshold: 0.0625 }"),
    # Losses.
    "label-smoothing": dict(layers=PLAIN, loss="{ kind: cross-entropy, label-smoothing: 0.125 }"),
    "kl-divergence": dict(layers=PLAIN, loss="kl-divergence"),
    "multiclass-perceptron": dict(layers=PLAIN, loss="multiclass-perceptron"),
    "multiclass-hinge": dict(layers=PLAIN, loss="multiclass-hinge", optimizer="kind: sgd, learning-rate: 0.0625"),
    "perceptron": dict(layers=ONE, loss="perceptron", classes=2),
    "hinge": dict(layers=ONE, loss="hinge", classes=2),
    "logistic": dict(layers=ONE, loss="logistic", classes=2),
    "binary-cross-entropy": dict(layers=ONE, loss="binary-cross-entropy", classes=2),
    "mean-squared-error": dict(layers=ONE, loss="mean-squared-error", classes=None, optimizer="kind: momentum, learning-rate: 0.03125"),
    "mean-absolute-error": dict(layers=ONE, loss="mean-absolute-error", classes=None, optimizer="kind: sgd, learning-rate: 0.0625"),
    "huber": dict(layers=ONE, loss="{ kind: huber, delta: 0.5 }", classes=None),
    # Layers.
    "perceptron-of-one-layer": dict(layers=["linear: { outputs: 1, bias: false }"], loss="perceptron", classes=2),
    "smooth-activations": dict(
        layers=["linear: 8", "sigmoid", "linear: 8", "softplus", "linear: 8", "gelu", "linear: 8", "silu", "linear: 3"], optimizer=ADAM),
    "kinked-activations": dict(layers=["linear: 8", "leaky-relu: 0.125", "linear: 8", "elu: 0.5", "linear: 8", "leaky-relu", "linear: 8", "elu", "linear: 3"]),
    "softmax": dict(layers=["linear: 8", "softmax", "linear: 8", "log-softmax", "linear: 3"], optimizer="kind: adam, learning-rate: 0.03125"),
    "layer-norm": dict(layers=["linear: 8", "layer-norm", "relu", "linear: 6", "layer-norm: { epsilon: 0.01 }", "gelu", "linear: 3"], optimizer=ADAM),
    "dropout-of-nothing": dict(layers=["linear: 8", "dropout: 0", "relu", "linear: 3"]),
    "batch-norm-by-leaf": dict(layers=["linear: 8", "batch-norm: { sync: false }", "tanh", "linear: 3"], training="epochs: 12, batch-size: 16, shards: 2"),
    "batch-norm-after-bias": dict(layers=["linear: 8", "batch-norm", "relu", "linear: 3"], optimizer="kind: momentum, learning-rate: 0.0625"),
    "residual": dict(
        layers=["linear: 8", "residual: [ linear: 8, relu, linear: 8 ]", "relu",
                "residual: { layers: [ linear: { outputs: 4, bias: false }, batch-norm, tanh ], shortcut: [ linear: { outputs: 4, bias: false } ] }", "linear: 3"],
        optimizer=ADAM),
    "convolution": dict(
        layers=["conv2d: { outputs: 4, kernel: 3, padding: 1 }", "relu", "max-pool2d: 2", "conv2d: { outputs: 5, kernel: 2 }", "relu", "flatten", "linear: 3"],
        shape=(1, 8, 8)),
    "convolution-batch-norm": dict(
        layers=["conv2d: { outputs: 4, kernel: 3, padding: 1, bias: false }", "batch-norm", "relu", "max-pool2d: 2",
                "conv2d: { outputs: 6, kernel: 3, padding: 1, bias: false }", "batch-norm", "relu", "max-pool2d: { kernel: 2, stride: 1 }", "flatten", "linear: 3"],
        shape=(1, 8, 8), optimizer=ADAM),
    "convolution-pools": dict(
        layers=["conv2d: { outputs: 4, kernel: 3, stride: 2, padding: 2 }", "gelu", "avg-pool2d: { kernel: 3, stride: 1 }", "conv2d: { outputs: 8, kernel: 1 }", "silu",
                "global-avg-pool2d", "flatten", "linear: 3"],
        shape=(2, 6, 6), optimizer="kind: adamw, learning-rate: 0.015625, weight-decay: 0.125"),
    "convolution-residual": dict(
        layers=["conv2d: { outputs: 4, kernel: 3, padding: 1, bias: false }", "batch-norm", "relu",
                "residual: [ conv2d: { outputs: 4, kernel: 3, padding: 1, bias: false }, batch-norm, relu, conv2d: { outputs: 4, kernel: 3, padding: 1, bias: false }, batch-norm ]",
                "relu",
                "residual: { layers: [ conv2d: { outputs: 6, kernel: 3, stride: 2, padding: 1, bias: false }, batch-norm ], "
                "shortcut: [ conv2d: { outputs: 6, kernel: 1, stride: 2, bias: false }, batch-norm ] }",
                "relu", "global-avg-pool2d", "flatten", "linear: 3"],
        shape=(1, 6, 6), optimizer="kind: momentum, learning-rate: 0.03125, weight-decay: 0.0625"),
    # How rows become batches and leaves.
    "full-batch": dict(layers=NORMED, training="steps: 25, batch-size: 32, shards: 8"),
    "uneven-leaves": dict(layers=NORMED, rows=33, training="epochs: 8, batch-size: 11, shards: 3"),
    "last-batch-keep": dict(layers=NORMED, rows=37, training="epochs: 8, batch-size: 16, shards: 4"),
    "last-batch-smaller-than-shards": dict(layers=DEEP, rows=34, training="epochs: 8, batch-size: 16, shards: 4"),
    "last-batch-drop": dict(layers=NORMED, rows=37, training="epochs: 8, batch-size: 16, shards: 4, last-batch: drop"),
    "steps-end-within-an-epoch": dict(layers=DEEP, rows=37, training="steps: 17, batch-size: 16, shards: 5"),
    "one-row-a-step": dict(layers=DEEP, rows=20, training="epochs: 2, batch-size: 1, shards: 1", optimizer="kind: sgd, learning-rate: 0.0625"),
    "one-shard": dict(layers=NORMED, training="epochs: 12, batch-size: 16, shards: 1"),
    # What is done to the rows before.
    "standardize": dict(layers=ONE, classes=None, loss="mean-squared-error", preprocess="standardize", optimizer="kind: sgd, learning-rate: 0.0625"),
    "min-max": dict(layers=PLAIN, preprocess="min-max", optimizer=ADAM),
    # Validation rows are evaluated with the running statistics.
    "validation": dict(layers=NORMED, validation=24, training="epochs: 8, batch-size: 16, shards: 4", optimizer=ADAM),
}
