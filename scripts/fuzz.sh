#!/usr/bin/env bash
# Inputs that mean harm for the readers of Fuzzing/Readers/Readers.swift, each reader in a process of its own that may not ask for much
# memory. Two ways, which share readers, grammar and corpus:
#
#   bash scripts/fuzz.sh [COUNT] [SEED] [READER ...]      COUNT mutations a reader by the grammar, from a seed
#   bash scripts/fuzz.sh --guided SECONDS [READER ...]    libFuzzer, guided by what each input reaches; new inputs go to .build/fuzz/READER
#
# An input that ends the process in the second way is written to .build/fuzz; in the first, count and seed name it.
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

# What is larger than a megabyte is mapped by itself, so that it counts as soon as it is asked for.
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
