"""Loads a run's model.safetensors into the equal torch.nn.Sequential and compares loss and accuracy on the same test rows.

usage: check_model.py RUN_DIR DATA     (needs Python 3, torch, numpy)

DATA is what the experiment trained on: a CSV file, or a folder of IDX files with test files of its own; where the experiment has
a test-source, it is that file. The test rows of a split are drawn here anew (Philox4x32-10, Fisher-Yates, shares by largest
remainder), so that the check shares no code with what it checks. Ends with 0 when the accuracies are equal and the losses agree
to 1e-4.
"""
import csv, gzip, json, os, re, struct, sys
import numpy as np, torch
import experiment_model

MASK = 0xFFFFFFFF
SPLIT = 4  # RandomPurpose.Split


def philox(counter, key):
    c0, c1, c2, c3 = counter
    k0, k1 = key
    for _ in range(10):
        p0, p1 = 0xD2511F53 * c0, 0xCD9E8D57 * c2
        c0, c1, c2, c3 = ((p1 >> 32) ^ c1 ^ k0) & MASK, p1 & MASK, ((p0 >> 32) ^ c3 ^ k1) & MASK, p0 & MASK
        k0, k1 = (k0 + 0x9E3779B9) & MASK, (k1 + 0xBB67AE85) & MASK
    return c0, c1, c2, c3


def split_order(rows, seed):
    identity = philox((0, 0, 0, SPLIT << 24), (seed & MASK, seed >> 32))
    order = list(range(rows))
    for i in range(rows - 1, 0, -1):
        block = philox(((i >> 2) & MASK, i >> 34, identity[2], identity[3]), (identity[0], identity[1]))
        j = (block[i & 3] * (i + 1)) >> 32
        order[i], order[j] = order[j], order[i]
    return order


