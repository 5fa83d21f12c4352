#!/bin/sh
# Names the device node of a GPU of this container, for programs that cannot find it themselves.
#
# A container sees only its own GPUs' nodes, under the names that they have on the node: its GPU may be renderD131 though
# it has just one, and many media programs take renderD128 if not told otherwise. /sys shows all GPUs of the node, so a
# GPU is this container's if its node is there and can be written.

set -eu

sys=/sys/class/drm
dev=/dev/dri

usage() {
	cat >&2 <<-EOF
	Usage:
	  $0                          show what there is
	  $0 N                        print the node of the Nth GPU that can be used
	  $0 [N] PROGRAM ARGUMENT...  run PROGRAM with the node (of the first GPU) as its last argument
	EOF
	exit 1
}

# Prints the nodes of Intel's GPUs, a line each, that the node has.
intel() {
	i=128
	while [ $i -le 255 ]; do
		vendor=
		read -r vendor 2>/dev/null <"$sys/renderD$i/device/vendor" || :
		[ "$vendor" != 0x8086 ] || echo "$dev/renderD$i"
		i=$((i + 1))
	done
}

# Those of them that this container can use.
usable() {
	for node in $(intel); do
		[ ! -w "$node" ] || echo "$node"
	done
}

if [ $# -eq 0 ]; then
	echo "Intel GPUs of the node: $(intel | wc -l), usable here: $(usable | wc -l)"
	ls -l "$dev/" || :
	echo "user: $(id)"
	exit 0
fi

wanted=1
case $1 in
'' | *[!0-9]*) ;;
*)
	wanted=$1
	shift
	;;
esac
# A program without arguments is a mistake: a node alone, with nothing that says what it is, helps none.
if [ "${#wanted}" -gt 3 ] || [ "$wanted" -lt 1 ] || [ "$wanted" -gt 127 ] || [ $# -eq 1 ]; then
	usage
fi

node=$(usable | sed -n "${wanted}p")
[ -n "$node" ] || {
	echo "$0: there is no usable GPU number $wanted" >&2
	usage
}
if [ $# -eq 0 ]; then
	echo "$node"
	exit 0
fi
echo "Running: $* $node"
exec "$@" "$node"
