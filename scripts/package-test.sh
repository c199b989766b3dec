#!/usr/bin/env bash
# Installs the package of scripts/package.sh in a bare Debian below build/package/root, makes a site there and starts it as its unit would. As
# root, with mmdebstrap and Debian's packages within reach; where that cannot be had, one line says so.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
missing() { printf 'package-test: not run here: %s\n' "$1" >&2; exit 2; }
fail() { printf 'package-test: failed: %s\n' "$1" >&2; exit 1; }
[ "$(id -u)" -eq 0 ] || missing "only root may enter another root"
command -v mmdebstrap >/dev/null || missing "there is no mmdebstrap (Debian: mmdebstrap)"
deb="${1:-$(bash scripts/package.sh | tail -n 1)}"
[ -f "$deb" ] || missing "there is no package; scripts/package.sh makes one"

root="$PWD/build/package/root"
umount "$root/proc" 2>/dev/null || true # Left by a call that was killed.
rm -rf --one-file-system "$root"
mkdir -p build/package
# systemd for its checks of the unit; it is not started.
mmdebstrap --quiet --mode=root --variant=minbase --include=systemd,adduser,ca-certificates "$(. /etc/os-release; printf %s "$VERSION_CODENAME")" \
    "$root" > build/package/mmdebstrap.log 2>&1 || missing "no bare Debian can be made (build/package/mmdebstrap.log)"
# A service has /proc too, and the program reads its arguments there.
mount -t proc proc "$root/proc" || missing "no /proc can be mounted in the other root"
trap 'umount "$root/proc"' EXIT
inside() { ${by:-} chroot "$root" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C DEBIAN_FRONTEND=noninteractive "$@"; }
cp "$deb" "$root/tmp/medrounds.deb"
cp -L /etc/resolv.conf "$root/etc/resolv.conf"
inside apt-get -q update > build/package/install.log 2>&1 || missing "apt-get update fails in the bare Debian (build/package/install.log)"
inside apt-get -q -y --no-install-recommends install /tmp/medrounds.deb >> build/package/install.log 2>&1 \
    || fail "apt-get could not install it (build/package/install.log)"
inside getent passwd medrounds
[ "$(inside stat -c '%U %a' /var/lib/medrounds)" = "medrounds 750" ] || fail "/var/lib/medrounds is not the user's own"

inside systemd-analyze verify medrounds-site@general.service || fail "systemd-analyze verify finds a fault in the unit"
inside systemd-analyze security --offline=true medrounds-site@general.service 2>/dev/null | tail -n 1 || true

# What the unit says: its user, its mask, its environment, its command.
unit="$root/usr/lib/systemd/system/medrounds-site@.service"
value() { sed -n "s/^$1=//p" "$unit" | sed 's/%i/general/g'; }
read -r -a start <<< "$(value ExecStart)"
as_unit() { inside setpriv --reuid="$(value User)" --regid="$(value Group)" --init-groups env "$(value Environment)" sh -c 'cd "$0" && umask "$1" && shift && exec "$@"' \
    "$(value WorkingDirectory)" "$(value UMask)" "$@"; }
as_unit medrounds site init general --site general --mailbox /var/lib/medrounds/general/mailbox
[ "$(inside stat -c %a /var/lib/medrounds/general/work/keys/site-general.ed25519)" = 600 ] || fail "others can read the site's key"
inside install -d -o medrounds -g medrounds /var/lib/medrounds/general/notes
as_unit "${start[@]}" --once | tee build/package/once.log
grep -q '^no call yet$' build/package/once.log || fail "site run --once does not say that there is no call"
as_unit medrounds site status general/site.yaml

# As the service: it runs until it is asked to stop; a second one for the same site names the first and ends.
by=exec as_unit "${start[@]}" > build/package/service.log 2>&1 & # With exec the process is the program itself.
service=$!
trap 'kill "$service" 2>/dev/null || true; umount "$root/proc"' EXIT
sleep 3
kill -0 "$service" 2>/dev/null || fail "the service ended by itself (build/package/service.log)"
if as_unit "${start[@]}" --once > build/package/second.log 2>&1; then fail "a second process for the same site ran too"; fi
grep -q 'site.busy' build/package/second.log || fail "the second process does not say site.busy (build/package/second.log)"
kill -TERM "$service"
status=0
wait "$service" || status=$?
[ "$status" -eq 0 ] || fail "the service ended with $status when it was asked to end"

inside apt-get -q -y purge medrounds >> build/package/install.log 2>&1 || fail "apt-get could not remove it"
[ -f "$root/var/lib/medrounds/general/work/keys/site-general.ed25519" ] || fail "removing the package removed a site's key"
[ ! -e "$root/usr/bin/medrounds" ] || fail "the program is still there after it was removed"
printf 'package-test: installed, ran and removed in a bare Debian: %s, %s bytes\n' "$(basename "$deb")" "$(stat -c %s "$deb")"
