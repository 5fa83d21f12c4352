#!/usr/bin/env bash
# Pushes the release in the folder that is the argument: images with skopeo, charts with Helm, both logged in at the registry before. Writes what the
# registry calls the charts to charts.txt. SKOPEO and HELM may name the programs; with PLAIN_HTTP=1 a registry on this machine will do.
set -euo pipefail
cd "${1:?the folder of a release}"

plain=${PLAIN_HTTP:-}
while IFS=@ read -r name digest; do
    file=${name##*/}
    file=images/${file%:*}.tar
    echo "$file to $name, $digest"
    "${SKOPEO:-skopeo}" copy --all --preserve-digests ${plain:+--dest-tls-verify=false} "oci-archive:$file:$name" "docker://$name"
    charts=${name%/*}/charts
done <images.txt

: >charts.txt
for file in files/*.tgz; do
    said=$("${HELM:-helm}" push ${plain:+--plain-http} "$file" "oci://$charts" 2>&1) || { echo "$said" >&2; exit 1; }
    # Pushed: REGISTRY/charts/NAME:VERSION
    # Digest: sha256:…
    echo "$said"
    sed -n 's/^Pushed: //p' <<<"$said" | tr -d '\n' >>charts.txt
    sed -n 's/^Digest: /@/p' <<<"$said" >>charts.txt
done
