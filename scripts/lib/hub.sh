#!/usr/bin/env bash
# A hub on this machine for demonstrations and tests: stock sshd on a free loopback port, with a host key of its own, and a bare repository for each site.
# Nothing outside the folder changes.
#
#   scripts/lib/hub.sh start FOLDER COORDINATOR.pub SITE=KEY.pub...
#       prints `address` and `host_key` lines; FOLDER/sshd.pid is the process. Exit 3 and one line where there is no sshd to be had.
#   scripts/lib/hub.sh stop FOLDER
set -euo pipefail
tools="$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)"
command="${1:?start or stop}"
place="$(mkdir -p "${2:?a folder}" && cd "$2" && pwd)"
unavailable() { printf 'hub: no ssh hub here: %s\n' "$*" >&2; exit 3; }

if [ "$command" = stop ]; then
    # A server inherits the signals that its starter blocks, so that a polite one may never arrive.
    [ ! -f "$place/sshd.pid" ] || kill -9 "$(cat "$place/sshd.pid")" 2>/dev/null || true
    rm -f "$place/sshd.pid"
    exit 0
fi
coordinator="${3:?the coordinator\'s public key}"
shift 3

# The system's sshd, or one unpacked below the project's build folder.
sshd="$(command -v sshd || { [ -x /usr/sbin/sshd ] && echo /usr/sbin/sshd; } || true)"
libraries=""
if [ -z "$sshd" ]; then
    root="$tools/build/sshd"
    if [ ! -x "$root/usr/sbin/sshd" ]; then
        command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null || unavailable "sshd is not installed"
        fresh="$(mktemp -d "${TMPDIR:-/tmp}/sshd-XXXXXX")"
        (cd "$fresh" && apt-get download openssh-server libwrap0) >/dev/null 2>&1 \
            || { rm -rf "$fresh"; unavailable "sshd is not installed, and its package cannot be fetched"; }
        mkdir "$fresh/root"
        for package in "$fresh"/*.deb; do dpkg-deb -x "$package" "$fresh/root"; done
        mkdir -p "$tools/build"
        mv "$fresh/root" "$root" 2>/dev/null || true
        rm -rf "$fresh"
    fi
    sshd="$root/usr/sbin/sshd"
    libraries="$(dirname "$(find "$root" -name 'libwrap.so.0' | head -n 1)")"
fi

[ -f "$place/host_key" ] || ssh-keygen -q -t ed25519 -N '' -C hub -f "$place/host_key"
mkdir -p "$place/mail"
: > "$place/authorized_keys"
entry() { printf 'command="%s/integrations/hub/mailbox-shell %s/mail %s",restrict %s\n' "$tools" "$place" "$1" "$(cat "$2")"; }
entry any "$coordinator" >> "$place/authorized_keys"
for site in "$@"; do
    repository="$place/mail/${site%%=*}.git"
    if [ ! -d "$repository" ]; then
        git init -q --bare "$repository"
        git -C "$repository" config receive.denyNonFastForwards true
        git -C "$repository" config receive.denyDeletes true
        git -C "$repository" config receive.fsckObjects true
    fi
    entry "${site%%=*}" "${site#*=}" >> "$place/authorized_keys"
done
port="$(cat "$place/port" 2>/dev/null || python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')"
echo "$port" > "$place/port"
cat > "$place/sshd_config" <<END
Port $port
ListenAddress 127.0.0.1
HostKey $place/host_key
PidFile $place/sshd.pid
AuthorizedKeysFile $place/authorized_keys
StrictModes no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
LogLevel ERROR
END
run() {
    LD_LIBRARY_PATH="$libraries${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}" "$@"
}
if [ "$(id -u)" = 0 ] && ! getent passwd sshd >/dev/null; then
    # sshd wants a user of that name when root starts it: one in a copy of the list that this process alone sees.
    { cat /etc/passwd; echo 'sshd:x:65533:65534::/run/sshd:/usr/sbin/nologin'; } > "$place/passwd"
    run unshare -m sh -c "mount --bind '$place/passwd' /etc/passwd && mkdir -p /run/sshd && exec '$sshd' -f '$place/sshd_config' -E '$place/sshd.log'" \
        2> "$place/error" || unavailable "$(tail -n 1 "$place/error")"
else
    [ "$(id -u)" != 0 ] || mkdir -p /run/sshd
    run "$sshd" -f "$place/sshd_config" -E "$place/sshd.log" 2> "$place/error" || unavailable "$(tail -n 1 "$place/error")"
fi
for _ in $(seq 50); do [ ! -s "$place/sshd.pid" ] || break; sleep 0.1; done
[ -s "$place/sshd.pid" ] || unavailable "sshd did not start: $(tail -n 1 "$place/sshd.log" 2>/dev/null)"
printf 'address ssh://%s@127.0.0.1:%s\n' "$(id -un)" "$port"
printf 'host_key %s\n' "$(ssh-keygen -lf "$place/host_key.pub" | cut -d ' ' -f 2)"
