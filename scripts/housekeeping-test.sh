#!/usr/bin/env bash
# Runs stock `git gc` and `git pack-refs` in a loop beside 50 short runs (or the number in the argument), and 100 prunings that are killed
# at random moments. Prints how many runs stopped. Needs the built tests.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

export MEDROUNDS_HOUSEKEEPING="${1:-50}" MEDROUNDS_KILLS="${2:-100}"
exec swift test -c release --skip-build --filter 'noRunStopsWhileGitCollectsGarbage|aKillAtAnyMomentLosesNothingElse'
