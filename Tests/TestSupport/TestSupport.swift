// What the tests of several targets need: the base model, what a clone does not bring, seeded numbers, folders and files.

import Foundation
import Testing

/// The base model: MEDROUNDS_MODEL, else the cache; nil where absent.
package let baseModelPath: String? = {
    let home = FileManager.default.homeDirectoryForCurrentUser.path
    let path =
        ProcessInfo.processInfo.environment["MEDROUNDS_MODEL"]
        ?? "\(home)/.cache/medrounds/SmolLM2-135M-Instruct.Q4_1.gguf"
    return FileManager.default.isReadableFile(atPath: path) ? path : nil
}()

/// A folder of ../shared beside the checkout, where a developer has it.
package func sharedFolder(_ name: String) -> String? {
    let path = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().deletingLastPathComponent().appendingPathComponent("shared/\(name)").path
    return FileManager.default.fileExists(atPath: path) ? path : nil
}

/// What a test needs that no clone brings. Every reason begins with "needs", so that scripts/test.sh can count skipped tests by it.
extension Trait where Self == ConditionTrait {
    package static var needsBaseModel: Self { .enabled(if: baseModelPath != nil, "needs the base model") }
    package static var needsSharedGoldens: Self {
        .enabled(if: sharedFolder("goldens") != nil, "needs the goldens beside the project")
    }
    package static var needsSharedData: Self {
        .enabled(if: sharedFolder("data/clinical") != nil, "needs the development data beside the project")
    }
}

/// SplitMix64 (Steele, Lea and Flood 2014): the same numbers for the same seed.
package struct SeededGenerator: RandomNumberGenerator {
    package var state: UInt64

    package init(state: UInt64) { self.state = state }

    package mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var z = state
        z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
        return z ^ (z >> 31)
    }
}

/// The bytes of a file.
package func contents(_ path: String) throws -> [UInt8] { Array(try Data(contentsOf: URL(fileURLWithPath: path))) }
