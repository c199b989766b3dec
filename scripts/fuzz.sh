#!/bin/bash
# Mutated inputs for the readers of model files, as many a reader as asked for, each reader in a process of its own that may not ask
# for much memory. Usage: bash scripts/fuzz.sh [COUNT] [SEED] [READER ...]
set -euo pipefail
cd "$(dirname "$0")/.."
# Whatever is larger than a megabyte is mapped by itself, so that it counts as soon as it is asked for.
export MALLOC_MMAP_THRESHOLD_=1048576
export MEDROUNDS_FUZZ="${1:-10000000}" MEDROUNDS_FUZZ_SEED="${2:-1}"
shift $(($# < 2 ? $# : 2))
[ $# -gt 0 ] || set -- gguf safetensors configJSON tokenizerJSON chatTemplate adapterSettings adapterSafetensors adapterGGUF
[ -n "${MEDROUNDS_BUILT:-}" ] || swift build -c release --build-tests
for reader in "$@"; do
  echo "$reader"
  swift test -c release --skip-build --filter "FuzzTests/$reader\\(" 2>&1 | grep -E "inputs of|recorded an issue|with [0-9]+ test|Fatal|error:"
done
