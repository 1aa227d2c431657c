#!/usr/bin/env bash
# base.sh FILE: the file system of debian:trixie-slim as a tar, made from Debian's own packages with debootstrap. Needs root.
# The image is built on it where no registry can be reached, and ./dev makes its root of Debian 13 from it (debian13.sh).
set -eu
out=$1
say() { printf 'base: %s\n' "$*"; }
command -v debootstrap >/dev/null || { say "debootstrap is missing" >&2; exit 1; }
mirror=$(grep -rhoE 'https?://[^ ]*debian/?( |$)' /etc/apt/sources.list /etc/apt/sources.list.d 2>/dev/null | grep -v security | head -n 1 | tr -d ' ' || true)
mirror=${mirror:-http://deb.debian.org/debian}
root=$(mktemp -d)
chmod 755 "$root" # it becomes "/", which is for everybody
trap 'rm -rf --one-file-system "$root" "$root.log"' EXIT
script=/usr/share/debootstrap/scripts/trixie
[ -e "$script" ] || script=/usr/share/debootstrap/scripts/sid
say "fetching Debian 13 from $mirror"
# A keyring that is older than the release cannot check it: then it is fetched unchecked, and said.
if ! debootstrap --variant=minbase --include=ca-certificates trixie "$root" "$mirror" "$script" >"$root.log" 2>&1; then
    say "the keyring here does not know trixie: fetching without its check"
    rm -rf "$root" && mkdir -m 755 "$root"
    debootstrap --no-check-gpg --variant=minbase --include=ca-certificates trixie "$root" "$mirror" "$script" >"$root.log" 2>&1 ||
        { tail -n 20 "$root.log" >&2; exit 1; }
fi
# The packages are reached from inside as they are from here.
cp /etc/apt/apt.conf.d/* "$root/etc/apt/apt.conf.d/" 2>/dev/null || true
if ! chroot "$root" apt-get update -qq >/dev/null 2>&1; then
    echo "deb [trusted=yes] $mirror trixie main" >"$root/etc/apt/sources.list"
fi
tar -C "$root" -cf "$out.new" .
mv "$out.new" "$out"
