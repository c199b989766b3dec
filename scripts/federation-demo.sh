#!/usr/bin/env bash
# A federation over separate processes on this machine: a hub (stock sshd on a loopback port), a coordinator and the workflow's sites, each in a folder of its
# own, with messages over ssh. Ends with the comparison with one process: the same uploads, weights and adapters, byte for byte.
#
#   scripts/federation-demo.sh [--workflow FILE] [--folder]
# --folder carries the messages in folders instead of over ssh.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
workflow=workflows/quickstart.yaml
carrier=ssh
while [ $# -gt 0 ]; do
    case "$1" in
        --workflow) workflow=$2; shift 2 ;;
        --folder) carrier=folder; shift ;;
        *) echo "unknown option $1" >&2; exit 2 ;;
    esac
done
medrounds="${MEDROUNDS:-$PWD/.build/release/medrounds}"
[ -x "$medrounds" ] || { printf 'federation-demo: build first: swift build -c release\n' >&2; exit 2; }
name="$(basename "$workflow" .yaml)"
from="$(cd "$(dirname "$workflow")" && pwd)"
data="$from/$(sed -nE 's/^data_root: *([^ ]+).*/\1/p' "$workflow")"
place="${MEDROUNDS_DEMO:-$PWD/build/federation}"
rm -rf "$place"
mkdir -p "$place/coordinator"

# A line of a site: its name, the path of its notes, and the rest of what is said of them.
line='^  ([a-z0-9-]+): \{train: ([^,]+), (tasks: .*)\}$'
sites="$(sed -nE "s/$line/\1/p" "$workflow")"
base="$(sed -nE 's/^model: *\{base: *([^,}]+).*/\1/p' "$workflow")"
[ ! -f "$from/$base" ] || base="$from/$base"
pids=""
stop() {
    for pid in $pids; do kill -9 "$pid" 2>/dev/null || true; done
    scripts/lib/hub.sh stop "$place/hub"
}
trap stop EXIT

# The coordinator has the workflow, the validation and the test notes; of the sites' notes it has none.
sed -E -e "s/$line/  \1: {remote: true}/" -e "s|^(model: *\{base: *)[^,}]+|\1$base|" "$workflow" > "$place/coordinator/$name.yaml"
mkdir -p "$place/coordinator/data"
cp -r "$data/." "$place/coordinator/data/"
template="$(sed -nE 's/^template: *([^ ]+)$/\1/p' "$workflow")"
[ ! -f "$from/$template" ] || cp "$from/$template" "$place/coordinator/$template"
# The key of the coordinator and of each site, made where they stay.
mkdir -p "$place/coordinator/keys"
ssh-keygen -q -t ed25519 -N '' -C coordinator -f "$place/coordinator/keys/mail"
keys=""
for site in $sites; do
    notes="$(sed -nE "s/$line/\1 \2/p" "$workflow" | sed -nE "s/^$site //p")"
    mkdir -p "$place/$site/keys"
    mv "$place/coordinator/data/$notes" "$place/$site/notes"
    ssh-keygen -q -t ed25519 -N '' -C "$site" -f "$place/$site/keys/mail"
    keys="$keys $site=$place/$site/keys/mail.pub"
done
# All sites compute at once on this machine: more threads than processors would wait for each other.
number="$(echo "$sites" | wc -w)"
threads=$((($(nproc) + number - 1) / number))
address="" host_key=""
if [ "$carrier" = ssh ]; then
    # shellcheck disable=SC2086
    scripts/lib/hub.sh start "$place/hub" "$place/coordinator/keys/mail.pub" $keys > "$place/hub.txt" || exit $?
    address="$(sed -n 's/^address //p' "$place/hub.txt")"
    host_key="$(sed -n 's/^host_key //p' "$place/hub.txt")"
fi
for site in $sites; do
    mailbox="../mail/$site" opened=""
    if [ "$carrier" = ssh ]; then
        mailbox="$address/$site.git"
        opened="$(printf 'ssh_key: keys/mail\nhost_key: %s' "$host_key")"
        printf '%s: {address: "%s", ssh_key: keys/mail, host_key: "%s"}\n' "$site" "$mailbox" "$host_key"
    else
        printf '%s: ../mail/%s\n' "$site" "$site"
    fi >> "$place/coordinator/mailboxes.yaml"
    cat > "$place/$site/site.yaml" <<END
version: 1
site: $site
mailbox: $mailbox
$opened
model: $base
train: notes
$(sed -nE "s/$line/\1 \3/p" "$workflow" | sed -nE -e "s/^$site //" -e 't found' -e d -e ':found' -e 's/, limit:/\nlimit:/p;t' -e p)
accept: {rounds: 100, rank: 64, megabytes: 1000}
END
    (cd "$place/$site" && exec "$medrounds" site run site.yaml --threads "$threads" > run.log 2>&1) &
    pids="$pids $!"
done

seconds() { date +%s.%N; }
begun="$(seconds)"
(cd "$place/coordinator" && "$medrounds" run "$name.yaml" --name federation) || exit $?
apart="$(seconds)"
printf '\nThe same federation in one process:\n'
"$medrounds" run "$workflow" --name one --ledger "$place/one/ledger.git" --quiet
together="$(seconds)"
same=yes compared=0
for path in adapter.safetensors $(git --git-dir="$place/one/ledger.git" ls-tree -r --name-only runs/one \
    | grep -E '/(upload/.*/adapter.safetensors|aggregate/record.json)$'); do
    first="$(git --git-dir="$place/coordinator/rounds/ledger.git" rev-parse "runs/federation:$path")"
    second="$(git --git-dir="$place/one/ledger.git" rev-parse "runs/one:$path")"
    [ "$first" = "$second" ] || { same=no; printf 'differs: %s\n' "$path"; }
    compared=$((compared + 1))
done
[ "$same" = yes ] || exit 5
for site in $sites; do
    for _ in $(seq 60); do
        ! grep -q "finished:" "$place/$site/run.log" || break
        sleep 1
    done
    printf '%s: ' "$site"
    "$medrounds" verify federation --ledger "$place/$site/ledger.git" | sed -n 1p
done
awk -v a="$begun" -v b="$apart" -v c="$together" -v n="$compared" -v k="$(echo "$sites" | wc -w)" -v w="$carrier" 'BEGIN {
    printf "%d processes (messages: %s) and one process gave the same uploads, weights and adapters: %d files, byte for byte.\n", k + 1, w, n
    printf "Several processes: %.1f s. One process: %.1f s.\n", b - a, c - b
}'
