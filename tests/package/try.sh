#!/bin/sh
# try.sh FILE.deb [ROOT]: inside.sh in a copy of a root (this machine's) that lasts as long as the test: what is written goes to memory.
# Exits with 77 where no such copy can be made: it takes root and an overlay file system.
set -u
package=$(realpath "$1") inside=$(dirname "$(realpath "$0")")/inside.sh
layers=$(mktemp -d)
trap 'rmdir "$layers"' EXIT
unshare --mount sh -eu -c '
    mount -t tmpfs tmpfs "$1"
    mkdir "$1/written" "$1/work" "$1/root"
    mount -t overlay overlay -o "lowerdir=$2,upperdir=$1/written,workdir=$1/work" "$1/root" || exit 77
    cp "$3" "$1/root/package.deb"
    cp "$4" "$1/root/inside.sh"
    mount --rbind /proc "$1/root/proc"
    mount --rbind /dev "$1/root/dev"
    chroot "$1/root" /inside.sh /package.deb' sh "$layers" "${2:-/}" "$package" "$inside"
