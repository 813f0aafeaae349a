#!/usr/bin/env bash
# A cluster of containers trains while containers are killed, stopped, paused, cut off, added and taken away.
# usage: docker-faults.sh [--no-build] [--tls] [CASE…]
# With --tls the cluster is closed to strangers (docs/security.md), by certificates that are made for this run, and there is
# a case with strangers. Exit code 0: each run came to the bits of one undisturbed process, and every container was ready
# again after it. Needs a Docker engine on this machine, Compose 1.29 or 2, and root or the group docker.
set -uo pipefail
cd "$(dirname "$0")/.."

docker info > /dev/null 2>&1 || { echo "docker-faults: no Docker engine answers here; nothing was tested. Start one, and see that you may use it (docker info)." >&2; exit 2; }
if docker compose version > /dev/null 2>&1; then compose=(docker compose); elif command -v docker-compose > /dev/null; then compose=(docker-compose); else
  echo "docker-faults: neither 'docker compose' nor docker-compose is installed." >&2
  exit 2
fi

build=yes tls=no
while [[ "${1:-}" == --* ]]; do
  case $1 in
    --no-build) build=no ;;
    --tls) tls=yes ;;
    *) echo "docker-faults: there is no option '$1'. Write docker-faults.sh [--no-build] [--tls] [CASE…]." >&2; exit 2 ;;
  esac
  shift
done
all=(default quiet scale-up scale-down
  kill-worker kill-server kill-coordinator crash-worker crash-server crash-coordinator stop-worker stop-server stop-coordinator
  disconnect-worker disconnect-server disconnect-coordinator pause-worker pause-server pause-coordinator
  restart-all kill-all down-and-up)
[ "$tls" = yes ] && { all+=(strangers); compose+=(-f docker-compose.yml -f deploy/compose/tls.yml); }
cases=("${@:-${all[@]}}")
for one in "${cases[@]}"; do
  [[ " ${all[*]} " == *" $one "* ]] || { echo "docker-faults: there is no case '$one'. Write any of ${all[*]}." >&2; exit 2; }
done

# A folder of this run for its experiment, and names that nobody else has.
work=$(mktemp -d)
logs=$(mktemp -d -t docker-faults-logs-XXXXXX)
chmod 755 "$work"
export COMPOSE_PROJECT_NAME="dtrainfaults$$" DTRAIN_DATA="$work" DTRAIN_DASHBOARD="${DTRAIN_DASHBOARD:-127.0.0.1:0}"
network="${COMPOSE_PROJECT_NAME}_cluster"
remove() { "${compose[@]}" down -v --remove-orphans -t 10 > /dev/null 2>&1; rm -rf "$work"; }
trap remove EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# Long enough that whatever is cut off comes back in mid-run.
cat > "$work/long.yaml" <<'YAML'
name: long
seed: 42
data: { source: digits, split: { validation: 0.1, test: 0.2, stratify: true }, preprocess: [ scale: 0.0625 ] }
model: { layers: [ linear: 256, batch-norm, relu, dropout: 0.3, linear: 128, batch-norm, relu, dropout: 0.3, linear: 10 ] }
loss: cross-entropy
optimizer: { kind: adam, learning-rate: 0.002 }
training: { epochs: 250, batch-size: 64, shards: 4 }
cluster: { workers: 2, servers: 1, partitions: 2 }
checkpoint: { every-steps: 200 }
YAML
chmod 644 "$work/long.yaml"

if [ "$tls" = yes ]; then
  export DTRAIN_CERTIFICATES="$work/tls"
  scripts/make-certificates.sh --any-name "$work/tls" && AUTHORITY="$work/others" scripts/make-certificates.sh --any-name "$work/stranger" || exit 2
fi

say() { echo "$(date +%H:%M:%S) $*"; }
up() { "${compose[@]}" up -d --no-build --scale worker="${workers:=4}" > "$work/up.log" 2>&1 || { cat "$work/up.log"; return 1; }; }
# Of the engine: asking Compose takes a second.
of() { docker ps -aq --filter "label=com.docker.compose.project=$COMPOSE_PROJECT_NAME" --filter "label=com.docker.compose.service=$1" --filter label=com.docker.compose.oneoff=False; }
one() { of "$1" | sort | head -n 1; }
now() { date +%s%N; }

# The image's user has to be able to read a key, and only root of a container can give it away where we are not root.
give() { chmod 755 "$1" && docker run --rm --user 0 --entrypoint chown -v "$1:/given" dtrain 1654 /given/node.key; }

