#!/usr/bin/env bash
# A cluster on this machine, node by node, as it would be on several. usage: local-cluster.sh [WORKERS]
# It prints the address to submit experiments to and runs until Ctrl+C.
set -euo pipefail
cd "$(dirname "$0")/.."
workers=${1:-2}
port=${PORT:-4053}
dotnet build -c Release --nologo -v quiet src/DistributedTrainer.Cli
dtrain=(dotnet src/DistributedTrainer.Cli/bin/Release/net10.0/dtrain.dll)

# The nodes get Ctrl+C from the terminal, like this script, and leave in good order.
trap 'wait' INT TERM
"${dtrain[@]}" node --roles coordinator --port "$port" &
"${dtrain[@]}" node --roles server --join "127.0.0.1:$port" &
for _ in $(seq "$workers"); do
  "${dtrain[@]}" node --roles worker --join "127.0.0.1:$port" &
done

echo "Hand it an experiment: ${dtrain[*]} submit EXPERIMENT --to 127.0.0.1:$port"
wait
