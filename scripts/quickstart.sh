#!/usr/bin/env bash
# From a clean clone to a finished federation: sets up, builds, runs workflows/quickstart.yaml. Arguments go to `medrounds run`.
# Each further call starts the next run; earlier runs stay in the ledger.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=scripts/lib/setup.sh
. scripts/lib/setup.sh
# shellcheck source=scripts/lib/source.sh
. scripts/lib/source.sh

setup
swift build -c release

status=0
.build/release/medrounds run workflows/quickstart.yaml "$@" || status=$?
if [ "$status" -ne 0 ]; then
    printf 'quickstart: the run ended with exit code %s; what it says above tells how to go on\n' "$status" >&2
    exit "$status"
fi

# The newest run's main line, by number.
run="$(git --git-dir=rounds/ledger.git for-each-ref --sort=-version:refname --format='%(refname:lstrip=3)' \
    'refs/heads/runs/quickstart-*' 2>/dev/null | sed -n '/\./!{p;q}' || true)"
run="${run:-quickstart-1}"
cat <<END

Done: $run is in rounds/ledger.git. What to do next, from this folder:

  .build/release/medrounds log                     every run; log $run lists its commits
  .build/release/medrounds show $run        what each round did
  .build/release/medrounds verify $run      check digests, weights and the chain
  .build/release/medrounds replay $run      recompute the averages and compare the bits;
                                              --level full recomputes every step
  .build/release/medrounds extract --run $run workflows/data/northfield/test/synthetic-discharge-test-001.txt
  git --git-dir=rounds/ledger.git log --graph --oneline --all

Other workflows: workflows/fed-medlora.yaml, zero-shot.yaml, single-site.yaml, centralised.yaml.
END
