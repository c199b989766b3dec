#!/usr/bin/env bash
# Runs 1,000 rounds (or as many as the argument says) of a tiny signed federation of ten sites and times log and verify. In memory
# where there is room (TMPDIR=/dev/shm): writing 150,000 objects durably is not what is measured. Needs the tests built.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

export MEDROUNDS_SCALE="${1:-1000}"
exec swift test -c release --skip-build --filter ScaleTests
