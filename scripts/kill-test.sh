#!/usr/bin/env bash
# Kills a tiny federation with SIGKILL at random moments (200, or the number in the argument), resumes it each time and compares the state.
# Also tests two processes on one run, and a full disk. Needs the built tests: bash scripts/test.sh builds them.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

export MEDROUNDS_KILLS="${1:-200}"
exec swift test -c release --skip-build --filter KillTests
