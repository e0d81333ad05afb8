#!/usr/bin/env bash
# Runs a command beside a Docker engine in which kind works offline, on machines that have none (root is needed):
#   clusters/kind/lab.sh npx vitest run clusters/kind --no-file-parallelism
# KUBE_LAB_VERSION=1.36 takes that Kubernetes instead of 1.20.
# The engine comes from ../shared/kubernetes (its README says how) or from $ONEDROP_LAB, and is gone afterwards; one that
# somebody else's lab runs is used and left running.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
lab_scripts=${ONEDROP_LAB:-$root/../shared/kubernetes}
export PATH=$root/node_modules/.bin:$PATH
if [ ! -x "$lab_scripts/docker-up.sh" ]; then echo "no lab: $lab_scripts/docker-up.sh is not there" >&2; exit 64; fi
# Of its own, and so are the leases in it: a lab's runs know nothing of the runs that died on this machine outside it.
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
in_docker() (
  set +eu # what the file looks for may be missing
  # shellcheck source=/dev/null
  . "$lab_scripts/docker-env.sh"
  "$@"
)
if ! in_docker docker info >/dev/null 2>&1; then
  # A lab that was killed leaves its engine's marks, which would count as running.
  "$lab_scripts/docker-up.sh" >&2 || { "$lab_scripts/docker-down.sh" >&2; "$lab_scripts/docker-up.sh" >&2; }
  trap '"$lab_scripts/docker-down.sh" >&2; rm -rf "$scratch"' EXIT
  # Whatever an engine that nobody ran still holds is a killed lab's, and would take its share of the machine's inotify.
  in_docker docker ps --all --quiet | in_docker xargs --no-run-if-empty docker rm --force --volumes >&2
fi
"$lab_scripts/kind-image.sh" "$(node --print process.execPath)" >&2
node_bin=$root/node_modules/.bin
set +eu
# shellcheck source=/dev/null
. "$lab_scripts/docker-env.sh"
export PATH=$node_bin:$PATH ONEDROP_KIND_IMAGE=kindest/node:$KVER TMPDIR=$scratch
lab "$@"
