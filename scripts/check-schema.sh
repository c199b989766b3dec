#!/usr/bin/env bash
# Validates every shipped workflow against workflows/workflow.schema.json with an outside validator, jsonschema of PyPI, and checks that it
# refuses what the reader refuses. Its packages are installed into .build/check-schema unless this machine's Python has them.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=scripts/lib/setup.sh
. scripts/lib/setup.sh

packages=.build/check-schema
export PYTHONPATH="$packages${PYTHONPATH:+:$PYTHONPATH}"
if ! python3 -c 'import jsonschema, yaml' 2>/dev/null; then
    python="$(python_with_pip)" || fail "python3 has no pip" "Install python3-pip and call again."
    say "fetching jsonschema and PyYAML into $packages"
    "$python" -m pip install --quiet --disable-pip-version-check --target "$packages" 'jsonschema>=4.18,<5' 'PyYAML>=6,<7'
fi
exec python3 -B scripts/check-schema.py
