#!/usr/bin/env bash
# How soon what accuracy is reached while one of four workers is slowed: stopped for 15 of every 20 ms (SLOWED=1), or in
# peace (SLOWED=0). Prints one line a setting as CSV, and draws validation accuracy over steps and over time.
#
# usage: time-to-accuracy.sh EXPERIMENT FOLDER [SETTING…]
#   EXPERIMENT  an experiment with validation rows
#   FOLDER      receives a run folder for each setting and turn, and accuracy.png of the last turn
#   SETTING     overrides of the experiment, blanks between them; without: cluster.placement=even cluster.placement=by-speed
#               training.mode=stale training.mode=async
# environment: TARGET=0.85 (of the validation rows), WORKERS=4, SLOWED=1, TURNS=1, OVERRIDES (of all runs, blanks between them)
# Linux; needs perl and python3. Nothing else should run on the machine meanwhile.
# exit code: 0 all was measured, 1 something failed, 2 wrong usage
set -euo pipefail
[ $# -ge 2 ] || { sed -n '5,11s/^# \{0,1\}//p' "$0" >&2; exit 2; }
experiment=$(realpath "$1")
mkdir -p "$2"
folder=$(realpath "$2")
shift 2
[ $# -gt 0 ] || set -- cluster.placement=even cluster.placement=by-speed training.mode=stale training.mode=async
workers=${WORKERS:-4} slowed=${SLOWED:-1}
cd "$(dirname "$0")/.."
. benchmarks/shared.sh
dtrain=$PWD/src/DistributedTrainer.Cli/bin/Release/net10.0/dtrain
[ -x "$dtrain" ] || { echo "time-to-accuracy: build first: dotnet build -c Release src/DistributedTrainer.Cli" >&2; exit 2; }
trap be_even EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
read -r -a common <<<"${OVERRIDES:-}"

echo setting,turn,rows_per_second,seconds_to_target,validation_accuracy,test_accuracy
failed=0
for turn in $(seq "${TURNS:-1}"); do
  runs=()
  for setting in "$@"; do
    read -r -a overrides <<<"$setting"
    run=$folder/$turn/${setting//[^a-zA-Z0-9=.-]/-}
    rm -rf "$run"
    mkdir -p "$folder/$turn"
    "$dtrain" train "$experiment" --run-dir "$run" --plain --set "cluster.workers=$workers" --set "cluster.minimum-workers=$workers" \
      "${common[@]/#/--set=}" "${overrides[@]/#/--set=}" > "$run.txt" 2>&1 &
    training=$!
    [ "$slowed" = 0 ] || slow_down "$training" "$run.txt" "$run"
    if wait "$training"; then
      runs+=("$run")
      python3 - "$run" "$setting" "$turn" "${TARGET:-0.85}" <<'PYTHON'
import json, sys
run, setting, turn, target = sys.argv[1:4] + [float(sys.argv[4])]
seconds, reached = 0, ""
for line in map(json.loads, open(f"{run}/metrics.jsonl")):
    seconds = line.get("seconds", seconds)
    if reached == "" and line.get("validationAccuracy", 0) >= target:
        reached = round(seconds, 1)
result = json.load(open(f"{run}/result.json"))
test = result["metrics"].get("testAccuracy")
print(setting, turn, round(result["rowsPerSecond"]), reached, round(result["metrics"]["validationAccuracy"], 4), "" if test is None else round(test, 4), sep=",")
PYTHON
    else
      failed=1
      echo "time-to-accuracy: $setting failed" >&2
      tail -n 5 "$run.txt" >&2
    fi

    be_even
  done
done

[ ${#runs[@]} -eq 0 ] || "$dtrain" report "${runs[@]}" --compare "$folder/accuracy.png" >&2
exit $failed
