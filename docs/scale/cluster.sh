#!/bin/sh
# A Dask cluster on this machine: a scheduler and N workers, each a process of its own. Ctrl-C ends all of them.
#
#     sh cluster.sh [N] [PORT]
#     lrp-ref explain-set IN OUT.zarr --model MODEL --scheduler tcp://127.0.0.1:PORT
#
# Whoever can reach the port can run programs as you: it is of this machine only, where you trust the other users.
set -eu
workers=${1:-2}
port=${2:-8786}
dask=${DASK:-dask}
address=tcp://127.0.0.1:$port

# A worker keeps no results, so that one that waits for memory would wait for ever; at 95 % of its part it is started anew.
export DASK_DISTRIBUTED__WORKER__MEMORY__TARGET=False
export DASK_DISTRIBUTED__WORKER__MEMORY__SPILL=False
export DASK_DISTRIBUTED__WORKER__MEMORY__PAUSE=False

pids=
any_is_there() {
    jobs > /dev/null # asks for those that have ended
    for pid in $pids; do
        kill -0 "$pid" 2>/dev/null && return 0
    done
    return 1
}
end() {
    trap '' INT TERM
    kill $pids 2>/dev/null || true
    # One that has just been started, and looks for a scheduler that has ended, does not hear of it.
    seconds=5
    while any_is_there && [ $seconds -gt 0 ]; do
        sleep 1
        seconds=$((seconds - 1))
    done
    kill -9 $pids 2>/dev/null || true
    wait
}
trap end EXIT
trap 'exit 0' INT TERM

$dask scheduler --host 127.0.0.1 --port "$port" --no-dashboard &
pids=$!
while [ "$workers" -gt 0 ]; do
    $dask worker "$address" --nthreads 1 --no-dashboard &
    pids="$pids $!"
    workers=$((workers - 1))
done
wait
