#!/usr/bin/env bash
# A cluster trains while its processes are killed, stopped and sent away. usage: soak.sh [--tls] [SECONDS] [SEED]
# With --tls the cluster is closed to strangers (docs/security.md), and its processes meet as if they were on hosts of their own.
# Exit code 0: it came to the bits of an undisturbed process, and nothing was lost, left behind or leaked. Ctrl+C ends it.
set -euo pipefail
cd "$(dirname "$0")/.."
dotnet build -c Release --nologo -v quiet tests/DistributedTrainer.Soak
exec dotnet tests/DistributedTrainer.Soak/bin/Release/net10.0/soak.dll "$@"
