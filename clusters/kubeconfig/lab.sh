#!/usr/bin/env bash
# Runs a command in the network of a client outside a real three-node Kubernetes, on machines that have none (root is needed):
#   clusters/kubeconfig/lab.sh npx vitest run clusters/kubeconfig
# The nodes come from ../shared/kubernetes (its README says how) or from $ONEDROP_LAB, and are gone afterwards. They get
# the gateway's image from $ONEDROP_GATEWAY_ARCHIVE (docker save), or else from that lab's Docker engine, which builds it.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
lab_scripts=${ONEDROP_LAB:-$root/../shared/kubernetes}
node_bin=$root/node_modules/.bin
export PATH=$node_bin:$PATH
if [ ! -x "$lab_scripts/up.sh" ]; then echo "no lab: $lab_scripts/up.sh is not there" >&2; exit 64; fi
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
archive=${ONEDROP_GATEWAY_ARCHIVE:-$scratch/gateway.tar}
if [ ! -e "$archive" ]; then
  # Gone again before the nodes come up: kubelets take its cgroup mounts for their own.
  "$lab_scripts/docker-up.sh" >&2
  trap '"$lab_scripts/docker-down.sh" >&2; rm -rf "$scratch"' EXIT
  "$lab_scripts/kind-image.sh" "$(node --print process.execPath)" >&2
  (
    # shellcheck source=/dev/null
    . "$lab_scripts/docker-env.sh"
    export PATH=$node_bin:$PATH
    docker save --output "$archive" "$(node "$root/clusters/kubernetes/image.main.ts")"
  )
  "$lab_scripts/docker-down.sh" >&2
fi
trap '"$lab_scripts/down.sh" >&2; rm -rf "$scratch"' EXIT
"$lab_scripts/up.sh" >&2
"$lab_scripts/load-image.sh" "$archive" >&2
set +u
# shellcheck source=/dev/null
. "$lab_scripts/lib.sh"
export PATH=$node_bin:$PATH ONEDROP_KUBECONFIG=$ETC/admin.kubeconfig
clns "$@"
