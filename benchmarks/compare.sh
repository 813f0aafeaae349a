#!/usr/bin/env bash
# Measures training here and with PyTorch's DistributedDataParallel, in turn (peer, ours, peer, ours), and prints the best
# of each side, row by row.
#
# usage: compare.sh PEER_RUN PEER_ROOT [ROW…]
#   PEER_RUN   a script that measures the peer: PEER_RUN PEER_ROOT --model mlp:512-256 --workers 2 --batch 128 --optimizer adam
#              --steps 100 --reps 5, and prints a line with samples/s=NUMBER
#   PEER_ROOT  handed to it
#   ROW        any of tiny, middle, wide, large, norm, cnn; without: all
# environment: ROUNDS=2 (turns), WORKERS="1 2", REPEAT=5 (windows of a turn), OPTIMIZER=adam, BENCH_ARGS="" (more options of
# dtrain bench train, such as "--partitions 4")
# exit code: 0 all was measured, 1 something failed (shown as -), 2 wrong usage
#
# Nothing else should run on the machine meanwhile.
set -euo pipefail

usage() {
  sed -n '5,12s/^# \{0,1\}//p' "$0" >&2
  exit 2
}

[ $# -ge 2 ] || usage
peer_run=$1
peer_root=$2
shift 2
[ -x "$peer_run" ] || { echo "compare: $peer_run is no script that can be run" >&2; exit 2; }
[ -d "$peer_root" ] || { echo "compare: $peer_root is no folder" >&2; exit 2; }

rounds=${ROUNDS:-2}
repeat=${REPEAT:-5}
optimizer=${OPTIMIZER:-adam}
read -r -a worker_counts <<<"${WORKERS:-1 2}"
read -r -a bench_args <<<"${BENCH_ARGS:-}"
for number in "$rounds" "$repeat" "${worker_counts[@]}"; do
  [[ $number =~ ^[1-9][0-9]*$ ]] || { echo "compare: '$number' in ROUNDS, REPEAT or WORKERS is no whole number above 0" >&2; exit 2; }
done

# name | shown as | the peer's model | ours | rows of a worker in a step | steps of a window
table=(
  "tiny|784-64-10|mlp:64|--layers 784-64-10|32|500"
  "middle|784-512-256-10|mlp:512-256|--layers 784-512-256-10|128|200"
  "wide|784-1024-1024-10|mlp:1024-1024|--layers 784-1024-1024-10|128|100"
  "large|784-2048-2048-2048-10|mlp:2048-2048-2048|--layers 784-2048-2048-2048-10|128|20"
  "norm|784-512-256-10, batch norm|mlpbn:512-256|--layers 784-512-256-10 --batch-norm|128|200"
  "cnn|convolutional|lenet|--cnn|128|20"
)
known=$(printf '%s\n' "${table[@]}" | cut -d'|' -f1)
[ $# -gt 0 ] || mapfile -t all <<<"$known"
rows=("${@:-${all[@]}}")
for row in "${rows[@]}"; do
  grep -qxF -- "$row" <<<"$known" || { echo "compare: there is no row '$row'. Rows: $(echo $known)" >&2; exit 2; }
done

cd "$(dirname "$0")/.."
dotnet build -c Release --nologo -v quiet src/DistributedTrainer.Cli >&2
dtrain=(dotnet src/DistributedTrainer.Cli/bin/Release/net10.0/dtrain.dll)
log=$(mktemp)
trap 'rm -f "$log"' EXIT
failed=0

# What a measurement says when it fails is shown; the others go on.
note_failure() {
  echo "compare: $1 failed:" >&2
  tail -n 5 "$log" >&2
}

peer() { # MODEL BATCH STEPS WORKERS → samples per second, or -
  local rate
  if "$peer_run" "$peer_root" --model "$1" --batch "$2" --steps "$3" --workers "$4" --optimizer "$optimizer" --reps "$repeat" >"$log" 2>&1 \
    && rate=$(grep -oP 'samples/s=\K[0-9.]+' "$log" | tail -n 1) && [ -n "$rate" ]; then
    echo "$rate"
  else
    note_failure "the peer, $1 with $4 workers"
    echo -
  fi
}

ours() { # OPTIONS BATCH STEPS WORKERS → samples per second and share of the peak, or - -
  local options rate share
  read -r -a options <<<"$1"
  if "${dtrain[@]}" bench train "${options[@]}" --batch "$2" --steps "$3" --workers "$4" --optimizer "$optimizer" --repeat "$repeat" --json \
    ${bench_args[@]+"${bench_args[@]}"} >"$log" 2>&1 \
    && rate=$(grep -oP '"samplesPerSecond": \K[0-9.]+' "$log") && share=$(grep -oP '"peakShare": \K[0-9.E-]+' "$log"); then
    echo "$rate $share"
  else
    note_failure "bench train $1 with $4 workers"
    echo "- -"
  fi
}

better() { # the larger of two, where - is less than any number
  awk -v a="$1" -v b="$2" 'BEGIN { print (b == "-" || (a != "-" && a + 0 >= b + 0)) ? a : b }'
}

line='%-28s %7s %14s %14s %7s %12s %14s\n'
printf "$line" network workers "peer, rows/s" "ours, rows/s" ratio "of the peak" "to one worker"
for row in "${rows[@]}"; do
  IFS='|' read -r _ shown model options batch steps < <(printf '%s\n' "${table[@]}" | grep "^$row|")
  alone=-
  for workers in "${worker_counts[@]}"; do
    best_peer=-
    best_ours=-
    best_share=-
    for round in $(seq "$rounds"); do
      echo "compare: $shown, workers $workers, turn $round of $rounds" >&2
      # Both run in shells of their own: what failed is seen from the answer.
      rate=$(peer "$model" "$batch" "$steps" "$workers")
      [ "$rate" != - ] || failed=1
      best_peer=$(better "$best_peer" "$rate")
      read -r rate share < <(ours "$options" "$batch" "$steps" "$workers")
      [ "$rate" != - ] || failed=1
      best_ours=$(better "$best_ours" "$rate")
      [ "$best_ours" != "$rate" ] || best_share=$share
    done

    [ "$workers" != 1 ] || alone=$best_ours
    awk -v line="$line" -v shown="$shown" -v workers="$workers" -v peer="$best_peer" -v ours="$best_ours" -v share="$best_share" -v alone="$alone" '
      function quotient(a, b) { return (a == "-" || b == "-" || b + 0 == 0) ? "-" : sprintf("%.2f", a / b) }
      function whole(a) { return a == "-" ? a : sprintf("%.0f", a) }
      BEGIN { printf line, shown, workers, whole(peer), whole(ours), quotient(ours, peer), share == "-" ? share : sprintf("%.1f%%", 100 * share), quotient(ours, alone) }'
  done
done

exit "$failed"
