#!/usr/bin/env bash
# debian13.sh FOLDER PACKAGE...: a root of Debian 13 at FOLDER/root with the packages, from FOLDER/base.tar, which is made unless it is there.
# Needs root. ./dev builds and runs there what has to be tried with the libraries that ship.
set -eu
cd "$(dirname "$0")/.."
folder=$1 root=$1/root
shift
mkdir -p "$folder"
[ "$folder/base.tar" -nt docker/base.sh ] || docker/base.sh "$folder/base.tar"
rm -rf --one-file-system "$root"
mkdir -p "$root"
tar -C "$root" -xf "$folder/base.tar"
cp /etc/resolv.conf "$root/etc/resolv.conf"
echo "debian13: installing $*"
export DEBIAN_FRONTEND=noninteractive
chroot "$root" apt-get update
# Nobody needs a crash to leave it without a damaged database: whoever is interrupted makes it anew.
chroot "$root" apt-get -o Dpkg::Options::=--force-unsafe-io install -y --no-install-recommends "$@"
chroot "$root" apt-get clean
