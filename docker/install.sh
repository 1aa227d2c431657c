#!/usr/bin/env bash
# install.sh PACKAGES [CROSS]: installs the packages of the list PACKAGES (docker/packages), in the Dockerfile's build stage. With CROSS, an
# architecture of Debian's, libraries are that one's, and what compiles for it and runs its programs comes too.
set -euo pipefail
list=$(sed 's/#.*//; s/:.*//' "$1") cross=${2-}
case $cross in
"") set -- $list ;;
arm64) set -- $(sed "/-dev$/s/$/:$cross/" <<<"$list") gcc-aarch64-linux-gnu qemu-user ;;
*) echo "install: nobody has tried to build for $cross" >&2; exit 64 ;;
esac
[ -z "$cross" ] || dpkg --add-architecture "$cross"
apt-get update
# Files that packages of two architectures share may differ in a date.
apt-get ${cross:+-o Dpkg::Options::=--force-overwrite} install -y --no-install-recommends ca-certificates "$@"
rm -rf /var/lib/apt/lists/*
