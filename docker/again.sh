#!/usr/bin/env bash
# again.sh FOLDER: builds the checkout once more in another folder, at another time, by other habits, and fails unless the image's file system
# that comes out is FOLDER's, to the byte. Runs in the Dockerfile's build stage.
set -euo pipefail
first=$1 other=/elsewhere/than/that
mkdir -p "$other"
cp -r . "$other/src"
cd "$other/src"
rm -rf build
umask 027
TZ=Asia/Tokyo docker/root-fs.sh "$other/root-fs"
digest() {
    tar --sort=name --numeric-owner -C "$1" -cf - . | sha256sum | cut -c 1-64
}
echo "again: $(digest "$first") from $OLDPWD, $(digest "$other/root-fs") from $PWD"
if [ "$(digest "$first")" != "$(digest "$other/root-fs")" ]; then
    echo "again: what differs, if it is not a time or a mode:"
    diff -rq "$first" "$other/root-fs" || true
    exit 1
fi
