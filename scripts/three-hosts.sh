#!/usr/bin/env bash
# What docs/cluster.md does on three machines, with network namespaces of this one as machines: a coordinator, a server and
# workers, each alone on its host, train what is submitted. usage: three-hosts.sh
# Exit code 0: the hash is that of one process. Linux, as root.
set -euo pipefail
cd "$(dirname "$0")/.."

[ "$(id -u)" = 0 ] || { echo "three-hosts: making hosts as network namespaces needs root. Run it with sudo, or in a container with --privileged." >&2; exit 2; }
command -v ip > /dev/null || { echo "three-hosts: ip not found. Install iproute2 first." >&2; exit 2; }

program=$PWD/src/DistributedTrainer.Cli/bin/Release/net10.0/dtrain.dll
dotnet build -c Release --nologo -v quiet src/DistributedTrainer.Cli

prefix="dt3h$$"
work=$(mktemp -d)
nodes=()
remove() {
  for node in "${nodes[@]}"; do kill -KILL "$node" 2> /dev/null || true; done
  for space in $(ip netns list | awk -v prefix="$prefix-" 'index($1, prefix) == 1 { print $1 }'); do
    ip netns pids "$space" | xargs -r kill -KILL 2> /dev/null || true
    ip netns delete "$space"
  done
  rm -rf "$work"
}
trap remove EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# A switch of its own, so that nothing of this machine's network is touched.
ip netns add "$prefix-switch"
ip -n "$prefix-switch" link add bridge type bridge
ip -n "$prefix-switch" link set bridge up
for host in 1 2 3; do
  ip netns add "$prefix-$host"
  ip -n "$prefix-$host" link set lo up
  ip -n "$prefix-switch" link add "host$host" type veth peer name eth0 netns "$prefix-$host"
  ip -n "$prefix-switch" link set "host$host" master bridge up
  ip -n "$prefix-$host" address add "10.0.0.$host/24" dev eth0
  ip -n "$prefix-$host" link set eth0 up
done

# In a subshell, which becomes the process.
on() { local host=$1; shift; exec ip netns exec "$prefix-$host" dotnet "$program" "$@"; }
cd "$work"
on 1 node --roles coordinator --host 10.0.0.1 --port 4053 --join 10.0.0.1:4053,10.0.0.2:4053 --go-on > coordinator.log 2>&1 & nodes+=($!)
on 2 node --roles server --host 10.0.0.2 --port 4053 --join 10.0.0.1:4053 > server.log 2>&1 & nodes+=($!)
on 3 node --roles worker --workers-per-node 4 --host 10.0.0.3 --port 4053 --join 10.0.0.1:4053,10.0.0.2:4053 > worker.log 2>&1 & nodes+=($!)

cp "$OLDPWD/src/DistributedTrainer.Experiments/digits.yaml" .
expected=$(dotnet "$program" train digits.yaml --in-process --json --run-dir alone | grep -o '"parametersSha256": *"[0-9a-f]*"' | cut -d '"' -f 4)
# The one that submits waits until the coordinator is there, but not for ever.
found=$(on 3 submit digits.yaml --to 10.0.0.1:4053 --run-dir "$work/run" --json | grep -o '"parametersSha256": *"[0-9a-f]*"' | cut -d '"' -f 4)
echo "one process:  $expected"
echo "three hosts:  $found"
for node in "${nodes[@]}"; do kill -TERM "$node"; done
for node in "${nodes[@]}"; do wait "$node" || { echo "three-hosts: a node ended with exit code $?"; cat ./*.log; exit 1; }; done
nodes=()
[ "$found" = "$expected" ]
