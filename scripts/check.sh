#!/usr/bin/env bash
# Before every commit: form, a build in which warnings are errors, and the tests that start no processes.
set -euo pipefail
cd "$(dirname "$0")/.."
dotnet format whitespace DistributedTrainer.sln --verify-no-changes
dotnet build DistributedTrainer.sln -c Release --nologo -v quiet
for project in tests/*.Tests; do
  [ "$project" = tests/DistributedTrainer.EndToEnd.Tests ] || dotnet test "$project" -c Release --no-build --nologo -v quiet --filter "Starts!=processes"
done
