#!/bin/sh
# Runs the sample for the function that this container was given, and the one for another, which has to fail: test_fpga.sh nlb0|nlb3
set -eu
# In one stream, lines of a log stay in order.
exec 2>&1
case ${1:-nlb3} in
nlb0) mine=nlb0 other=nlb3 ;;
nlb3) mine=nlb3 other=nlb0 ;;
*)
    echo "usage: $0 nlb0|nlb3"
    exit 2
    ;;
esac
ports='/dev/dfl-port.[0-9]*'
for node in /dev/intel-fpga-port.[0-9]*; do
    [ ! -c "$node" ] || ports='/dev/intel-fpga-port.[0-9]*'
done
given "a resource of fpga.intel.com for $mine" "$ports"

echo "running $mine"
if ! "$mine"; then
    echo "error: $mine failed: is another function programmed?"
    exit 1
fi
echo "running $other"
if "$other"; then
    echo "error: $other did not fail, though the function is $mine"
    exit 1
fi
echo "$mine succeeded, and $other failed as it should"
