#!/usr/bin/env bash
# Measures rows a second while one of four workers is slowed: stopped for 15 of every 20 ms (SLOWED=1), and in peace
# (SLOWED=0). Prints one line a setting as CSV, the settings in turn.
#
# usage: unequal.sh SOURCE [SETTING…]
#   SOURCE    a folder with Fashion-MNIST or any other pictures of 28x28 in IDX files
#   SETTING   overrides of the experiment, blanks between them; without: cluster.placement=even cluster.placement=by-speed
#             training.mode=stale training.mode=async
# environment: TURNS=2, SLOWED=1, LAYERS="1024 1024", BATCH=512, SHARDS=8, WORKERS=4, STEPS=1500
# Rows a second are those of the second half of the steps: finding out who is slow takes some seconds. Linux; needs perl and
# python3. Nothing else should run on the machine meanwhile.
# exit code: 0 all was measured and runs in sync had the same bits, 1 something failed, 2 wrong usage
set -euo pipefail
[ $# -ge 1 ] || { sed -n '5,11s/^# \{0,1\}//p' "$0" >&2; exit 2; }
source=$(realpath "$1")
shift
[ $# -gt 0 ] || set -- cluster.placement=even cluster.placement=by-speed training.mode=stale training.mode=async
turns=${TURNS:-2} slowed=${SLOWED:-1} steps=${STEPS:-1500}
read -r -a layers <<<"${LAYERS:-1024 1024}"
cd "$(dirname "$0")/.."
. benchmarks/shared.sh
dtrain=$PWD/src/DistributedTrainer.Cli/bin/Release/net10.0/dtrain
[ -x "$dtrain" ] || { echo "unequal: build first: dotnet build -c Release src/DistributedTrainer.Cli" >&2; exit 2; }

work=$(mktemp -d)
trap 'be_even; rm -rf "$work"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

{
  perceptron unequal "$source" "${layers[@]}"
  cat <<YAML
optimizer: { kind: momentum, learning-rate: 0.02 }
training: { steps: $steps, batch-size: ${BATCH:-512}, shards: ${SHARDS:-8} }
cluster: { workers: ${WORKERS:-4}, minimum-workers: ${WORKERS:-4}, servers: 1, partitions: 2 }
checkpoint: { every-steps: null, every-seconds: null }
YAML
} > "$work/experiment.yaml"

echo setting,slowed,rows_per_second,sha256
failed=0
declare -A bits=()
for _ in $(seq "$turns"); do
  for setting in "$@"; do
    run=$work/run
    rm -rf "$run"
    read -r -a overrides <<<"$setting"
    "$dtrain" train "$work/experiment.yaml" --run-dir "$run" --plain "${overrides[@]/#/--set=}" > "$work/out.txt" 2>&1 &
    training=$!
    [ "$slowed" = 0 ] || slow_down "$training" "$work/out.txt" "$run"
    if wait "$training"; then
      read -r rate sha256 <<<"$(second_half "$run" "$steps")"
      awk -v setting="$setting" -v slowed="$slowed" -v rows="$rate" -v batch="${BATCH:-512}" -v sha256="$sha256" 'BEGIN { printf "%s,%s,%.0f,%s\n", setting, slowed, rows * batch, sha256 }'
      case $setting in
        *training.mode*) ;;
        *) bits[$sha256]=1 ;;
      esac
    else
      failed=1
      echo "unequal: $setting failed" >&2
      tail -n 5 "$work/out.txt" >&2
    fi

    be_even
  done
done

[ ${#bits[@]} -le 1 ] || { echo "unequal: runs in sync have other bits: ${!bits[*]}" >&2; failed=1; }
exit $failed
