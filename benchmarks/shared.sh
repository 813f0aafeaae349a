# What scripts of this folder that train a perceptron on pictures have in common; to be sourced.

perceptron() { # NAME SOURCE WIDTH…: an experiment up to its loss; what follows is the script's own
  local name=$1 source=$2
  shift 2
  cat <<YAML
name: $name
data: { source: $source, split: none, preprocess: [ scale: 0.00392156862745098 ] }
model:
  layers:
$(for width in "$@"; do printf '    - linear: %s\n    - relu\n' "$width"; done)
    - linear: 10
loss: cross-entropy
YAML
}

second_half() { # RUN STEPS [ROUND]: steps a second of the second half of a run, and the beginning of its hash
  python3 - "$1" "$2" "${3:-1}" <<'PYTHON'
import json, sys
run, steps, round_ = sys.argv[1], *map(int, sys.argv[2:])
# The time of each step, in seconds since the run began.
times = {line["step"]: line["seconds"] for line in map(json.loads, open(f"{run}/metrics.jsonl")) if "loss" in line}
# The steps of a round are told together, when it is applied.
half = steps // 2 // round_ * round_
print((steps - half) / (times[steps] - times[half]), json.load(open(f"{run}/result.json"))["parametersSha256"][:16])
PYTHON
}

slower=
slow_down() { # TRAINING OUT RUN: from the first step on a worker is stopped for 15 of every 20 ms, until be_even
  # The line is written when the first step was applied: all workers are there.
  tail -n +1 -F --pid="$1" "$2" 2> /dev/null | grep -q -m 1 '^training  step' || true
  local worker
  worker=$(python3 -c 'import json, sys; print(next(node["processId"] for node in json.load(open(sys.argv[1])) if node["role"] == "worker"))' "$3/nodes.json")
  perl -e 'while (kill(STOP => $ARGV[0])) { select(undef, undef, undef, 0.015); kill(CONT => $ARGV[0]); select(undef, undef, undef, 0.005) }' "$worker" &
  slower=$!
}

be_even() { # ends what slow_down began, if it did
  [ -z "$slower" ] || { kill "$slower" 2> /dev/null || true; wait "$slower" 2> /dev/null || true; slower=; }
}
