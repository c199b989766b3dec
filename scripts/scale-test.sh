#!/usr/bin/env bash
# Runs 1,000 rounds (or the number in the argument) of a tiny signed federation of ten sites and times log and verify. Use memory if there
# is enough (TMPDIR=/dev/shm): the time to write 150,000 objects durably is not measured here. Needs the built tests.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

export MEDROUNDS_SCALE="${1:-1000}"
exec swift test -c release --skip-build --filter ScaleTests
