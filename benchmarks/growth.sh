#!/usr/bin/env bash
# Measures what a step costs against workers, partitions, leaves, parameters and rows, each while the others stay, and
# writes one line a measurement as CSV, for dtrain bench growth.
#
# usage: growth.sh FILE.csv [SERIES…]
#   SERIES     any of workers, partitions, leaves, parameters, rows; without: all. Those in the file already are kept.
# Nothing else should run on the machine meanwhile.
# environment: BEFORE="" (put before each measurement, such as "flock -x FILE" where others measure as well), LIMIT=60 (seconds)
# exit code: 0 all was measured, 1 something failed (said, and left out), 2 wrong usage
set -euo pipefail
[ $# -ge 1 ] || { sed -n '5,9s/^# \{0,1\}//p' "$0" >&2; exit 2; }
file=$(realpath -m "$1")
shift
series=("${@:-workers}")
[ $# -gt 0 ] || series=(workers partitions leaves parameters rows)
read -r -a before <<<"${BEFORE:-}"
cd "$(dirname "$0")/.."
dtrain=(dotnet src/DistributedTrainer.Cli/bin/Release/net10.0/dtrain.dll)
[ -e "${dtrain[1]}" ] || { echo "growth: build first: dotnet build -c Release src/DistributedTrainer.Cli" >&2; exit 2; }
header=series,value,workers,parameters,leaves,step_ms,computing_ms,pushing_ms,waiting_ms,copying_ms
[ -s "$file" ] || echo "$header" >"$file"
failed=0

measure() { # SERIES VALUE WORKERS LEAVES OPTIONS…
  local name=$1 value=$2 workers=$3 leaves=$4 result
  shift 4
  echo "growth: $name $value" >&2
  if result=$(${before[@]+"${before[@]}"} timeout "${LIMIT:-60}" "${dtrain[@]}" bench train --workers "$workers" --leaves "$leaves" --repeat 3 --json "$@" 2>/dev/null); then
    # The shares are those of all windows, the step is that of the best: together an estimate, for the first worker.
    awk -v name="$name" -v value="$value" -v workers="$workers" -v leaves="$leaves" '
      function number(line) { sub(/.*: /, "", line); sub(/,$/, "", line); return line + 0 }
      /"stepsPerSecond"/ { step = 1000 / number($0) }
      /"parameters"/ { parameters = number($0) }
      /"computing"/ && !seen++ { computing = number($0) }
      /"pushing"/ && !pushes++ { pushing = number($0) }
      /"waiting"/ && !waits++ { waiting = number($0) }
      /"copying"/ && !copies++ { copying = number($0) }
      END { printf "%s,%s,%s,%.0f,%s,%.4f,%.4f,%.4f,%.4f,%.4f\n", name, value, workers, parameters, leaves, step, step * computing, step * pushing, step * waiting, step * copying }
    ' <<<"$result" >>"$file"
  else
    echo "growth: $name $value failed, or took longer than ${LIMIT:-60} s" >&2
    failed=1
  fi
}

for name in "${series[@]}"; do
  case $name in
    workers) for n in 1 2 4 8; do measure workers $n $n $n --layers 784-512-256-10 --steps 50; done ;;
    partitions) for n in 1 2 4 8; do measure partitions $n 2 2 --layers 784-512-256-10 --partitions $n --steps 100; done ;;
    leaves) for n in 1 2 4 8 16 32; do measure leaves $n 1 $n --layers 784-512-256-10 --steps 50; done ;;
    parameters)
      # Rows so few that the parameters are what counts: about 10 thousand, 100 thousand, 1, 10 and 100 million.
      for layers in 784-13-10 784-126-10 784-680-680-10 784-2790-2790-10 784-9600-9600-10; do
        steps=100
        case $layers in *-2790-*) steps=20 ;; *-9600-*) steps=3 ;; esac
        parameters=$(awk -v layers="$layers" 'BEGIN { n = split(layers, w, "-"); for (i = 1; i < n; i++) p += (w[i] + 1) * w[i + 1]; print p }')
        measure parameters "$parameters" 1 1 --layers "$layers" --batch 8 --rows 1000 --steps "$steps"
      done ;;
    rows) for n in 1000 10000 100000 1000000 2500000; do measure rows $n 1 1 --layers 784-64-10 --rows $n --steps 200; done ;;
    *) echo "growth: there is no series '$name'. Series: workers, partitions, leaves, parameters, rows" >&2; exit 2 ;;
  esac
done
exit "$failed"
