#!/usr/bin/env bash
# root-fs.sh AGENT FOLDER: the image's file system in FOLDER: the agent AGENT, its shared libraries, the authorities and what says where these
# come from (sbom.py). Runs in the Dockerfile's build stage, in the checkout. The same sources and packages give the same bytes, wherever the
# checkout is: nothing here may depend on the time (but SOURCE_DATE_EPOCH), the folder, the locale or the umask.
set -euo pipefail
agent=$1 root=$2
umask 022
export LC_ALL=C
mkdir -p "$root"/{usr/local/bin,etc/ssl/certs,app,tmp,usr/lib/locale/C.utf8}
cp "$agent" "$root/usr/local/bin/"
strip "$root/usr/local/bin/port-agent"
# ldd's own answer names the libraries and the loader, on whatever architecture this is. glibc loads libgcc_s by itself when a thread ends
# with pthread_exit(3), as those of getaddrinfo_a(3) do, and aborts where it is not there.
libraries=$({ ldd "$agent" | grep -o '/[^ ]*'; realpath "$(gcc -print-file-name=libgcc_s.so.1)"; } | sort -u)
for library in $libraries; do
    mkdir -p "$root${library%/*}"
    cp -L "$library" "$root$library"
    strip --strip-unneeded "$root$library"
done
# What the agent has in itself: librdkafka, where its archive is linked (docs/workarounds.md). Scanners know the package of the library that
# the archive was made with.
linked=$(sed -n 's/^RDKAFKA_ARCHIVE:FILEPATH=\(.*\)\.a$/\1.so.1/p' "${agent%/*}/CMakeCache.txt")
cp /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/"
cp /usr/lib/locale/C.utf8/LC_CTYPE "$root/usr/lib/locale/C.utf8/"
# By these scanners know whose packages they see.
cp /usr/lib/os-release "$root/usr/lib/"
ln -s ../usr/lib/os-release "$root/etc/os-release"
echo 'hosts: files dns' >"$root/etc/nsswitch.conf"
echo 'agent:x:1000:1000:agent:/app:/sbin/nologin' >"$root/etc/passwd"
echo 'agent:x:1000:' >"$root/etc/group"
# The bundle belongs to no package: it is made of that folder's files.
python3 docker/sbom.py "$root" $libraries $linked /usr/share/ca-certificates /usr/lib/locale/C.utf8/LC_CTYPE /usr/lib/os-release
chmod -R u=rwX,go=rX "$root"
find "$root" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
