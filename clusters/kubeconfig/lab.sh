#!/usr/bin/env bash
# Runs a command in the network of a client outside a real three-node Kubernetes, on machines that have none (root is needed):
#   clusters/kubeconfig/lab.sh npx vitest run clusters/kubeconfig
# The nodes come from ../shared/kubernetes (its README says how) or from $ONEDROP_LAB, and are gone afterwards. They get
# the gateway's image from $ONEDROP_GATEWAY_ARCHIVE (docker save), or else from that lab's Docker engine, which builds it
# and, with it, the harness's own ($ONEDROP_HARNESS_IMAGE then names it).
set -euo pipefail
# Mounts of its own: kubelets take the cgroups of a Docker engine that is up at the same time for their own.
if [ "${1:-}" != --inside ]; then exec unshare --mount --propagation private "$0" --inside "$@"; fi
shift
root=$(cd "$(dirname "$0")/../.." && pwd)
lab_scripts=${ONEDROP_LAB:-$root/../shared/kubernetes}
node_bin=$root/node_modules/.bin
export PATH=$node_bin:$PATH
if [ ! -x "$lab_scripts/up.sh" ]; then echo "no lab: $lab_scripts/up.sh is not there" >&2; exit 64; fi
# Of its own, and so are the leases in it: a lab's runs know nothing of the runs that died on this machine outside it.
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
archive=${ONEDROP_GATEWAY_ARCHIVE:-$scratch/gateway.tar}

# in_docker COMMAND...: with the lab's docker on the PATH, and the project's node before the machine's.
in_docker() (
  set +eu
  # shellcheck source=/dev/null
  . "$lab_scripts/docker-env.sh"
  export PATH=$node_bin:$PATH
  "$@"
)

if [ ! -e "$archive" ]; then
  if ! in_docker docker version >/dev/null 2>&1; then
    "$lab_scripts/docker-up.sh" >&2
    trap '"$lab_scripts/docker-down.sh" >&2; rm -rf "$scratch"' EXIT
  fi
  in_docker docker image inspect node:24-bookworm-slim >/dev/null 2>&1 ||
    "$lab_scripts/kind-image.sh" "$(node --print process.execPath)" >&2
  image=$(in_docker node "$root/clusters/kubernetes/gateway/image.main.ts")
  # Its dependencies come from the registry; without them what needs this image is skipped.
  harness=$(in_docker node "$root/harness/package/image.main.ts") || harness=
  in_docker docker save --output "$archive" "$image" ${harness:+"$harness"}
  if [ -n "$harness" ]; then export ONEDROP_HARNESS_IMAGE=$harness; fi
fi
awk '/\/docker\/cg/ { print $5 }' /proc/self/mountinfo | sort -r | while read -r mount; do umount -l "$mount"; done
end=$(trap -p EXIT | sed "s/^trap -- '//; s/' EXIT\$//")
trap '"$lab_scripts/down.sh" >&2; eval "$end"' EXIT
"$lab_scripts/up.sh" >&2
"$lab_scripts/load-image.sh" "$archive" >&2
set +eu
# shellcheck source=/dev/null
. "$lab_scripts/lib.sh"
export PATH=$node_bin:$PATH:$BIN ONEDROP_KUBECONFIG=$ETC/admin.kubeconfig TMPDIR=$scratch
clns "$@"
