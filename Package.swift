// swift-tools-version: 6.1
// The dependencies between targets are the design: docs/design.md lists them and says what each target must not depend on.

import PackageDescription

// Recorded with every step: scripts/lib/source.sh sets it. Only what a git commit's name needs gets into the define.
let source = (Context.environment["MEDROUNDS_SOURCE"] ?? "unknown").filter { "0123456789abcdefghnsuowk+".contains($0) }

let package = Package(
    name: "MedRounds",
    products: [
        .executable(name: "medrounds", targets: ["medrounds"]),
        // The auditor's program: no engine, no kernels, no tokenization.
        .executable(name: "medrounds-verify", targets: ["medrounds-verify"]),
        // For Benchmarks/, which is a package of its own.
        .library(name: "MedRoundsEngine", targets: ["CKernels", "Engine", "ModelFiles", "Federation", "Faults"]),
        .library(name: "MedRoundsTasks", targets: ["Runs", "ModelShelf", "Workflows", "Extraction", "Tokenization"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.0"),
        .package(url: "https://github.com/apple/swift-crypto", from: "4.5.0"),
    ],
    targets: [
        // Nouns and pure rules.
        .target(name: "Faults"),
        .target(name: "CSums", cSettings: [.define("NDEBUG")]),
        .target(name: "Federation", dependencies: ["Faults", "CSums"]),
        .target(
            name: "Digests",
            dependencies: ["Federation", "Faults", .product(name: "Crypto", package: "swift-crypto")]),

        // System libraries and kernels.
        .systemLibrary(name: "CYAML", pkgConfig: "yaml-0.1", providers: [.apt(["libyaml-dev"])]),
        .systemLibrary(name: "CLibgit2", pkgConfig: "libgit2", providers: [.apt(["libgit2-dev"])]),
        .systemLibrary(name: "CLibssh2", pkgConfig: "libssh2", providers: [.apt(["libssh2-1-dev"])]),
        .systemLibrary(name: "COpenBLAS", pkgConfig: "openblas", providers: [.apt(["libopenblas-dev"])]),
        .target(name: "CBuild", cSettings: [.define("BUILD_SOURCE", to: "\"\(source)\"")]),
        .target(name: "CKernels", cSettings: [.define("NDEBUG")], linkerSettings: [.linkedLibrary("m")]),

        // One concern each; none of these depends on another unless docs/design.md says so.
        .target(name: "Workflows", dependencies: ["Faults", "Federation", "CYAML"]),
        .target(name: "ModelFiles", dependencies: ["Faults", "Federation"]),
        .target(name: "Tokenization", dependencies: ["Faults", "Federation"]),
        .target(name: "ChatTemplates", dependencies: ["Faults"]),
        .target(name: "Engine", dependencies: ["Faults", "Federation", "ModelFiles", "CKernels"]),
        .target(name: "Extraction", dependencies: ["Faults", "Federation"]),
        .target(name: "GitLedger", dependencies: ["Faults", "Federation", "Digests", "CLibgit2"]),

        // The targets of a run, from the lowest to the highest.
        .target(name: "LocalFiles", dependencies: ["Faults"]),
        .target(
            name: "Identities", dependencies: ["Faults", "Federation", "Digests", "GitLedger", "LocalFiles"]),
        .target(
            name: "RunRecords",
            dependencies: [
                "Faults", "Federation", "Digests", "Workflows", "ModelFiles", "Extraction", "GitLedger", "LocalFiles",
                "Identities", "CBuild",
            ]),
        .target(
            name: "Verification",
            dependencies: [
                "Faults", "Federation", "Digests", "Workflows", "ModelFiles", "Extraction", "GitLedger", "LocalFiles",
                "Identities", "RunRecords",
            ]),
        .target(
            name: "Reports",
            dependencies: [
                "Faults", "Federation", "Digests", "Workflows", "ModelFiles", "Extraction", "GitLedger", "LocalFiles",
                "Identities", "RunRecords", "Verification",
            ]),
        .target(
            name: "ModelShelf",
            dependencies: [
                "Faults", "Federation", "Digests", "Workflows", "ModelFiles", "Tokenization", "ChatTemplates", "Engine",
                "Extraction", "GitLedger", "LocalFiles", "RunRecords",
            ],
            resources: [.embedInCode("models.json")]),
        .target(
            name: "Runs",
            dependencies: [
                "Faults", "Federation", "Digests", "Workflows", "ModelFiles", "Tokenization", "Engine", "Extraction",
                "GitLedger", "LocalFiles", "Identities", "RunRecords", "Verification", "Reports", "ModelShelf",
            ]),
        .target(
            name: "Carriers",
            dependencies: ["Faults", "Federation", "Digests", "GitLedger", "CLibgit2", "CLibssh2"]),
        .target(
            name: "Federating",
            dependencies: [
                "Faults", "Federation", "Digests", "Workflows", "ModelFiles", "GitLedger", "LocalFiles", "Identities",
                "RunRecords", "Verification", "Runs", "Carriers",
            ]),
        .target(
            name: "AuditCommands",
            dependencies: [
                "Faults", "Federation", "GitLedger", "LocalFiles", "Identities", "RunRecords", "Verification",
                "Reports",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ]),
        .executableTarget(
            name: "medrounds-verify",
            dependencies: [
                "AuditCommands", "RunRecords", .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ]),
        .executableTarget(
            name: "medrounds",
            dependencies: [
                "Faults", "Federation", "Digests", "Workflows", "ModelFiles", "Tokenization", "Engine",
                "Extraction", "GitLedger", "LocalFiles", "Identities", "RunRecords", "Verification", "Reports",
                "ModelShelf", "Runs", "Carriers", "Federating", "AuditCommands",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ]),

        // The readers of files from strangers, as the fuzzer and the tests call them; no product contains it.
        .target(
            name: "FuzzReaders",
            dependencies: [
                "Faults", "Federation", "ModelFiles", "Tokenization", "ChatTemplates", "GitLedger", "Identities",
            ],
            path: "Fuzzing/Readers"),

        // What the tests of several targets share.
        .target(name: "TestSupport", path: "Tests/TestSupport"),

        .testTarget(name: "FuzzingTests", dependencies: ["FuzzReaders"]),
        .testTarget(name: "FaultsTests", dependencies: ["Faults"]),
        .testTarget(name: "FederationTests", dependencies: ["Faults", "Federation", "Digests"]),
        .testTarget(name: "AggregationTests", dependencies: ["Faults", "Federation", "CSums"]),
        .testTarget(name: "WorkflowsTests", dependencies: ["Faults", "Federation", "Workflows"]),
        .testTarget(
            name: "TokenizationTests",
            dependencies: ["Faults", "Federation", "Tokenization", "ChatTemplates", "ModelFiles", "TestSupport"],
            exclude: ["Goldens"]),
        .testTarget(
            name: "ChatTemplatesTests", dependencies: ["Faults", "Federation", "ChatTemplates", "TestSupport"],
            exclude: ["Goldens"]),
        .testTarget(
            name: "ModelFilesTests", dependencies: ["Faults", "Federation", "ModelFiles", "TestSupport"],
            exclude: ["Goldens"]),
        .testTarget(name: "CKernelsTests", dependencies: ["CKernels", "COpenBLAS"]),
        .testTarget(
            name: "EngineTests",
            dependencies: ["Faults", "Federation", "ModelFiles", "Engine", "CKernels", "TestSupport"],
            resources: [.copy("Goldens")]),
        .testTarget(name: "ExtractionTests", dependencies: ["Faults", "Federation", "Extraction", "TestSupport"]),
        .testTarget(
            name: "GitLedgerTests", dependencies: ["Faults", "Federation", "Digests", "GitLedger", "TestSupport"]),
        .testTarget(
            name: "RunsTests",
            dependencies: [
                "Faults", "Federation", "Digests", "Workflows", "ModelFiles", "Tokenization", "Engine",
                "Extraction", "GitLedger", "LocalFiles", "Identities", "RunRecords", "Verification", "Reports",
                "ModelShelf", "Runs", "medrounds", "TestSupport",
            ]),
    ],
    swiftLanguageModes: [.v6]
)

// scripts/fuzz.sh builds libFuzzer's driver; a compiler without libFuzzer's run-time library can build everything else.
if Context.environment["MEDROUNDS_LIBFUZZER"] != nil {
    package.targets.append(
        .executableTarget(name: "fuzz", dependencies: ["FuzzReaders"], path: "Fuzzing/Driver"))
}
