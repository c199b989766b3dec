#!/usr/bin/env bash
# Kills a tiny federation with SIGKILL at random instants (200, or as many as the argument says), resumes it each time and compares
# the state. Two processes on one run and a full disk are tried as well. Needs the tests built: bash scripts/test.sh does it.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

export MEDROUNDS_KILLS="${1:-200}"
exec swift test -c release --skip-build --filter KillTests
