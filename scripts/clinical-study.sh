#!/usr/bin/env bash
# The studies on real notes: every row of a table in docs/results.md, then the table itself from the ledger.
#
#   bash scripts/clinical-study.sh [--two-sites] DATA [SETTING...]
#
# Four sites with entities and relations (workflows/clinical), or with --two-sites two sites with only entities (workflows/clinical/ner).
# DATA is the folder of the corpora (docs/data.md). Each SETTING is a --set for all rows, such as model.numerics=fast. An existing run is
# resumed where it stopped, so that the script may be called again at any time. SEED=18 makes runs of another seed beside the others; LEDGER
# is the ledger (rounds/study/ledger.git).
set -euo pipefail
cd "$(dirname "$0")/.."
folder=workflows/clinical prefix="" sites=(general discharge maccrobat phee)
if [ "${1:-}" = --two-sites ]; then
    folder=workflows/clinical/ner prefix=ner- sites=(general discharge)
    shift
fi
data=${1:?usage: bash scripts/clinical-study.sh [--two-sites] DATA [SETTING...]}
shift
program=${MEDROUNDS:-.build/release/medrounds}
ledger=${LEDGER:-rounds/study/ledger.git}
seed=${SEED:-17}
settings=(--set "data_root=$data" --set "seed=$seed")
for setting in "$@"; do settings+=(--set "$setting"); done

# row NAME WORKFLOW [SETTING...]
runs=()
row() {
    # The digits after the last hyphen are a run's number.
    local name=$prefix$1-$seed workflow=$2
    shift 2
    local more=() resume=()
    for setting in "$@"; do more+=(--set "$setting"); done
    if [ -d "$ledger" ] && git --git-dir="$ledger" rev-parse --quiet --verify "refs/heads/runs/$name.published" >/dev/null; then
        resume=(--resume)
    fi
    "$program" run "$folder/$workflow.yaml" --name "$name" --ledger "$ledger" --quiet \
        "${settings[@]}" "${more[@]+"${more[@]}"}" "${resume[@]+"${resume[@]}"}" >/dev/null
    echo "$(date -u +%H:%M:%S) $name done" >&2
    runs+=("$name")
}

row fed-medlora fed-medlora
row fed-medlora-plus fed-medlora-plus
row centralised centralised
for site in "${sites[@]}"; do row "only-$site" single-site "participants=[$site]"; done
row zero-shot zero-shot
"$program" compare --ledger "$ledger" --markdown "${runs[@]}"
"$program" compare --ledger "$ledger" "${runs[@]}"
if [ -z "$prefix" ]; then
    row disjoint disjoint-tasks
    "$program" show --ledger "$ledger" "disjoint-$seed"
fi