def held_back_rows(order, labels, wanted):
    """Each class's exact share rounded down, then one more for the largest remainders; rows in file order."""
    classes = [[row for row in order if labels[row] == c] for c in range(int(max(labels)) + 1)]
    total = len(order)
    take = [wanted * len(rows) // total for rows in classes]
    by_remainder = sorted(range(len(classes)), key=lambda c: (-(wanted * len(classes[c]) % total), c))
    for c in by_remainder[: wanted - sum(take)]:
        take[c] += 1
    return sorted(row for rows, count in zip(classes, take) for row in rows[:count])


def preprocess(x, steps):
    """The stored steps, each computed in float64 and rounded to float32 once."""
    for step in steps:
        if step["kind"] == "affine":
            x = ((x.astype(np.float64) - step["offset"]) * step["factor"]).astype(np.float32)
        elif step["kind"] == "polynomial":
            powers = [x.astype(np.float64) ** power for power in range(1, step["degree"] + 1)]
            x = np.stack(powers, 2).reshape(len(x), -1).astype(np.float32)
        else:
            sys.exit(f"preprocess: {step['kind']} is not known here. Check a model without it.")
    return x


def read_safetensors(path):
    with open(path, "rb") as file:
        header = json.loads(file.read(struct.unpack("<Q", file.read(8))[0]))
        data = file.read()
    metadata = header.pop("__metadata__")
    tensors = {
        name: torch.from_numpy(np.frombuffer(data[slice(*entry["data_offsets"])], np.float32).reshape(entry["shape"]).copy())
        for name, entry in header.items()
    }
    return tensors, metadata


def read_idx(path):
    """One IDX file, plain or .gz: type and rank, sizes, bytes."""
    opened = gzip.open(path + ".gz") if os.path.exists(path + ".gz") else open(path, "rb")
    with opened as file:
        data = file.read()
    sizes = struct.unpack(f">{data[3]}I", data[4 : 4 + 4 * data[3]])
    return np.frombuffer(data, np.uint8, offset=4 + 4 * data[3]).reshape(sizes)


def read_test_rows(data, experiment, classes):
    """x(N,D), t(N) of the test rows, and the shape that the data itself gives a row (None: flat)."""
    if os.path.isdir(data):
        images, labels = (read_idx(os.path.join(data, f"t10k-{name}-ubyte")) for name in ("images-idx3", "labels-idx1"))
        t = labels.astype(np.float64) if not classes else np.array([classes.index(str(label)) for label in labels])
        return images.reshape(len(images), -1).astype(np.float32), t, (1, *images.shape[1:])

    with open(data) as file:
        names, *rows = csv.reader(file)
    target = re.search(r"^  target: (.*)$", experiment, re.M).group(1).strip("'")
    column = len(names) - 1 if target == "null" else names.index(target)
    x = np.array([[np.float32(value) for i, value in enumerate(row) if i != column] for row in rows], np.float32)
    t = np.array([classes.index(row[column]) if classes else float(row[column]) for row in rows])
    if re.search(r"^  test-source: '", experiment, re.M):
        return x, t, None  # the file given is that of the test rows

    split = re.search(r"^  split: \{ validation: .*, test: ([^,]+), stratify: (\w+)", experiment, re.M)
    wanted = int(len(t) * float(split.group(1)) + 0.5) if split else 0
    if wanted == 0:
        sys.exit("the experiment keeps no test rows: there is nothing to compare.")
    seed = int(re.search(r"^seed: (\d+)", experiment, re.M).group(1))
    held_back = held_back_rows(split_order(len(t), seed), t if classes and split.group(2) == "true" else [0] * len(t), wanted)
    return x[held_back], t[held_back], None


def shape_of(layers, experiment, given, features):
    """Of a row: an image where the experiment or the data says so and a layer needs one."""
    image = re.search(r"^  image: \[(.*)\]$", experiment, re.M)
    shape = tuple(int(size) for size in image.group(1).split(",")) if image else given
    return shape if shape and any(needs_images(*layer) for layer in layers) else (features,)


def needs_images(name, options):
    inner = (options["layers"] + options.get("shortcut", []) if isinstance(options, dict) else options) if name == "residual" else []
    return "2d" in name or name == "flatten" or any(needs_images(*layer) for layer in inner)


def main(run, data):
    tensors, metadata = read_safetensors(run + "/model.safetensors")
    experiment = metadata["dtrain.experiment"]
    classes = json.loads(metadata["dtrain.classes"])
    x, t, given = read_test_rows(data, experiment, classes)
    x = preprocess(x, json.loads(metadata["dtrain.preprocess"])["steps"])
    layers = [experiment_model.parse(layer) for layer in re.findall(r"^    - (.*)$", experiment, re.M)]
    shape = shape_of(layers, experiment, given, x.shape[1])
    model, _ = experiment_model.build(layers, shape)

    # The one entry that the file does not have is a counter that evaluation does not use. A tensor of another shape throws.
    missing = model.load_state_dict(tensors, strict=False)
    assert not missing.unexpected_keys, missing
    assert all(key.endswith("num_batches_tracked") for key in missing.missing_keys), missing
    model.eval()
    with torch.no_grad():
        scores = torch.cat([model(part) for part in torch.from_numpy(x).reshape(-1, *shape).split(1000)]).double()
    loss = experiment_model.loss_of(re.search(r"^loss: (.*)$", experiment, re.M).group(1))(scores, torch.from_numpy(t)).item()
    ours = json.load(open(run + "/result.json"))["metrics"]
    same = abs(loss - ours["testLoss"]) <= 1e-4 * abs(loss)
    print(f"{len(t)} test rows: loss {loss:.6f} in PyTorch, {ours['testLoss']:.6f} here")
    if classes:
        chosen = scores.argmax(1) if scores.shape[1] > 1 else (scores[:, 0] > 0).long()
        accuracy = (chosen.numpy() == t).mean()
        same &= accuracy == ours["testAccuracy"]
        print(f"accuracy {accuracy:.6f} in PyTorch, {ours['testAccuracy']:.6f} here")
    print("equal" if same else "DIFFERENT")
    return 0 if same else 1


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    sys.exit(main(*sys.argv[1:]))