# What stands in the volume, read where nothing is done to anybody.
in_runs() { docker exec "$(one dashboard)" sh -c "cd /data/runs && $1" 2> /dev/null; }
step() { in_runs "tail -n 2 $1/metrics.jsonl" | grep -o '"step":[0-9]*' | tail -n 1 | cut -d : -f 2 | grep . || echo 0; }
ended() { in_runs "test -f $1/result.json -o -f $1/ended.txt"; }
hash_of() { grep -o '"parametersSha256": *"[0-9a-f]*"' | head -n 1 | cut -d '"' -f 4; }
ready() { docker exec "$1" dtrain health > /dev/null 2>&1; }

# until_true SECONDS WHAT COMMAND…: the event that a case waits for; it fails when it does not come.
until_true() {
  local limit=$((SECONDS + $1)) what=$2
  shift 2
  until "$@"; do
    [ "$SECONDS" -lt "$limit" ] || { problem="$what did not come"; return 1; }
    sleep 0.3
  done
}
past() { [ "$(step "$1")" -ge "$2" ]; }
more() { local from; from=$(step "$1"); until_true 120 "a step after $from" past "$1" "$((from + ${2:-300}))"; }
not() { ! "$@"; }
all_ready() {
  local container
  for container in $(of coordinator) $(of server) $(of worker); do
    ready "$container" || return 1
  done
}
lost() { in_runs "tail -n 20 $1/log.txt" | grep -q "$2"; }

# stopped CONTAINER: ends it as Docker does, and sees that it went in good order.
stopped() {
  local begin code
  begin=$(now)
  docker stop -t 10 "$1" > /dev/null
  code=$(docker inspect -f '{{.State.ExitCode}}' "$1")
  note="exit code $code after $((($(now) - begin) / 1000000)) ms"
  [ "$code" = 0 ] || { problem="docker stop: exit code $code"; return 1; }
}

# outside COMMAND…: what dtrain says in a container in the cluster's network that is none of Compose's; its exit code.
outside() { timeout -k 5 60 docker run --rm --network "$network" -e DTRAIN_JOIN=coordinator:4053,server:4053 -v "$work:/data/input:ro" "$@" 2>&1; }

# Without a certificate, and with one of another authority: nobody is let in, and each is told why.
turned_away() {
  local said worker
  said=$(outside dtrain submit /data/input/long.yaml --plain) && { problem="a submission without a certificate was accepted"; return 1; }
  [[ $said == *"is encrypted: --tls"* ]] || { problem="a submission without a certificate was told: $said"; return 1; }
  said=$(outside -e DTRAIN_TLS=/data/input/stranger dtrain submit /data/input/long.yaml --plain) && { problem="a submission of another authority was accepted"; return 1; }
  [[ $said == *"is not from this cluster's authority"* ]] || { problem="a submission of another authority was told: $said"; return 1; }
  worker=$(docker run -d --rm --network "$network" -e DTRAIN_ROLES=worker -e DTRAIN_JOIN=coordinator:4053,server:4053 -e DTRAIN_HEALTH_PORT=8080 dtrain node) || return 1
  until_true 60 "that a worker without a certificate says why it is not let in" told "$worker" "is encrypted: --tls"
  ready "$worker" && problem="a worker without a certificate is ready"
  note="told in $(docker logs "$worker" 2>&1 | grep -c "is encrypted: --tls") line(s)"
  docker kill "$worker" > /dev/null
  [ -z "$problem" ]
}
told() { docker logs "$1" 2>&1 | grep -q -e "$2"; }

# What is done to the cluster while RUN goes on.
disturb() {
  local run=$1 case=$2 role=${2#*-} container=""
  case $role in worker | server | coordinator) container=$(one "$role") ;; esac
  case $case in
    default | quiet) ;;
    strangers) turned_away ;;
    scale-up) workers=4 up && until_true 60 "readiness of four workers" all_ready ;;
    scale-down) workers=1 up && more "$run" ;;
    kill-worker) docker kill "$container" > /dev/null && more "$run" && docker start "$container" > /dev/null ;;
    kill-server | kill-coordinator) docker kill "$container" > /dev/null && docker start "$container" > /dev/null ;;
    # As a crash: the policy of Compose's file starts it again.
    crash-*) kill -KILL "$(docker inspect -f '{{.State.Pid}}' "$container")" ;;
    stop-worker) stopped "$container" && more "$run" && docker start "$container" > /dev/null ;;
    stop-*) stopped "$container" && docker start "$container" > /dev/null ;;
    disconnect-worker)
      docker network disconnect "$network" "$container" && more "$run" && docker network connect "$network" "$container" ;;
    disconnect-*)
      docker network disconnect "$network" "$container" && until_true 90 "that it is out of the cluster" not ready "$container" \
        && docker network connect --alias "$role" "$network" "$container" ;;
    pause-worker) docker pause "$container" > /dev/null && more "$run" && docker unpause "$container" > /dev/null ;;
    # How long it is away is the fault itself.
    pause-*) docker pause "$container" > /dev/null && sleep 5 && docker unpause "$container" > /dev/null ;;
    restart-all) "${compose[@]}" restart -t 10 coordinator server worker > /dev/null 2>&1 ;;
    kill-all) "${compose[@]}" kill coordinator server worker > /dev/null 2>&1 && up ;;
    down-and-up) "${compose[@]}" down -t 10 > /dev/null 2>&1 && up ;;
  esac
}

