#!/usr/bin/env bash
# Checks the protocol on paper (docs/protocol.md): every configuration of the model in all of its states, and that each rule,
# left out, is missed. usage: check-protocol.sh [NAME]    with a name: that configuration alone
# A failure is told as a story: who did what, in which order. Needs spin and gcc; one core, below 1 GB of memory.
set -euo pipefail
cd "$(dirname "$0")/../docs/protocol"
only=${1:-}

missing=()
for tool in spin gcc; do
  command -v "$tool" > /dev/null || missing+=("$tool")
done
if [ ${#missing[@]} -gt 0 ]; then
  if [ "$(id -u)" = 0 ] && command -v apt-get > /dev/null; then
    { apt-get update && apt-get install -y --no-install-recommends "${missing[@]}" libc6-dev; } > /dev/null
  else
    echo "check-protocol: ${missing[*]} not found. Install it first: sudo apt-get install ${missing[*]}" >&2
    exit 2
  fi
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0
ran=0

# What an assertion of the model says, by what spin prints of it.
property_of() {
  case "$1" in
    *violated\ done*) echo "it hangs before the final version" ;;
    *steps*) echo "a step counted twice, partly or not at all" ;;
    *parts*) echo "two versions in one" ;;
    *bits*) echo "two histories in one version" ;;
    *previous*) echo "the version to go on from is gone" ;;
    *from==0*) echo "reached" ;;
    *non-progress*) echo "it goes round for ever" ;;
    *) echo "$1" ;;
  esac
}

# check NAME KIND FLAGS [PROPERTY]
# KIND: holds      no state breaks a property
#       ends       and no run goes on for ever, so that with none of them hanging every run reaches the final version
#       broken     the check must find just this property broken
check() {
  local name=$1 kind=$2 flags=$3 expected=${4:-}
  [ -z "$only" ] || [ "$only" = "$name" ] || return 0
  ran=$((ran + 1))
  local start how options=() output states error found verdict
  start=$(date +%s%N)
  case "$kind" in
    ends) how=-DNP options=(-l) ;;
    *) how=-DSAFETY ;;
  esac
  rm -rf "$work/run" && mkdir "$work/run" && cp ./*.pml "$work/run"
  # Not optimized: compiling would take longer than the search.
  # shellcheck disable=SC2086
  (cd "$work/run" && spin -a $flags training.pml > spin.txt && gcc -O0 -w "$how" -DNOFAIR -DNOREDUCE -DMEMLIM=1500 -o pan pan.c) || { cat "$work/run/spin.txt"; exit 2; }
  output=$(cd "$work/run" && ./pan "${options[@]}" -w21 -m5000 2>&1) || true
  states=$(sed -n 's/^ *\([0-9]*\) states, stored.*/\1/p' <<< "$output")
  error=$(grep -m 1 '^pan:1:' <<< "$output" || true)
  found=$([ -z "$error" ] || property_of "$error")
  verdict="ok"
  if grep -qE 'max search depth too small|out of memory|memory limit|Search not completed' <<< "$output" && [ -z "$error" ]; then
    verdict="FAILED: the search was not completed"
  elif [ -z "$states" ]; then
    verdict="FAILED: no result"
  elif [ "$found" != "$expected" ]; then
    verdict="FAILED: expected ${expected:-no error}"
  fi
  printf '%-26s %-7s %8s states %6.1f s  %s%s\n' "$name" "$kind" "$states" "$(($(date +%s%N) - start))e-9" "$verdict" "${found:+: $found}"
  if [ "$verdict" != ok ]; then
    failed=1
  fi
  # shellcheck disable=SC2086
  if [ -n "$error" ] && { [ "$verdict" != ok ] || [ -n "$only" ]; }; then
    (cd "$work/run" && spin -t -k training.pml.trail $flags training.pml 2>&1 | sed -e '/^#processes/,$d' -e 's/^ */    /')
  fi
}

hangs=$(property_of "violated done")
counted=$(property_of steps)
mixed=$(property_of parts)
histories=$(property_of bits)
gone=$(property_of previous)
reached=$(property_of "from==0")

# Which kinds of faults a configuration has; all, where it says nothing.
workers="-DSERVERS_DIE=0 -DCOORDINATOR_DIES=0"
server="-DWORKERS_DIE=0 -DCUT_OFFS=0 -DCOORDINATOR_DIES=0"
servers_side="-DWORKERS_DIE=0 -DCUT_OFFS=0"

check any-fault-late          ends   "-DFAULTS=1 -DLATE=1"
check any-fault-losses        holds  "-DFAULTS=1 -DLOSSES=1"
check any-two-faults          holds  "-DFAULTS=2"
check three-workers           holds  "-DFAULTS=1 -DWORKERS=3 -DCUT_OFFS=0 $workers"
check server-checkpoint-late  holds  "-DFAULTS=1 -DCHECKPOINTS=1 -DLATE=1 $server"
check server-three-steps      holds  "-DFAULTS=1 -DCHECKPOINTS=2 -DFINAL=3 $server"
check coordinator-and-server  holds  "-DFAULTS=2 -DCHECKPOINTS=1 $servers_side"
check coordinator-server-late holds  "-DFAULTS=2 -DLATE=1 $servers_side"

check checkpoint-is-used      broken "-DREACH_CHECKPOINT -DFAULTS=1 -DCHECKPOINTS=1 $server" "$reached"
check break-duplicate         broken "-DBREAK_DUPLICATE" "$counted"
check break-stale             broken "-DBREAK_STALE -DFAULTS=1 $workers" "$gone"
check break-fence-one         broken "-DBREAK_FENCE_ONE -DFAULTS=1 $workers" "$hangs"
check break-mixed             broken "-DBREAK_MIXED" "$mixed"
check break-previous          broken "-DBREAK_PREVIOUS -DFAULTS=1 $workers" "$gone"
check break-silence           broken "-DBREAK_SILENCE -DLOSSES=1" "$hangs"
check break-torn              broken "-DBREAK_TORN -DFAULTS=1 -DCHECKPOINTS=1 $server" "$counted"
check break-host-again        broken "-DBREAK_HOST_AGAIN" "$hangs"
check break-old-frame         broken "-DBREAK_OLD_FRAME -DFAULTS=1 -DLATE=1 $server" "$hangs"
check break-apart             broken "-DBREAK_APART -DFAULTS=2 $servers_side" "$gone"
check break-ask               broken "-DBREAK_ASK -DFAULTS=2 -DLATE=1 $servers_side" "$hangs"
check break-forget            broken "-DBREAK_FORGET -DFAULTS=1 $servers_side" "$gone"
check break-keep              broken "-DBREAK_KEEP -DFAULTS=3 -DCUT_OFFS=0" "$gone"
check break-determinism       broken "-DBREAK_DETERMINISM -DFAULTS=1 $workers" "$histories"

if [ "$ran" = 0 ]; then
  echo "check-protocol: there is no configuration '$only'. Without a name all are checked, and listed." >&2
  exit 2
fi

exit "$failed"
