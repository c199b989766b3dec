#!/usr/bin/env bash
# Every check: format, the dependencies between targets, the synthetic notes, all tests optimised. Ends with the test runner's last line.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=scripts/lib/setup.sh
. scripts/lib/setup.sh
# shellcheck source=scripts/lib/source.sh
. scripts/lib/source.sh

setup
# The tests look here for the base model.
export MEDROUNDS_MODEL="${MEDROUNDS_MODEL:-$model_path}"

swift format lint --strict --recursive Sources Tests Package.swift
# Pages wrap at 120 columns; only a table's row is one line.
awk 'length > 120 && !/^ *\|/ { print FILENAME ":" FNR ": " length " columns"; wide = 1 } END { exit wide }' README.md docs/*.md
python3 -B scripts/synthetic-notes/make.py --check
bash scripts/check-schema.sh
swift build -c release --build-tests --explicit-target-dependency-import-check error

# The tests write many commits, each synchronised with the disk: in memory where there is room for them.
if [ -w /dev/shm ] && [ "$(df --output=avail /dev/shm | tail -n 1)" -gt 4000000 ]; then
    TMPDIR="$(mktemp -d /dev/shm/medrounds-tests-XXXXXX)"
else
    TMPDIR="$(mktemp -d)"
fi
export TMPDIR
log="$(mktemp)"
trap 'rm -rf "$TMPDIR"' EXIT
status=0
swift test -c release --skip-build 2>&1 | tee "$log" || status=$?
# What was not tested here, and what is needed to test it: one line for each reason, then the runner's last line again.
sed -nE 's/^.*Test .* skipped: "?(needs [^"]*)"?$/\1/p' "$log" | sort | uniq -c | sort -rn \
    | sed -E 's/^ *1 needs/1 test needs/; s/^ *([0-9]+) needs/\1 tests need/'
grep -E 'Test run with [0-9]+ test' "$log" | tail -n 1 || true
exit "$status"
