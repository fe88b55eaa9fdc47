#!/bin/sh
# A Dask cluster on this machine: a scheduler and N workers, each a process of its own. Ctrl-C ends all of them.
#
#     sh cluster.sh [N] [PORT]
#     lrp-ref explain-set IN OUT.zarr --model MODEL --scheduler tcp://127.0.0.1:PORT
#
# Whoever can reach the port can run programs as you: it is of this machine only, where you trust the other users.
set -eu
count=${1:-2}
port=${2:-8786}
dask=${DASK:-dask}
scheduler=
address=tcp://127.0.0.1:$port

# A worker keeps no results, so that one that waits for memory would wait for ever; at 95 % of its part it is started anew.
export DASK_DISTRIBUTED__WORKER__MEMORY__TARGET=False
export DASK_DISTRIBUTED__WORKER__MEMORY__SPILL=False
export DASK_DISTRIBUTED__WORKER__MEMORY__PAUSE=False

pids=
any_is_there() {
    for pid in $pids; do
        # One that has ended stays listed, as a zombie, until this shell waits for it.
        case $(ps -o stat= -p "$pid" 2>/dev/null) in '' | Z*) ;; *) return 0 ;; esac
    done
    return 1
}
end() {
    trap '' INT TERM
    kill $pids 2>/dev/null || true
    # One that has just been started, and still looks for its scheduler, does not hear of it.
    tenths=50
    while [ $tenths -gt 0 ] && any_is_there; do
        sleep 0.1
        tenths=$((tenths - 1))
    done
    kill -9 $pids $scheduler 2>/dev/null || true
    wait
}
trap end EXIT
trap 'exit 0' INT TERM

$dask scheduler --host 127.0.0.1 --port "$port" --no-dashboard &
scheduler=$!
while [ "$count" -gt 0 ]; do
    $dask worker "$address" --nthreads 1 --no-dashboard &
    pids="$pids $!"
    count=$((count - 1))
done
wait
