#!/usr/bin/env bash
# Exports a run and validates the export with outside tools: rocrate-validator and in-toto's Python package, in a separate Python
# environment under .build. usage: bash scripts/check-exports.sh RUN [flags of medrounds export]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
[ $# -ge 1 ] || { printf 'usage: bash scripts/check-exports.sh RUN [--ledger PATH]\n' >&2; exit 2; }

tools=".build/check-exports"
if [ ! -f "$tools/ready" ]; then
    python3 -m venv "$tools"
    "$tools/bin/pip" install --quiet --disable-pip-version-check roc-validator==0.13.0 in-toto-attestation==0.9.3
    # This release of rocrate includes the context of RO-Crate 1.1, so that no validation needs a web address.
    "$tools/bin/pip" download --quiet --disable-pip-version-check --no-deps --dest "$tools" rocrate==0.10.0
    python3 -m zipfile -e "$tools"/rocrate-0.10.0-*.whl "$tools/rocrate"
    touch "$tools/ready"
fi

scratch="$(mktemp -d)"
trap 'rm -rf "$scratch"' EXIT
.build/release/medrounds export "$1" "$scratch/export" "${@:2}"
"$tools/bin/python" -B scripts/check-exports/validate.py "$scratch/export" "$tools/rocrate/rocrate/data/ro-crate.jsonld"
