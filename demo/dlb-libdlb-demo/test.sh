#!/bin/sh
# Sends traffic through the load balancer that this container was given: test.sh [dir|ldb]...
#   dir  directed traffic    ldb  load-balanced traffic; both if none is named
set -eu
# In one stream, lines of a log stay in order.
exec 2>&1
given 'dlb.intel.com/pf or vf' '/dev/dlb[0-9]*'

for node in /dev/dlb[0-9]*; do
    number=${node#/dev/dlb}
    break
done
[ $# -gt 0 ] || set -- dir ldb
for kind in "$@"; do
    case $kind in
    dir | ldb) ;;
    *)
        echo "usage: $0 [dir|ldb]..."
        exit 2
        ;;
    esac
    set -- "${kind}_traffic" -n 8 -d "$number" -w epoll
    echo "running $*"
    code=0
    "$@" || code=$?
    if [ "$code" -ne 0 ]; then
        echo "error: ${kind}_traffic ended with $code"
        exit 1
    fi
done
echo "all traffic came back"
