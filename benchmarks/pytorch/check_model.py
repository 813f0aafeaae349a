"""Loads a run's model.safetensors into the equal torch.nn.Sequential and compares the accuracy on the same test rows.

usage: check_model.py RUN_DIR DATA.csv     (needs Python 3, torch, numpy; the data set is the CSV file of the experiment)

The test rows are drawn here anew (Philox4x32-10, Fisher-Yates, shares by largest remainder), so that the check shares no code
with what it checks. Ends with 0 when both accuracies are equal.
"""
import csv, json, re, struct, sys
import numpy as np, torch, torch.nn as nn

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
    classes = [[row for row in order if labels[row] == c] for c in range(max(labels) + 1)]
    total = len(order)
    take = [wanted * len(rows) // total for rows in classes]
    by_remainder = sorted(range(len(classes)), key=lambda c: (-(wanted * len(classes[c]) % total), c))
    for c in by_remainder[: wanted - sum(take)]:
        take[c] += 1
    return sorted(row for rows, count in zip(classes, take) for row in rows[:count])


def preprocess(x, steps):
    for step in steps:
        assert step["kind"] == "affine", step["kind"]
        x = ((x.astype(np.float64) - step["offset"]) * step["factor"]).astype(np.float32)
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


def build(layers, inputs):
    modules = []
    for name, options in layers:
        number = lambda key: float(re.search(key + r": ([^,} ]+)", options).group(1))
        if name == "linear":
            outputs = int(number("outputs"))
            modules.append(nn.Linear(inputs, outputs, bias="bias: true" in options))
            inputs = outputs
        elif name == "batch-norm":
            modules.append(nn.BatchNorm1d(inputs, eps=number("epsilon"), momentum=number("momentum")))
        elif name == "dropout":
            modules.append(nn.Dropout(float(options)))
        else:
            modules.append({"relu": nn.ReLU, "tanh": nn.Tanh, "sigmoid": nn.Sigmoid}[name]())
    return nn.Sequential(*modules)


def main(run, data):
    tensors, metadata = read_safetensors(run + "/model.safetensors")
    text = metadata["dtrain.experiment"]
    seed = int(re.search(r"^seed: (\d+)", text, re.M).group(1))
    validation, test = (float(v) for v in re.search(r"validation: ([^,]+), test: ([^,]+), stratify: true", text).groups())
    layers = re.findall(r"^    - ([a-z-]+)(?:: (.*))?$", text, re.M)
    classes = json.loads(metadata["dtrain.classes"])
    with open(data) as file:
        rows = list(csv.reader(file))[1:]
    x = np.array([[np.float32(v) for v in row[:-1]] for row in rows], np.float32)
    y = np.array([classes.index(row[-1]) for row in rows])
    x = preprocess(x, json.loads(metadata["dtrain.preprocess"])["steps"])
    held_back = held_back_rows(split_order(len(y), seed), y, int(len(y) * test + 0.5))

    model = build(layers, x.shape[1])
    known = model.state_dict()
    # The one entry that the file does not have is a counter that evaluation does not use.
    missing = model.load_state_dict(tensors, strict=False)
    assert not missing.unexpected_keys, missing
    assert all(key.endswith("num_batches_tracked") for key in missing.missing_keys), missing
    assert all(known[key].shape == tensors[key].shape for key in tensors)
    model.eval()
    with torch.no_grad():
        scores = model(torch.from_numpy(x[held_back]))
        accuracy = (scores.argmax(1).numpy() == y[held_back]).mean()
        loss = nn.functional.cross_entropy(scores.double(), torch.from_numpy(y[held_back])).item()
    ours = json.load(open(run + "/result.json"))["metrics"]
    print(f"{len(held_back)} test rows: PyTorch accuracy {accuracy:.6f}, loss {loss:.6f}; here {ours['testAccuracy']:.6f}, {ours['testLoss']:.6f}")
    return 0 if accuracy == ours["testAccuracy"] and abs(loss - ours["testLoss"]) <= 1e-4 * abs(loss) else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
