#!/usr/bin/env bash
# A cluster trains on hosts of its own (network namespaces) while their links are cut. usage: network-faults.sh [--tls] [SEED] [CASE…]
# With --tls the cluster is closed to strangers, by a certificate for the address of each host (docs/security.md).
# Exit code 0: each run came to the bits of an undisturbed process, and every node was there again. Linux, as root.
set -euo pipefail
cd "$(dirname "$0")/.."

if [ "$(id -u)" != 0 ]; then
  echo "network-faults: making hosts as network namespaces needs root. Run it with sudo, or in a container with --privileged." >&2
  exit 2
fi

if ! command -v ip > /dev/null || ! command -v tc > /dev/null; then
  command -v apt-get > /dev/null || { echo "network-faults: ip and tc not found. Install iproute2 first." >&2; exit 2; }
  { apt-get update && apt-get install -y --no-install-recommends iproute2; } > /dev/null
fi

# All namespaces of this run, and nobody else's.
prefix="dtnf$$"
remove() {
  for space in $(ip netns list | awk -v prefix="$prefix-" 'index($1, prefix) == 1 { print $1 }'); do
    ip netns pids "$space" | xargs -r kill -KILL 2> /dev/null || true
    ip netns delete "$space"
  done
}
trap remove EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

if ! { ip netns add "$prefix-try" && ip -n "$prefix-try" link add one type bridge && ip -n "$prefix-try" link add two type veth peer name three \
  && tc -n "$prefix-try" qdisc add dev two root tbf rate 50mbit burst 64kb latency 200ms; }; then
  echo "network-faults: this system lets no network namespace, bridge, veth pair or tbf be made; nothing was tested." >&2
  exit 2
fi

remove
dotnet build -c Release --nologo -v quiet tests/DistributedTrainer.Soak
dotnet tests/DistributedTrainer.Soak/bin/Release/net10.0/soak.dll network "$prefix" "$@"
