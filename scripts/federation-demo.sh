#!/usr/bin/env bash
# The quickstart's federation over separate processes: a coordinator and three hospitals, each in its own folder below build/federation, with
# messages in folders between them. Ends with the comparison with one process. Messages over ssh are not built yet.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
medrounds="${MEDROUNDS:-$PWD/.build/release/medrounds}"
[ -x "$medrounds" ] || { printf 'federation-demo: build first: swift build -c release\n' >&2; exit 2; }
place="$PWD/build/federation"
rm -rf "$place"
mkdir -p "$place/coordinator"

sites="harbour-ed northfield riverside-clinic"
pids=""
stop() { for pid in $pids; do kill "$pid" 2>/dev/null || true; done; }
trap stop EXIT

# The coordinator has the workflow, the validation and the test notes; of the sites' notes it has none.
sed -E 's/^  (harbour-ed|northfield|riverside-clinic): \{train:.*/  \1: {remote: true}/' workflows/quickstart.yaml \
    > "$place/coordinator/quickstart.yaml"
for site in $sites; do
    mkdir -p "$place/coordinator/data/$site" "$place/$site"
    cp -r "workflows/data/$site/test" "$place/coordinator/data/$site/test"
    cp -r "workflows/data/$site/train" "$place/$site/notes"
    printf '%s: ../mail/%s\n' "$site" "$site" >> "$place/coordinator/mailboxes.yaml"
    tasks='{ner: all}'
    [ "$site" = riverside-clinic ] && tasks='{ner: [problem, drug]}'
    cat > "$place/$site/site.yaml" <<END
version: 1
site: $site
mailbox: ../mail/$site
model: smollm2-135m-instruct
train: notes
tasks: $tasks
limit: 48
accept: {rounds: 2, rank: 16, megabytes: 20}
END
    (cd "$place/$site" && exec "$medrounds" site run site.yaml --threads 1 > run.log 2>&1) &
    pids="$pids $!"
done
cp -r workflows/data/validation "$place/coordinator/data/validation"
(cd "$place/coordinator" && "$medrounds" run quickstart.yaml --name federation)

printf '\nThe same federation in one process:\n'
"$medrounds" run workflows/quickstart.yaml --name one --ledger "$place/one/ledger.git" --quiet
same=yes
for path in adapter.safetensors $(git --git-dir="$place/one/ledger.git" ls-tree -r --name-only runs/one \
    | grep -E '/(upload/.*/adapter.safetensors|aggregate/record.json)$'); do
    first="$(git --git-dir="$place/coordinator/rounds/ledger.git" rev-parse "runs/federation:$path")"
    second="$(git --git-dir="$place/one/ledger.git" rev-parse "runs/one:$path")"
    [ "$first" = "$second" ] || { same=no; printf 'differs: %s\n' "$path"; }
done
[ "$same" = yes ] || exit 5
printf 'Four processes and one process gave the same uploads, weights and adapters, byte for byte.\n'
for site in $sites; do "$medrounds" verify federation --ledger "$place/$site/ledger.git" | head -1; done
