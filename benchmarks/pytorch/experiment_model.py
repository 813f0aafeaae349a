"""The layers and losses of the experiment language as their equals in PyTorch.

Shapes are those of one row: (features,) or (channels, height, width).
"""
import re
import torch, torch.nn as nn, torch.nn.functional as F


class Residual(nn.Module):
    """y = body(x) + shortcut(x); without a shortcut, x itself."""

    def __init__(self, body, shortcut):
        super().__init__()
        self.body = body
        self.shortcut = shortcut

    def forward(self, x):
        return self.body(x) + self.shortcut(x)


def parse(text):
    """A value of the experiment file on one line: { key: value } gives a dict, [a, b: c] a list, the rest text.

    Items of a list, which are layers, are (name, value) pairs; the value of a name that stands alone is None.
    """
    tokens = re.findall(r"[{}\[\],]|:(?=\s|$)|[^{}\[\],:\s]+", text)
    tokens.append("")

    def value():
        token = tokens.pop(0)
        if token == "{":
            return dict(until("}"))
        return until("]") if token == "[" else token

    def pair():
        name = value()
        if tokens[0] != ":":
            return name, None
        tokens.pop(0)
        return name, value()

    def until(end):
        items = []
        while tokens[0] != end:
            if tokens[0] in ("", "}", "]"):
                raise ValueError(f"{text!r} cannot be read: {end} is missing")
            items.append(pair())
            if tokens[0] == ",":
                tokens.pop(0)
        tokens.pop(0)
        return items

    result = pair()
    if tokens != [""]:
        raise ValueError(f"{text!r} cannot be read: {' '.join(tokens)}is left over")
    return result


def batch_norm(shape, epsilon, momentum, sync):
    """The statistics of the whole batch, which is what sync: true means; in evaluation sync makes no difference."""
    return (nn.BatchNorm2d if len(shape) == 3 else nn.BatchNorm1d)(shape[0], eps=epsilon, momentum=momentum)


def build(layers, shape, batch_norm=batch_norm):
    """An nn.Sequential of parsed layers, and the shape of its output."""
    modules = []
    for layer in layers:
        module = build_layer(*layer, shape, batch_norm)
        with torch.no_grad():
            shape = tuple(module.eval()(torch.zeros(1, *shape)).shape[1:])
        modules.append(module.train())
    return nn.Sequential(*modules), shape


def build_layer(name, options, shape, batch_norm):
    values = options if isinstance(options, dict) else {}

    def number(key, default=None):
        """The value of the key that may be left out: dropout: 0.3 is dropout: { rate: 0.3 }."""
        return float(options if isinstance(options, str) else values.get(key, default))

    def named(key, default):
        return float(values.get(key, default))

    bias = values.get("bias", "true") == "true"
    if name == "linear":
        return nn.Linear(shape[0], int(number("outputs")), bias=bias)
    if name == "conv2d":
        return nn.Conv2d(
            shape[0], int(values["outputs"]), int(values["kernel"]), stride=int(named("stride", 1)), padding=int(named("padding", 0)), bias=bias)
    if name in ("max-pool2d", "avg-pool2d"):
        kernel = int(number("kernel"))
        return {"max": nn.MaxPool2d, "avg": nn.AvgPool2d}[name[:3]](kernel, int(named("stride", kernel)))
    if name == "batch-norm":
        return batch_norm(shape, named("epsilon", 1e-5), named("momentum", 0.1), values.get("sync", "true") == "true")
    if name == "layer-norm":
        return nn.LayerNorm(shape, eps=named("epsilon", 1e-5))
    if name == "residual":
        body = values["layers"] if values else options
        return Residual(build(body, shape, batch_norm)[0], build(values.get("shortcut", []), shape, batch_norm)[0])
    return {
        "global-avg-pool2d": lambda: nn.AdaptiveAvgPool2d(1),
        "flatten": nn.Flatten,
        "dropout": lambda: nn.Dropout(number("rate")),
        "relu": nn.ReLU,
        "tanh": nn.Tanh,
        "sigmoid": nn.Sigmoid,
        "leaky-relu": lambda: nn.LeakyReLU(number("slope", 0.01)),
        "elu": lambda: nn.ELU(number("alpha", 1)),
        "softplus": nn.Softplus,
        "gelu": nn.GELU,
        "silu": nn.SiLU,
        "softmax": lambda: nn.Softmax(dim=-1),
        "log-softmax": lambda: nn.LogSoftmax(dim=-1),
    }[name]()


def loss_of(text):
    """loss(z, t): the mean over rows for outputs z(B,C) and targets t(B): class numbers, or numbers for one output.

    The text is the value of the experiment's loss: a name, or { kind: name, ... }.
    """
    name, values = parse(text)
    if isinstance(name, dict):
        name, values = name["kind"], name
    values = values or {}

    def sign(z, t):
        return (2 * t - 1).to(z.dtype)

    def margin(width):
        # max(0, width - s (z - 0)), s = +1 for class 1 and -1 for class 0.
        return lambda z, t: F.margin_ranking_loss(z[:, 0], torch.zeros_like(z[:, 0]), sign(z, t), margin=width)

    return {
        "cross-entropy": lambda z, t: F.cross_entropy(z, t, label_smoothing=float(values.get("label-smoothing", 0))),
        "kl-divergence": lambda z, t: F.kl_div(F.log_softmax(z, 1), F.one_hot(t, z.shape[1]).to(z.dtype), reduction="batchmean"),
        # PyTorch divides by the number of classes.
        "multiclass-perceptron": lambda z, t: F.multi_margin_loss(z, t, margin=0) * z.shape[1],
        "multiclass-hinge": lambda z, t: F.multi_margin_loss(z, t) * z.shape[1],
        "perceptron": margin(0),
        "hinge": margin(1),
        "logistic": lambda z, t: F.soft_margin_loss(z[:, 0], sign(z, t)),
        "binary-cross-entropy": lambda z, t: F.binary_cross_entropy_with_logits(z[:, 0], t.to(z.dtype)),
        "mean-squared-error": lambda z, t: F.mse_loss(z[:, 0], t),
        "mean-absolute-error": lambda z, t: F.l1_loss(z[:, 0], t),
        "huber": lambda z, t: F.huber_loss(z[:, 0], t, delta=float(values.get("delta", 1))),
    }[name]
