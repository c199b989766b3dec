// Where tests find the base model and the goldens.

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

enum Fixtures {
    /// The base model: MEDROUNDS_MODEL, else the cache; nil where absent.
    static let baseModel: String? = {
        let environment = ProcessInfo.processInfo.environment
        let path =
            environment["MEDROUNDS_MODEL"]
            ?? "\(FileManager.default.homeDirectoryForCurrentUser.path)/.cache/medrounds/SmolLM2-135M-Instruct.Q4_1.gguf"
        return FileManager.default.isReadableFile(atPath: path) ? path : nil
    }()

    private static let tests = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .path
    /// The goldens of these tests.
    static let ownGoldens = "\(tests)/ModelFilesTests/Goldens"
    /// The models and adapters that PyTorch and PEFT wrote for the engine's tests.
    static let engineGoldens = "\(tests)/EngineTests/Goldens"
    /// The tokenizer that goes with them.
    static let tokenizer = "\(tests)/TokenizationTests/Goldens/tiny-llama3/tokenizer.json"
}

/// SplitMix64 (Steele, Lea and Flood 2014): the same numbers for the same seed.
struct SeededGenerator: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var z = state
        z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
        return z ^ (z >> 31)
    }
}

/// A temporary folder that is removed at the end of the scope that holds it.
final class TemporaryFolder {
    let path: String

    init() throws {
        path = FileManager.default.temporaryDirectory.path + "/medrounds-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    func write(_ bytes: [UInt8], _ name: String) throws -> String {
        let file = "\(path)/\(name)"
        try Data(bytes).write(to: URL(fileURLWithPath: file))
        return file
    }

    func write(_ text: String, _ name: String) throws -> String { try write(Array(text.utf8), name) }

    func makeFolder(_ name: String) throws {
        try FileManager.default.createDirectory(atPath: "\(path)/\(name)", withIntermediateDirectories: true)
    }
}

/// The bytes of a file.
func contents(_ path: String) throws -> [UInt8] { Array(try Data(contentsOf: URL(fileURLWithPath: path))) }
