#!/usr/bin/env bash
# Stock `git gc` and `git pack-refs` in a loop beside 50 short runs (or as many as the argument says), and 100 prunings killed at random
# moments. Prints how many runs stopped. Needs the tests built.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

export MEDROUNDS_HOUSEKEEPING="${1:-50}" MEDROUNDS_KILLS="${2:-100}"
exec swift test -c release --skip-build --filter 'noRunStopsWhileGitCollectsGarbage|aKillAtAnyMomentLosesNothingElse'
