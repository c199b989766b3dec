#!/usr/bin/env bash
# How a coordinator bears many sites: N sites, each in a folder of its own with messages in folders, made of the first site of a workflow. Prints the
# coordinator's peak of memory, the time of each round and the bytes of all messages.
#
#   scripts/federation-scale.sh WORKFLOW SITES ROUNDS
# Sites run in turn, two at a time, as `site run --once` from a timer would.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
workflow="${1:?a workflow}" count="${2:?how many sites}" rounds="${3:?how many rounds}"
medrounds="${MEDROUNDS:-$PWD/.build/release/medrounds}"
from="$(cd "$(dirname "$workflow")" && pwd)"
place="${MEDROUNDS_DEMO:-$PWD/build/federation-scale}"
rm -rf "$place"
mkdir -p "$place/coordinator/data"
line='^  ([a-z0-9-]+): \{train: ([^,]+), (tasks: .*)\}$'
data="$from/$(sed -nE 's/^data_root: *([^ ]+).*/\1/p' "$workflow")"
notes="$data/$(sed -nE "s/$line/\2/p" "$workflow" | head -n 1)"
base="$(sed -nE 's/^model: *\{base: *([^,}]+).*/\1/p' "$workflow")"
[ ! -f "$from/$base" ] || base="$from/$base"
template="$(sed -nE 's/^template: *([^ ]+)$/\1/p' "$workflow")"
[ ! -f "$from/$template" ] || cp "$from/$template" "$place/coordinator/$template"
cp -r "$data/." "$place/coordinator/data/"
sites=""
for number in $(seq "$count"); do sites="$sites site-$number"; done
{
    sed -nE -e '/^sites:/,$d' -e "s|^(model: *\{base: *)[^,}]+|\1$base|" -e p "$workflow"
    echo "sites:"
    for site in $sites; do echo "  $site: {remote: true}"; done
    sed -nE -e '/^sites:/,/^[a-z]+:/{/^sites:/d;/^  /d}' -e '/^coordinator:/,$p' "$workflow" | sed -E "s/^rounds: .*/rounds: $rounds/"
} > "$place/coordinator/scale.yaml"
for site in $sites; do
    mkdir -p "$place/$site"
    cp -r "$notes" "$place/$site/notes"
    echo "$site: ../mail/$site" >> "$place/coordinator/mailboxes.yaml"
    printf 'version: 1\nsite: %s\nmailbox: ../mail/%s\nmodel: %s\ntrain: notes\ntasks: {ner: all}\naccept: {rounds: 100, rank: 64, megabytes: 1000}\n' \
        "$site" "$site" "$base" > "$place/$site/site.yaml"
done
(cd "$place/coordinator" && exec "$medrounds" run scale.yaml --name scale > run.log 2>&1) &
coordinator=$!
trap 'kill "$coordinator" 2>/dev/null || true' EXIT
peak=0
while kill -0 "$coordinator" 2>/dev/null; do
    # shellcheck disable=SC2086
    printf '%s\n' $sites | xargs -P 2 -I{} sh -c "cd '$place/{}' && '$medrounds' site run site.yaml --once --quiet --threads 1 > once.log 2>&1 || true"
    now="$(sed -nE 's/^VmHWM:[[:space:]]*([0-9]+) kB/\1/p' "/proc/$coordinator/status" 2>/dev/null || true)"
    [ -z "$now" ] || peak="$now"
done
wait "$coordinator" || { tail -n 5 "$place/coordinator/run.log"; exit 1; }
printf '%s sites, %s rounds: peak of the coordinator %s kB, messages %s bytes, ledger %s bytes\n' "$count" "$rounds" "$peak" \
    "$(find "$place/mail" -name '*.bundle' -printf '%s\n' | awk '{ sum += $1 } END { print sum }')" \
    "$(du -sb "$place/coordinator/rounds/ledger.git" | cut -f 1)"
"$medrounds" log scale --ledger "$place/coordinator/rounds/ledger.git" | grep -E ' (publish|plan) ' | cut -d ' ' -f 3-
