// swift-tools-version: 6.1
// Benchmarks of the engine, in a package of their own, so that nobody builds them by accident.

import PackageDescription

let package = Package(
    name: "Benchmarks",
    dependencies: [.package(name: "MedRounds", path: "..")],
    targets: [
        .executableTarget(
            name: "step",
            dependencies: [
                .product(name: "MedRoundsEngine", package: "MedRounds")
            ]),
        .executableTarget(
            name: "aggregate", dependencies: [.product(name: "MedRoundsEngine", package: "MedRounds")]),
        .executableTarget(
            name: "gemm", dependencies: [.product(name: "MedRoundsEngine", package: "MedRounds")],
            linkerSettings: [.linkedLibrary("pthread")]),
        .executableTarget(
            name: "noise", dependencies: [.product(name: "MedRoundsEngine", package: "MedRounds")]),
        .executableTarget(
            name: "decode",
            dependencies: [
                .product(name: "MedRoundsEngine", package: "MedRounds"),
                .product(name: "MedRoundsTasks", package: "MedRounds"),
            ]),
    ],
    swiftLanguageModes: [.v6]
)
