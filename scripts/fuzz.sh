#!/bin/bash
# Mutated inputs for the readers of model files, as many a reader as asked for. Usage: bash scripts/fuzz.sh [COUNT] [SEED]
set -euo pipefail
cd "$(dirname "$0")/.."
export MEDROUNDS_FUZZ="${1:-10000000}" MEDROUNDS_FUZZ_SEED="${2:-1}"
swift build -c release --build-tests
swift test -c release --skip-build --filter FuzzTests
