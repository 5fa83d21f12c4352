#!/bin/sh
# Runs the tests of Intel's driver on the NPU that this container was given.
set -eu
# In one stream, lines of a log stay in order.
exec 2>&1
given npu.intel.com/accel '/dev/accel/accel[0-9]*'

run() { # PROGRAM ARGUMENT...
    echo "running $*"
    code=0
    "$@" || code=$?
    if [ "$code" -ne 0 ]; then
        echo "error: $1 ended with $code"
        exit 1
    fi
}

# Which group the node has is the node's matter.
run npu-kmd-test '*:-Device.GroupOwnership'
# Those that need no compiler for models. All there are: npu-umd-test -l
for topic in Device Driver Event EventSync MemoryAllocation MemoryExecution MemoryAllocationThreaded CommandCopyPerf \
    MultiMemoryExecution MultiContext CommandMemoryFill; do
    run npu-umd-test -v "$topic.*"
done
echo "all tests passed"
