#!/usr/bin/env bash
# Shows that nodes stay in touch while steps with very many parameters take all cores: heartbeats less than 1 s late, no
# worker silent for 1.5 s. The fast tests do the same with a million parameters for some seconds.
#
# usage: liveness.sh [PARAMETERS]     default: 100000000, which takes about 8 GB of memory and two minutes
# exit code: 0 in time, 1 too late (shown), 2 wrong usage
set -euo pipefail
parameters=${1:-100000000}
[[ $parameters =~ ^[1-9][0-9]{4,8}$ ]] || { echo "liveness: '$parameters' is no number of parameters from 10000 to 999999999" >&2; exit 2; }
cd "$(dirname "$0")/.."
dotnet build -c Release --nologo -v quiet tests/DistributedTrainer.EndToEnd.Tests >&2
LIVENESS_PARAMETERS=$parameters dotnet test tests/DistributedTrainer.EndToEnd.Tests -c Release --no-build --nologo \
  --filter FullyQualifiedName~LivenessTests --logger "console;verbosity=detailed" | grep -E "parameters,|after the last step|late|silent|told nothing|Passed|Failed"
