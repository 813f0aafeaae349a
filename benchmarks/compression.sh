#!/usr/bin/env bash
# Measures steps a second over links that are held to a rate by tc: a host with the coordinator and a server, and a host for
# each worker, all of them network namespaces on one bridge. Prints one line a setting of training.compression, of
# training.local-steps, or of cluster.overlap, as CSV.
#
# usage: compression.sh SOURCE [SETTING…]
#   SOURCE    a folder with Fashion-MNIST or any other pictures of 28x28 in IDX files
#   SETTING   of compression, such as int8 or "{ top-k: 0.01 }", or local-steps=4, or overlap=never; without: none float16 bfloat16 int8 "{ top-k: 0.01 }"
# environment: RATE=100mbit, LAYERS="1024 1024", BATCH=64 (rows of a worker), SHARDS=2, WORKERS=2, PARTITIONS=2, STEPS=40, OPTIMIZER=adam
# Steps a second are those of the second half of the steps; with local-steps=K there are 4 K steps at least. Linux, as root.
# Nothing else should run on the machine meanwhile.
# exit code: 0 all was measured, 1 something failed, 2 wrong usage, or the system lets no such links be made
set -euo pipefail
[ $# -ge 1 ] || { sed -n '5,11s/^# \{0,1\}//p' "$0" >&2; exit 2; }
source=$(realpath "$1")
shift
[ $# -gt 0 ] || set -- none float16 bfloat16 int8 "{ top-k: 0.01 }"
rate=${RATE:-100mbit} workers=${WORKERS:-2} steps=${STEPS:-40}
read -r -a layers <<<"${LAYERS:-1024 1024}"
cd "$(dirname "$0")/.."
. benchmarks/shared.sh
dtrain=$PWD/src/DistributedTrainer.Cli/bin/Release/net10.0/dtrain
[ -x "$dtrain" ] || { echo "compression: build first: dotnet build -c Release src/DistributedTrainer.Cli" >&2; exit 2; }
[ "$(id -u)" = 0 ] || { echo "compression: making hosts as network namespaces needs root." >&2; exit 2; }

# All namespaces of this run, and nobody else's.
prefix="dtcz$$"
work=$(mktemp -d)
remove() {
  for space in $(ip netns list | awk -v prefix="$prefix-" 'index($1, prefix) == 1 { print $1 }'); do
    ip netns pids "$space" | xargs -r kill -KILL 2> /dev/null || true
    ip netns delete "$space"
  done
}
trap 'remove; rm -rf "$work"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

host() { # NAME NUMBER: a host at 10.77.0.NUMBER, whose link is held to the rate both ways
  ip netns add "$prefix-$1"
  ip -n "$prefix-switch" link add "port$2" type veth peer name eth0 netns "$prefix-$1"
  ip -n "$prefix-switch" link set "port$2" master bridge up
  ip -n "$prefix-$1" address add "10.77.0.$2/24" dev eth0
  ip -n "$prefix-$1" link set lo up
  ip -n "$prefix-$1" link set eth0 up
  tc -n "$prefix-$1" qdisc add dev eth0 root tbf rate "$rate" burst 64kb latency 100ms
  tc -n "$prefix-switch" qdisc add dev "port$2" root tbf rate "$rate" burst 64kb latency 100ms
}

if ! { ip netns add "$prefix-switch" && ip -n "$prefix-switch" link add bridge type bridge && ip -n "$prefix-switch" link set bridge up && host server 1; }; then
  echo "compression: this system lets no network namespace, bridge, veth pair or tbf be made; nothing was measured." >&2
  exit 2
fi

for worker in $(seq "$workers"); do
  host "worker$worker" $((worker + 1))
done

{
  perceptron compression "$source" "${layers[@]}"
  cat <<YAML
optimizer: { kind: ${OPTIMIZER:-adam}, learning-rate: 0.001 }
training: { steps: $steps, batch-size: $((${BATCH:-64} * workers)), shards: ${SHARDS:-2} }
cluster: { workers: $workers, minimum-workers: $workers, servers: 1, partitions: ${PARTITIONS:-2} }
checkpoint: { every-steps: null, every-seconds: null }
YAML
} > "$work/experiment.yaml"

echo setting,steps_per_second,worker_megabytes_per_step,sha256
failed=0
for setting in "$@"; do
  case $setting in
    local-steps=*) key=training.$setting round=${setting#*=} ;;
    overlap=*) key=cluster.$setting round=1 ;;
    *) key="training.compression=$setting" round=1 ;;
  esac

  # Whole rounds of steps that shards take by themselves, four at least.
  rounds=$(((steps + round - 1) / round))
  count=$(((rounds > 4 ? rounds : 4) * round))
  run=$work/run
  rm -rf "$run"
  ip netns exec "$prefix-server" "$dtrain" node --roles coordinator,server --host 10.77.0.1 --port 4053 > "$work/server.txt" 2>&1 &
  pids=($!)
  for worker in $(seq "$workers"); do
    ip netns exec "$prefix-worker$worker" "$dtrain" node --roles worker --join 10.77.0.1:4053 --host "10.77.0.$((worker + 1))" > "$work/worker$worker.txt" 2>&1 &
    pids+=($!)
  done

  sent() { ip netns exec "$prefix-worker1" cat /sys/class/net/eth0/statistics/tx_bytes /sys/class/net/eth0/statistics/rx_bytes | awk '{ sum += $1 } END { print sum }'; }
  before=$(sent)
  if ip netns exec "$prefix-server" "$dtrain" submit "$work/experiment.yaml" --to 10.77.0.1:4053 --run-dir "$run" --set "$key" --set "training.steps=$count" --plain > "$work/submit.txt" 2>&1; then
    bytes=$(($(sent) - before))
    read -r rate sha256 <<<"$(second_half "$run" "$count" "$round")"
    awk -v setting="$setting" -v rate="$rate" -v bytes="$bytes" -v steps="$count" -v sha256="$sha256" 'BEGIN { printf "\"%s\",%.3g,%.3g,%s\n", setting, rate, bytes / steps / 1e6, sha256 }'
  else
    failed=1
    echo "compression: $setting failed" >&2
    tail -n 5 "$work/submit.txt" "$work"/*.txt >&2
  fi

  kill "${pids[@]}" 2> /dev/null || true
  wait "${pids[@]}" 2> /dev/null || true
done

exit $failed
