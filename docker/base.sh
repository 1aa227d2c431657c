#!/usr/bin/env bash
# Writes the file system of debian:trixie-slim to standard output, as a tar, made from Debian's own packages with debootstrap. Needs root.
set -eu
if ! command -v debootstrap >/dev/null; then
    apt-get update -qq >/dev/null
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends debootstrap >/dev/null
fi
mirror=$(grep -rhoE 'https?://[^ ]*debian/?( |$)' /etc/apt/sources.list /etc/apt/sources.list.d 2>/dev/null | grep -v security | head -n 1 | tr -d ' ')
mirror=${mirror:-http://deb.debian.org/debian}
root=$(mktemp -d)
trap 'rm -rf --one-file-system "$root" "$root.log"' EXIT
script=/usr/share/debootstrap/scripts/trixie
[ -e "$script" ] || script=/usr/share/debootstrap/scripts/sid
# A keyring that is older than the release cannot check it: then it is fetched unchecked, and said.
if ! debootstrap --variant=minbase --include=ca-certificates trixie "$root" "$mirror" "$script" >"$root.log" 2>&1; then
    echo "image: the keyring here does not know trixie: fetching without its check" >&2
    rm -rf "$root" && mkdir -p "$root"
    debootstrap --no-check-gpg --variant=minbase --include=ca-certificates trixie "$root" "$mirror" "$script" >"$root.log" 2>&1 ||
        { tail -n 20 "$root.log" >&2; exit 1; }
fi
# The packages are reached from inside the build as they are from here.
cp /etc/apt/apt.conf.d/* "$root/etc/apt/apt.conf.d/" 2>/dev/null || true
if ! chroot "$root" apt-get update -qq >/dev/null 2>&1; then
    echo "deb [trusted=yes] $mirror trixie main" >"$root/etc/apt/sources.list"
fi
tar -C "$root" -c .
