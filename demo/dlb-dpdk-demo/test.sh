#!/bin/sh
# Runs DPDK's tests of event devices on the load balancer that this container was given.
set -eu
# In one stream, lines of a log stay in order.
exec 2>&1
given 'dlb.intel.com/pf or vf' '/dev/dlb[0-9]*'

for node in /dev/dlb[0-9]*; do
    number=${node#/dev/dlb}
    break
done
# Eight threads on the processors that there are: they are slow where these are fewer, and tell the same.
processors=$(sed -n 's/^Cpus_allowed_list:[[:space:]]*//p' /proc/self/status)
run() { # TEST ARGUMENT...
    set -- dpdk-test-eventdev --no-huge --no-telemetry --lcores "(0-7)@($processors)" --vdev "dlb2_event,hwdev_id=$number" -- \
        --test "$@" --nb_flows 64 --plcores 1 --wlcores 2-7
    echo "running $*"
    code=0
    "$@" || code=$?
    if [ "$code" -ne 0 ]; then
        echo "error: dpdk-test-eventdev ended with $code"
        exit 1
    fi
}

run order_queue --nb_pkts 512
run perf_queue --nb_pkts 1024 --stlist o,a,a,o
run order_atq --nb_pkts 1024
run perf_atq --nb_pkts 1024 --stlist o,a,a,o
echo "all tests passed"
