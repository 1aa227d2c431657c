#!/usr/bin/env bash
# Builds the image with docker, podman or buildah, whichever is there. Where no registry can be reached, the base image is made from Debian's own
# packages with debootstrap.
set -eu
cd "$(dirname "$0")/.."
tag=port-agent:dev
while [ $# -gt 0 ]; do
    case $1 in
    --tag) tag=$2; shift 2 ;;
    *) echo "Usage: ./dev image [--tag NAME]" >&2; exit 64 ;;
    esac
done
revision=${REVISION:-$(git describe --always --dirty --abbrev=12 2>/dev/null || echo unknown)}
base=debian:trixie-slim

say() { printf 'image: %s\n' "$*"; }
install() {
    apt-get update -qq >/dev/null
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null
}

if docker info >/dev/null 2>&1; then
    say "building $tag with docker"
    exec docker build -f docker/Dockerfile --build-arg REVISION="$revision" -t "$tag" .
fi

# Podman builds where it has the base image or a registry; buildah can make one from Debian's packages.
if ! command -v buildah >/dev/null && podman info >/dev/null 2>&1 &&
    { podman image exists "docker.io/library/$base" || timeout 60 podman pull -q "docker.io/library/$base" >/dev/null 2>&1; }; then
    say "building $tag with podman"
    exec podman build --isolation chroot --network host -f docker/Dockerfile --build-arg REVISION="$revision" -t "$tag" .
fi

export STORAGE_DRIVER=${STORAGE_DRIVER:-vfs}
if [ "$(id -u)" != 0 ]; then
    say "going on as root, with sudo: $tag will be among root's images"
    exec sudo env REVISION="$revision" STORAGE_DRIVER="$STORAGE_DRIVER" "$PWD/docker/build.sh" --tag "$tag"
fi
if ! command -v buildah >/dev/null; then
    say "installing buildah"
    install buildah crun
fi
# From Debian 13 on buildah asks for it, even where it makes no network.
release=$(. /etc/os-release && echo "${VERSION_ID:-0}")
if [ "${release%%.*}" -ge 13 ] && [ ! -e /usr/lib/podman/netavark ]; then
    install netavark
fi

make_base() {
    local mirror root script
    command -v debootstrap >/dev/null || install debootstrap
    mirror=$(grep -rhoE 'https?://[^ ]*debian/?( |$)' /etc/apt/sources.list /etc/apt/sources.list.d 2>/dev/null | grep -v security | head -n 1 | tr -d ' ')
    mirror=${mirror:-http://deb.debian.org/debian}
    root=$(mktemp -d)
    script=/usr/share/debootstrap/scripts/trixie
    [ -e "$script" ] || script=/usr/share/debootstrap/scripts/sid
    say "no registry to be reached: making $base from $mirror (some minutes)"
    # A keyring that is older than the release cannot check it: then it is fetched unchecked, and said.
    if ! debootstrap --variant=minbase --include=ca-certificates trixie "$root" "$mirror" "$script" >"$root.log" 2>&1; then
        say "the keyring here does not know trixie: fetching without its check"
        rm -rf "$root" && mkdir -p "$root"
        debootstrap --no-check-gpg --variant=minbase --include=ca-certificates trixie "$root" "$mirror" "$script" >"$root.log" 2>&1 ||
            { tail -n 20 "$root.log" >&2; exit 1; }
    fi
    # The packages are reached from inside the build as they are from here.
    cp /etc/apt/apt.conf.d/* "$root/etc/apt/apt.conf.d/" 2>/dev/null || true
    if ! gpg_ok "$root"; then
        echo "deb [trusted=yes] $mirror trixie main" >"$root/etc/apt/sources.list"
    fi
    local container
    container=$(buildah from scratch)
    buildah add -q "$container" "$root" / >/dev/null
    buildah commit -q "$container" "docker.io/library/$base" >/dev/null
    buildah rm "$container" >/dev/null
    rm -rf "$root" "$root.log"
}

gpg_ok() { chroot "$1" apt-get update -qq >/dev/null 2>&1; }

if ! buildah inspect --type image "docker.io/library/$base" >/dev/null 2>&1 && ! timeout 60 buildah pull -q "docker.io/library/$base" >/dev/null 2>&1; then
    make_base
fi
say "building $tag with buildah"
# The limits as they are: newer buildahs raise them, which even root may not do within a container.
limits=()
if [ "${release%%.*}" -ge 13 ]; then
    limits=(--ulimit "nofile=$(ulimit -Sn):$(ulimit -Hn)" --ulimit "nproc=$(ulimit -Su):$(ulimit -Hu)")
fi
buildah bud "${limits[@]//unlimited/-1}" --isolation chroot --network host --pull-never -f docker/Dockerfile --build-arg REVISION="$revision" -t "$tag" .
say "$tag is ready"
