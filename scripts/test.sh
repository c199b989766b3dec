#!/usr/bin/env bash
# Every check: format, the walls between targets, the synthetic notes, all tests optimised. Ends with the test runner's closing line.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=scripts/lib/setup.sh
. scripts/lib/setup.sh
# shellcheck source=scripts/lib/source.sh
. scripts/lib/source.sh

setup
# The tests look for the base model here.
export MEDROUNDS_MODEL="${MEDROUNDS_MODEL:-$model_path}"

swift format lint --strict --recursive Sources Tests Package.swift
python3 -B scripts/synthetic-notes/make.py --check
bash scripts/check-schema.sh
swift build -c release --build-tests --explicit-target-dependency-import-check error
exec swift test -c release --skip-build
