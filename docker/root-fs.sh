#!/usr/bin/env bash
# root-fs.sh FOLDER: builds the agent, in the checkout, and puts the image's file system into FOLDER: the agent, its shared libraries, the
# authorities and what says where these come from (sbom.py). Runs in the Dockerfile's build stage. REVISION, SOURCE_DATE_EPOCH and CROSS come
# from the environment; CROSS is empty, or the architecture to build for (install.sh). The same sources and packages give the same bytes,
# wherever the checkout is: nothing here may depend on the time, the folder, the locale or the umask.
set -euo pipefail
root=$1 agent=build/release/port-agent tools="" trace="env LD_TRACE_LOADED_OBJECTS=1" options=()
umask 022
export LC_ALL=C VERSION
VERSION=$(cat VERSION)
if [ "$CROSS" = arm64 ]; then
    tools=aarch64-linux-gnu- trace="qemu-aarch64 -E LD_TRACE_LOADED_OBJECTS=1"
    export PKG_CONFIG_LIBDIR=/usr/lib/aarch64-linux-gnu/pkgconfig:/usr/share/pkgconfig
    options=(-DCMAKE_SYSTEM_NAME=Linux -DCMAKE_SYSTEM_PROCESSOR=aarch64 -DCMAKE_C_COMPILER=${tools}gcc -DCMAKE_LIBRARY_ARCHITECTURE=aarch64-linux-gnu)
fi
cmake --preset release -DPA_WHOLE_PROGRAM=ON -DPA_REVISION="$REVISION" "${options[@]}"
cmake --build --preset release
mkdir -p "$root"/{usr/local/bin,etc/ssl/certs,app,tmp,usr/lib/locale/C.utf8}
cp "$agent" "$root/usr/local/bin/"
"${tools}strip" "$root/usr/local/bin/port-agent"
# The loader's own answer names the libraries and the loader, on whatever architecture this is. glibc loads libgcc_s by itself when a thread
# ends with pthread_exit(3), as those of getaddrinfo_a(3) do, and aborts where it is not there.
libraries=$({ $trace "$agent" | grep -o '/[^ ]*'; echo "/usr/lib/$("${tools}gcc" -print-multiarch)/libgcc_s.so.1"; } | sort -u)
for library in $libraries; do
    mkdir -p "$root${library%/*}"
    cp -L "$library" "$root$library"
    "${tools}strip" --strip-unneeded "$root$library"
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
