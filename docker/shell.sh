# Sourced by ./dev and docker/build.sh, which have say and die: commands whose output goes to a log, rights, and Debian packages.
log_dir=build/log

# run_logged NAME COMMAND...: with its output in a log; what takes long tells now and then where it is. Its exit code is the command's.
run_logged() {
    local name=$1 log=$log_dir/$1.log status watcher
    shift
    if ! mkdir -p "$log_dir" 2>/dev/null || [ ! -w "$log_dir" ]; then
        die "cannot write to $PWD/$log_dir: is the checkout read-only, or was it built by another user? ($(ls -ld build . 2>/dev/null | awk '{print $1, $3, $NF}' | xargs))"
    fi
    rm -f "$log"
    watch_log "$name" "$log" &
    watcher=$!
    # In a shell of its own: one that gives up must not take this one along without a word.
    ("$@") >"$log" 2>&1
    status=$?
    kill "$watcher" 2>/dev/null
    wait "$watcher" 2>/dev/null
    return $status
}

watch_log() {
    local seconds=0
    while sleep 5 >/dev/null 2>&1 && kill -0 $$ 2>/dev/null; do
        seconds=$((seconds + 5))
        [ $((seconds % 20)) != 0 ] || say "  $1: $(tail -n 1 "$2" 2>/dev/null | tr '\r\t' '  ' | cut -c 1-100)"
    done
}

# quietly NAME COMMAND...: the end of the log is shown when it fails, and that ends everything
quietly() {
    run_logged "$@" && return
    tail -n 40 "$log_dir/$1.log" >&2
    die "$1 failed; the whole output is in $log_dir/$1.log"
}

# Prints why nothing can be done as root here; nothing when it can. A password is asked for now, not within a command whose output is hidden.
why_not_root() {
    [ "$(id -u)" != 0 ] || return 0
    if ! command -v sudo >/dev/null; then
        echo "you are not root, and there is no sudo"
    elif sudo -n true 2>/dev/null; then
        return 0
    elif ! { : </dev/tty; } 2>/dev/null; then
        echo "you are not root, and sudo asks for a password, for which there is no terminal"
    elif ! sudo -v; then
        echo "you are not root, and sudo does not let you become it"
    fi
}

as_root() {
    local why
    why=$(why_not_root)
    [ -z "$why" ] || die "$why; needed for: $*"
    if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

# absent PACKAGE[:COMMAND]...: prints those that are not installed; with a COMMAND, that being there is enough
absent() {
    local item package
    for item in "$@"; do
        package=${item%%:*}
        if [ "$package" != "$item" ] && command -v "${item#*:}" >/dev/null 2>&1; then continue; fi
        dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || echo "$package"
    done
}

# need PACKAGE[:COMMAND]...: installs what is missing, or ends with what that is, why it cannot be installed here, and how it can be
need() {
    local missing why
    missing=$(absent "$@" | xargs)
    [ -n "$missing" ] || return 0
    command -v apt-get >/dev/null || cannot_install "this is not Debian: there is no apt-get"
    why=$(why_not_root)
    [ -z "$why" ] || cannot_install "$why"
    say "installing $missing"
    package_sources_answer || cannot_install "none of the package sources in /etc/apt answers: is there a network?"
    update_packages
    run_logged apt-install apt_get install -y --no-install-recommends $missing && return
    tail -n 20 "$log_dir/apt-install.log" >&2
    cannot_install "$(why_apt_failed "$log_dir/apt-install.log")"
}

cannot_install() {
    die "these Debian packages are missing: $missing
     They cannot be installed now: $1.
     By hand, as root: apt-get update && apt-get install -y --no-install-recommends $missing"
}

# In English, asking nothing; whatever it waits for has an end.
apt_get() {
    as_root env LC_ALL=C DEBIAN_FRONTEND=noninteractive apt-get -o Acquire::Retries=1 -o Acquire::http::Timeout=20 -o Acquire::https::Timeout=20 \
        -o DPkg::Lock::Timeout=60 "$@" </dev/null
}

# A source that cannot be read need not be the one that has the packages; and unlike installing, this does not wait for another apt by itself.
update_packages() {
    local log=$log_dir/apt-update.log try
    for try in 1 2 3 4 5 6 7 8 9 10 11 12; do
        run_logged apt-update apt_get update && return
        grep -q 'Could not get lock' "$log" || break
        [ "$try" != 1 ] || say "  $(grep -o 'It is held by.*' "$log" || echo 'another apt is at work'): waiting for a minute at most"
        sleep 5
    done
    ! grep -q 'Could not get lock' "$log" || cannot_install "$(why_apt_failed "$log")"
    say "  not every package source could be read ($log); trying all the same"
}

why_apt_failed() {
    if grep -qE 'Could not get lock|dpkg frontend lock' "$1"; then
        echo "another program is installing packages$(grep -oE ' is held by process [0-9]+ \([^)]*\)' "$1" | head -n 1 | sed 's/ is held by/:/'); try again when it has ended"
    elif grep -qE 'Unable to locate package|no installation candidate' "$1"; then
        echo "the package sources here do not have all of them (Debian 12 and 13 do)"
    elif grep -q 'No space left' "$1"; then
        echo "the disk is full"
    elif grep -q 'dpkg was interrupted' "$1"; then
        echo "an earlier installation was interrupted; 'dpkg --configure -a' as root ends it"
    else
        echo "apt-get failed, as shown above; the whole output is in $1"
    fi
}

# Whether any source of packages that has a network address answers, whatever it answers, within ten seconds. Through apt's own proxies.
package_sources_answer() {
    local helper uris uri folder pids=() pid
    uris=$(cat /etc/apt/sources.list /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources 2>/dev/null | grep -v '^ *#' |
        grep -oE 'https?://[^] ]+' | sort -u | head -n 6)
    helper=$(PATH=$PATH:/usr/lib/apt command -v apt-helper)
    [ -n "$uris" ] && [ -n "$helper" ] || return 0
    folder=$(mktemp -d)
    for uri in $uris; do
        (
            told=$(LC_ALL=C timeout 10 "$helper" -o Acquire::Retries=0 -o Acquire::http::Timeout=8 -o Acquire::https::Timeout=8 download-file "${uri%/}/" \
                "$folder/page-$BASHPID" 2>&1) || [[ $told =~ \ 40[0-9]\  ]] && touch "$folder/answered"
        ) >/dev/null 2>&1 &
        pids+=($!)
    done
    for pid in "${pids[@]}"; do
        [ -e "$folder/answered" ] || wait "$pid"
    done
    [ -e "$folder/answered" ]
    pid=$?
    rm -rf "$folder"
    return $pid
}
