#!/bin/sh
# Builds the image of a demo: build-image.sh IMAGE [BUILDER [ARGUMENT...]]
#   IMAGE     a folder beside this file, with or without something before it: `intel/crypto-perf`. Its tag is $TAG, or `devel`.
#   BUILDER   docker (the default), podman or buildah
#   ARGUMENT  for the builder: `--build-arg NAME=VALUE` for each download that a Dockerfile says at its head
set -eu
usage="usage: $0 IMAGE [docker|podman|buildah [ARGUMENT...]]"
image=${1:?$usage}
builder=${2:-docker}
[ $# -lt 2 ] || shift
shift
demos=$(dirname "$0")
name=$(basename "$image")

if [ ! -f "$demos/$name/Dockerfile" ]; then
    echo "error: there is no $demos/$name/Dockerfile: of which demo is $image the image?" >&2
    exit 1
fi
case $builder in
docker | podman) set -- "$builder" build --pull "$@" ;;
buildah) set -- buildah bud --pull-always "$@" ;;
*)
    echo "error: $builder is none of docker, podman, buildah" >&2
    exit 1
    ;;
esac
# The folder of all demos, for what they share.
exec "$@" -t "$image:${TAG:-devel}" -f "$demos/$name/Dockerfile" "$demos"
