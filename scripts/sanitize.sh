#!/usr/bin/env bash
# Tests CKernels, Engine and Tokenization with AddressSanitizer and UndefinedBehaviourSanitizer, C and Swift: decoding, scoring and training
# of tiny models with extreme shapes, kernels on buffers of exact size, tokenizers over hostile text (Tests/Sanitized).
# Usage: bash scripts/sanitize.sh [--short] [CASES] [SEED]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
cases=2000
if [ "${1:-}" = --short ]; then
    cases=150
    shift
fi
cases="${1:-$cases}" seed="${2:-1}"

# A package of only these targets: otherwise the whole project would be built with sanitizers.
scratch=.build-sanitize
mkdir -p "$scratch"
ln -sfn ../Sources "$scratch/Sources"
ln -sfn ../Tests "$scratch/Tests"
cat >"$scratch/Package.swift.new" <<'PACKAGE'
// swift-tools-version: 6.1
// Written by scripts/sanitize.sh.

import PackageDescription

let package = Package(
    name: "Sanitized",
    targets: [
        .target(name: "Faults"),
        .target(name: "CSums"),
        .target(name: "Federation", dependencies: ["Faults", "CSums"]),
        .target(name: "CKernels", linkerSettings: [.linkedLibrary("m")]),
        .target(name: "ModelFiles", dependencies: ["Faults", "Federation"]),
        .target(name: "Tokenization", dependencies: ["Faults", "Federation"]),
        .target(name: "Engine", dependencies: ["Faults", "Federation", "ModelFiles", "CKernels"]),
        .executableTarget(
            name: "sanitized",
            dependencies: ["Faults", "Federation", "ModelFiles", "Tokenization", "Engine", "CKernels"],
            path: "Tests/Sanitized"),
    ],
    swiftLanguageModes: [.v6]
)
PACKAGE
# Replaced only where it changed, so that nothing is built twice.
cmp -s "$scratch/Package.swift.new" "$scratch/Package.swift" || mv "$scratch/Package.swift.new" "$scratch/Package.swift"
rm -f "$scratch/Package.swift.new"

# -O0, because the kernels' tiles are unrolled so much that a higher level takes many minutes with every load checked. Nothing recovers: the
# first finding ends the program. Swift itself traps on undefined behaviour; UndefinedBehaviourSanitizer is for C, and its runtime is part
# of AddressSanitizer's.
swift build --package-path "$scratch" -c release --sanitize address \
    -Xcc -O0 -Xcc -g1 -Xcc -fsanitize=undefined -Xcc -fno-sanitize=function -Xcc -fno-sanitize-recover=all
export ASAN_OPTIONS="${ASAN_OPTIONS:-detect_leaks=0:allocator_may_return_null=1}"
# The backtracer reads memory of its own accord, which AddressSanitizer takes for a fault of the program.
export SWIFT_BACKTRACE="${SWIFT_BACKTRACE:-enable=no}"
export UBSAN_OPTIONS="${UBSAN_OPTIONS:-print_stacktrace=1}"
"$scratch/.build/release/sanitized" "$cases" "$seed"
