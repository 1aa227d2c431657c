#!/usr/bin/env bash
# Builds the image with docker, podman or buildah, whichever is there. Where no registry can be reached, the base image is made from Debian's own
# packages (base.sh); podman leaves that to buildah.
set -eu
cd "$(dirname "$0")/.."
tag=port-agent:dev
tool=any
root=""
again=""
native=$(dpkg --print-architecture 2>/dev/null || uname -m | sed 's/x86_64/amd64/; s/aarch64/arm64/')
arch=$native
while [ $# -gt 0 ]; do
    case $1 in
    --tag) tag=$2; shift 2 ;;
    --buildah) tool=buildah; shift ;;
    --root) root=$2 tool=buildah; shift 2 ;; # for ./dev: the image's file system, as a folder of the caller's
    --arch) arch=$2; shift 2 ;;
    --again) again=1; shift ;;               # for ./dev: fails unless a second build from another folder is the same
    *) echo "Usage: ./dev image [--tag NAME] [--arch amd64|arm64] [--buildah]" >&2; exit 64 ;;
    esac
done
revision=${REVISION:-$(git describe --always --dirty --abbrev=12 2>/dev/null || echo unknown)}
# Nothing in the image is of today: what has a date has the commit's.
epoch=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || echo 0)}
# Where the sources are, for the label, without who may read them there.
repository=${SOURCE:-$(git config --get remote.origin.url 2>/dev/null | sed -nE 's#^(https?://)([^/@]*@)?#\1#p; s#^(ssh://)?git@([^:/]+)[:/]#https://\2/#p')}
arguments=(--build-arg REVISION="$revision" --build-arg SOURCE_DATE_EPOCH="$epoch" --build-arg SOURCE="${repository:-unknown}"
    --build-arg CREATED="$(date -u -d "@$epoch" +%Y-%m-%dT%H:%M:%SZ)" ${again:+--build-arg AGAIN=1})
base=debian:trixie-slim

say() { printf 'image: %s\n' "$*"; }
die() { printf 'image: %s\n' "$*" >&2; exit 1; }
. docker/shell.sh

# The base image's file system, kept where ./dev makes its root of Debian 13 from it too.
tar=$PWD/.cache/debian13/base.tar
make_base() {
    if [ ! "$tar" -nt docker/base.sh ]; then
        say "no registry to be reached: making $base from Debian's packages (some minutes)"
        need debootstrap
        mkdir -p "${tar%/*}"
        as_root docker/base.sh "$tar"
    fi
}

if [ $tool = any ] && docker info >/dev/null 2>&1; then
    if ! docker image inspect "$base" >/dev/null 2>&1; then
        say "fetching $base"
        if ! timeout 300 docker pull -q "$base" >/dev/null 2>&1; then
            make_base
            docker import "$tar" "$base" >/dev/null
        fi
    fi
    say "building $tag with docker"
    exec docker build $([ "$arch" = "$native" ] || echo "--platform=linux/$arch") -f docker/Dockerfile "${arguments[@]}" -t "$tag" .
fi

# Podman builds where it has the base image or a registry; buildah can make one from Debian's packages.
if [ $tool = any ] && [ "$arch" = "$native" ] && ! command -v buildah >/dev/null && podman info >/dev/null 2>&1 &&
    { podman image exists "docker.io/library/$base" || timeout 60 podman pull -q "docker.io/library/$base" >/dev/null 2>&1; }; then
    say "building $tag with podman"
    exec podman build --format docker --timestamp "$epoch" --isolation chroot --network host -f docker/Dockerfile "${arguments[@]}" -t "$tag" .
fi

export STORAGE_DRIVER=${STORAGE_DRIVER:-vfs}
if [ "$(id -u)" != 0 ]; then
    why=$(why_not_root)
    [ -z "$why" ] || die "$why; buildah needs it"
    say "going on as root, with sudo: $tag will be among root's images"
    exec sudo env REVISION="$revision" SOURCE_DATE_EPOCH="$epoch" SOURCE="$repository" STORAGE_DRIVER="$STORAGE_DRIVER" "$PWD/docker/build.sh" \
        --tag "$tag" --arch "$arch" --buildah ${root:+--root "$root"} ${again:+--again}
fi
need buildah:buildah crun:crun
# From Debian 13 on buildah asks for it, even where it makes no network.
release=$(. /etc/os-release && echo "${VERSION_ID:-0}")
if [ "${release%%.*}" -ge 13 ] && [ ! -e /usr/lib/podman/netavark ]; then
    need netavark
fi

if ! buildah inspect --type image "docker.io/library/$base" >/dev/null 2>&1 && ! timeout 60 buildah pull -q "docker.io/library/$base" >/dev/null 2>&1; then
    make_base
    container=$(buildah from scratch)
    buildah add -q "$container" "$tar" / >/dev/null
    buildah commit -q "$container" "docker.io/library/$base" >/dev/null
    buildah rm "$container" >/dev/null
fi
say "building $tag with buildah"
# The limits as they are: newer buildahs raise them, which even root may not do within a container.
limits=()
if [ "${release%%.*}" -ge 13 ]; then
    limits=(--ulimit "nofile=$(ulimit -Sn):$(ulimit -Hn)" --ulimit "nproc=$(ulimit -Su):$(ulimit -Hu)")
fi
# Docker's format: OCI's has no place for a HEALTHCHECK.
buildah bud "${limits[@]//unlimited/-1}" --format docker --timestamp "$epoch" --isolation chroot --network host --pull-never -f docker/Dockerfile \
    "${arguments[@]}" $([ "$arch" = "$native" ] || echo "--build-arg CROSS=$arch") -t "$tag" .
if [ "$arch" != "$native" ]; then
    # Nothing of the other architecture has run as if it were here: the image does not know yet what it is for.
    container=$(buildah from --pull-never "localhost/$tag")
    buildah config --arch "$arch" "$container"
    buildah commit -q --format docker --timestamp "$epoch" --squash --rm "$container" "localhost/$tag" >/dev/null
fi
say "$tag is ready"
if [ -n "$root" ]; then
    container=$(buildah from --pull-never "${limits[@]//unlimited/-1}" "localhost/$tag")
    rm -rf "$root"
    mkdir -p "$root"
    cp -a "$(buildah mount "$container")/." "$root"
    chmod u+w "$root"
    chown -R "${SUDO_UID:-0}:${SUDO_GID:-0}" "$root"
    buildah umount "$container" >/dev/null
    buildah rm "$container" >/dev/null
    say "its file system is at $root"
fi
