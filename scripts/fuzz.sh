#!/usr/bin/env bash
# Hostile inputs for the readers of Fuzzing/Readers/Readers.swift, each reader in a process of its own that may use only a little memory.
# There are two ways, which share readers, grammar and corpus:
#
#   bash scripts/fuzz.sh [COUNT] [SEED] [READER ...]      COUNT mutations a reader by the grammar, from a seed
#   bash scripts/fuzz.sh --guided SECONDS [READER ...]    libFuzzer, guided by what each input reaches; new inputs go to .build/fuzz/READER
#
# An input that ends the process is written to .build/fuzz in the second way; in the first way, count and seed identify it.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readers() { sed -n 's/^ *Reader("\([a-z-]*\)".*/\1/p' Fuzzing/Readers/Readers.swift; }

if [ "${1:-}" = --guided ]; then
    seconds="${2:?how many seconds a reader}"
    shift 2
    # shellcheck disable=SC2046  # names without blanks
    [ $# -gt 0 ] || set -- $(readers)
    export MEDROUNDS_LIBFUZZER=1
    swift build -c release --product fuzz --scratch-path .build/fuzz/build -Xswiftc -sanitize=fuzzer
    for reader in "$@"; do
        echo "$reader"
        mkdir -p ".build/fuzz/$reader"
        MEDROUNDS_READER="$reader" .build/fuzz/build/release/fuzz -max_total_time="$seconds" -max_len=4096 -timeout=10 \
            -print_final_stats=1 -artifact_prefix=".build/fuzz/$reader-" ".build/fuzz/$reader" "Fuzzing/Corpus/$reader" 2>&1 |
            grep -E "^stat::|^Done|ERROR|SUMMARY|: unexpected|shows a control|no Fault"
    done
    exit
fi

# Blocks larger than a megabyte are mapped separately, so that they count as soon as they are requested.
export MALLOC_MMAP_THRESHOLD_=1048576
export MEDROUNDS_FUZZ="${1:-10000000}" MEDROUNDS_FUZZ_SEED="${2:-1}"
shift $(($# < 2 ? $# : 2))
# shellcheck disable=SC2046  # names without blanks
[ $# -gt 0 ] || set -- $(readers)
[ -n "${MEDROUNDS_BUILT:-}" ] || swift build -c release --build-tests
for reader in "$@"; do
    MEDROUNDS_READER="$reader" swift test -c release --skip-build --filter "FuzzTests/mutatedInputs" 2>&1 |
        grep -E "inputs, seed|recorded an issue|shows a control|unexpected|no Fault|Fatal|error:"
done