# A case of its own: the cluster trains an experiment by itself, and its dashboard answers.
default_case() {
  local port
  export DTRAIN_EXPERIMENT=digits
  up || { problem="up failed"; return 1; }
  until_true 60 "a run" in_runs "ls -d digits-*/experiment.yaml" > /dev/null || return 1
  run=$(in_runs "ls" | head -n 1)
  until_true 180 "the end of the run" ended "$run" || return 1
  port=$("${compose[@]}" port dashboard 7070 | sed 's/.*://')
  exec 3<> "/dev/tcp/127.0.0.1/$port" && printf 'GET / HTTP/1.0\r\nHost: localhost\r\n\r\n' >&3 && head -n 1 <&3 | grep -q ' 200 ' || problem="the dashboard does not answer at port $port"
  exec 3>&-
}

submitted() {
  run=$1
  "${compose[@]}" run --rm -T --no-deps submit /data/input/long.yaml --run-dir "/data/runs/$run" --detach > "$work/submit.log" 2>&1 || { problem="submit: $(tail -n 1 "$work/submit.log")"; return 1; }
  until_true 60 "the first steps" past "$run" 600 || return 1
  disturb "$run" "$run" || { problem=${problem:-"$run could not be done"}; return 1; }
  until_true 240 "the end of the run" ended "$run"
}

if [ "$build" = yes ]; then
  say "building the image"
  "${compose[@]}" build coordinator || exit 2
fi

if [ "$tls" = yes ]; then give "$work/tls" && give "$work/stranger" || exit 2; fi

say "one undisturbed process"
alone() { docker run --rm -v "$work:/data/input:ro" dtrain train $1 --in-process --json --run-dir /tmp/run 2> "$work/alone.log" | hash_of; }
expected_digits=$(alone "") && expected_long=$(alone /data/input/long.yaml) && [ -n "$expected_digits$expected_long" ] || { cat "$work/alone.log"; exit 2; }
say "digits $expected_digits"
say "long   $expected_long"

failed=0
printf '%s|%s|%s|%s|%s\n' case "hash equal" "run (s)" "all ready again (s)" note > "$work/table"
export DTRAIN_EXPERIMENT=""
[ "${cases[0]}" = default ] || { workers=4 up || exit 2; }
for case in "${cases[@]}"; do
  say "$case"
  problem="" note="" run=""
  [ "$case" = scale-up ] && { workers=2 up; }
  [ "$case" = default ] || until_true 90 "readiness of all" all_ready
  begin=$(now)
  if [ "$case" = default ]; then expected=$expected_digits && default_case; else expected=$expected_long && submitted "$case"; fi
  seconds=$((($(now) - begin) / 1000000000))
  found=$(in_runs "cat $run/result.json" | hash_of)
  equal=no
  [ "$found" = "$expected" ] && equal=yes
  begin=$(now)
  workers=4
  export DTRAIN_EXPERIMENT=""
  [ "$case" = default ] && "${compose[@]}" stop -t 10 > /dev/null 2>&1
  up
  until_true 120 "readiness of all, afterwards" all_ready
  again=$((($(now) - begin) / 1000000000))
  [ "$equal" = yes ] && [ -z "$problem" ] || { failed=1; note="FAILED ${problem:-$found is not $expected} $note"; "${compose[@]}" logs --no-color > "$logs/$case.txt" 2>&1; in_runs "cat $run/log.txt" > "$logs/$case.run.txt"; }
  printf '%s|%s|%s|%s|%s\n' "$case" "$equal" "$seconds" "$again" "$note" | tee -a "$work/table"
done

if command -v column > /dev/null; then column -t -s '|' "$work/table"; else cat "$work/table"; fi
if [ "$failed" = 0 ]; then rmdir "$logs"; else echo "Logs of what failed: $logs"; fi
exit "$failed"
