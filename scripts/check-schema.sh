#!/usr/bin/env bash
# Validates every shipped workflow against workflows/workflow.schema.json with an outside validator, jsonschema of PyPI, and sees that
# it refuses what the reader refuses. Its packages go into .build/check-schema unless this machine's Python has them.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

python=python3
if ! "$python" -c 'import jsonschema, yaml' 2>/dev/null; then
    venv=.build/check-schema
    if [ ! -x "$venv/bin/python" ] || ! "$venv/bin/python" -c 'import jsonschema, yaml' 2>/dev/null; then
        python3 -m venv --clear "$venv"
        "$venv/bin/python" -m pip install --quiet --disable-pip-version-check 'jsonschema>=4.18,<5' 'PyYAML>=6,<7'
    fi
    python="$venv/bin/python"
fi
exec "$python" -B scripts/check-schema.py
