#!/usr/bin/env bash
# Measures what a step costs, and what memory a node has, as the rows of a data set grow: Fashion-MNIST repeated, mapped
# where it is larger than 64 MB. Writes one line a measurement as CSV. Files are made one after the other and removed.
#
# usage: rows.sh SOURCE WORK FILE.csv [ROWS…]
#   SOURCE   a folder with train-images-idx3-ubyte.gz and train-labels-idx1-ubyte.gz
#   WORK     an existing folder for the made files: 784 bytes a row
#   ROWS     multiples of the source's rows; without: 60000 600000 6000000 9960000
# Nothing else should run on the machine meanwhile.
# environment: BEFORE="" (put before each measurement, such as "flock -x FILE" where others measure as well), LIMIT=120 (seconds),
#   LAYERS="784-64-10 784-512-256-10", WORKERS=1, STEPS=300 (of each of five windows)
# exit code: 0 all was measured, 1 something failed (said, and left out), 2 wrong usage
set -euo pipefail
[ $# -ge 3 ] || { sed -n '5,11s/^# \{0,1\}//p' "$0" >&2; exit 2; }
source=$(realpath "$1") work=$(realpath "$2") file=$(realpath -m "$3")
shift 3
[ $# -gt 0 ] || set -- 60000 600000 6000000 9960000
read -r -a before <<<"${BEFORE:-}"
cd "$(dirname "$0")/.."
dtrain=(dotnet src/DistributedTrainer.Cli/bin/Release/net10.0/dtrain.dll)
[ -e "${dtrain[1]}" ] || { echo "rows: build first: dotnet build -c Release src/DistributedTrainer.Cli" >&2; exit 2; }
data=$(mktemp -d "$work/dtrain-rows-XXXXXX")
export DTRAIN_CACHE=$data/cache
trap 'rm -rf "$data"' EXIT
zcat "$source/train-images-idx3-ubyte.gz" | tail -c +17 >"$data/images"
zcat "$source/train-labels-idx1-ubyte.gz" | tail -c +9 >"$data/labels"
once=$(stat -c %s "$data/labels")
[ -s "$file" ] || echo rows,layers,bytes,first_step_seconds,step_ms,computing_ms,worker_own_mb,worker_file_mb >"$file"
failed=0

number() { # N: as four bytes, big-endian
  printf "\\x$(printf %02x $(($1 >> 24 & 255)))\\x$(printf %02x $(($1 >> 16 & 255)))\\x$(printf %02x $(($1 >> 8 & 255)))\\x$(printf %02x $(($1 & 255)))"
}

for rows in "$@"; do
  times=$((rows / once))
  [ $((times * once)) -eq "$rows" ] && [ "$times" -gt 0 ] || { echo "rows: $rows is no multiple of $once" >&2; exit 2; }
  echo "rows: $rows are made" >&2
  { printf '\x00\x00\x08\x03'; number "$rows"; number 28; number 28; for _ in $(seq "$times"); do cat "$data/images"; done; } >"$data/train-images-idx3-ubyte"
  { printf '\x00\x00\x08\x01'; number "$rows"; for _ in $(seq "$times"); do cat "$data/labels"; done; } >"$data/train-labels-idx1-ubyte"
  for layers in ${LAYERS:-784-64-10 784-512-256-10}; do
    # The time begins when the measurement's turn has come.
    if ${before[@]+"${before[@]}"} timeout "${LIMIT:-120}" sh -c 'date +%s.%N >"$0"; exec "$@"' "$data/began" "${dtrain[@]}" bench train --data "$data" --layers "$layers" --workers "${WORKERS:-1}" --steps "${STEPS:-300}" --repeat 5 --json \
      >"$data/result" 2> >(while read -r line; do case $line in Measuring*) date +%s.%N >"$data/measuring" ;; esac; done); then
      awk -v rows="$rows" -v layers="$layers" -v bytes="$(stat -c %s "$data/train-images-idx3-ubyte")" -v began="$(cat "$data/began")" -v measuring="$(cat "$data/measuring")" '
        function value(line) { sub(/.*: /, "", line); sub(/,$/, "", line); return line + 0 }
        /"stepsPerSecond"/ { step = 1000 / value($0) }
        /"computing"/ && !seen++ { computing = value($0) }
        /"role": "worker"/ { worker = 1 }
        /"ownMegabytes"/ && worker && !own { own = value($0) }
        /"fileMegabytes"/ && worker && !pages { pages = value($0) }
        END { printf "%s,%s,%s,%.1f,%.4f,%.4f,%.0f,%.0f\n", rows, layers, bytes, measuring - began, step, step * computing, own, pages }
      ' "$data/result" >>"$file"
    else
      echo "rows: $rows rows, $layers failed, or took longer than ${LIMIT:-120} s" >&2
      failed=1
    fi
  done
done
exit "$failed"
